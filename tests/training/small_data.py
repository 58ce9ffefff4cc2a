"""Small images and data folders with known nuclei."""

import csv

import cv2
import numpy as np

from napari_nucseg.training.dataset import Item, median_diameter


def draw_disks(shape, disks):
    """Return int32 (Y, X) with a disk (row, column, radius) for each label from 1."""
    rows, columns = np.indices(shape)
    labels = np.zeros(shape, np.int32)
    for label, (row, column, radius) in enumerate(disks, start=1):
        labels[(rows - row) ** 2 + (columns - column) ** 2 <= radius**2] = label
    return labels


def random_field(seed, shape=(96, 96), radius=8):
    """Return an 8-bit image of bright disks on a grid, and their labels."""
    rng = np.random.default_rng(seed)
    disks = [
        (row + rng.integers(-3, 4), column + rng.integers(-3, 4), radius)
        for row in range(14, shape[0] - 10, 24)
        for column in range(14, shape[1] - 10, 24)
    ]
    labels = draw_disks(shape, disks)
    image = np.where(labels > 0, 180, 30) + rng.normal(0, 6, shape)
    return np.clip(image, 0, 255).astype(np.uint8), labels


def make_item(seed=0, *, name="a", group="g", kind="", shape=(96, 96)):
    """Return one data item of `random_field`."""
    image, labels = random_field(seed, shape)
    return Item(name, image[..., None], labels, group, kind, median_diameter(labels))


def write_folder(folder, count=6, index=True):
    """Write a data folder of `count` images, two of them per group."""
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    rows = []
    for number in range(count):
        image, labels = random_field(number)
        cv2.imwrite(str(folder / "images" / f"image{number}.png"), image)
        cv2.imwrite(str(folder / "labels" / f"image{number}.png"), labels.astype(np.uint16))
        rows.append({"id": f"image{number}", "group": f"group{number // 2}", "source": "disks"})
    if index:
        with (folder / "index.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, ["id", "group", "source"])
            writer.writeheader()
            writer.writerows(rows)
    return folder
