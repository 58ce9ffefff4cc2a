"""A folder of images and labels, read once and kept in memory."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_nucseg._types import AnyArray, LabelArray
from napari_nucseg.counted import counted
from napari_nucseg.errors import DatasetError, ReadError
from napari_nucseg.io.reading import read_image
from napari_nucseg.training.index import IndexRow, read_index

SUFFIXES = (".png", ".tif", ".tiff")


@dataclass(frozen=True)
class Item:
    """One image with its labels.

    Attributes
    ----------
    name : str
        The files' stem.
    image : array (Y, X, 1 or 3)
        Original dtype.
    labels : array (Y, X), int32
        Instance labels, 0 is background.
    group : str
        Images of one group never lie on both sides of the split; the stem where none is given.
    kind : str
        Acquisition type, over which sampling is balanced; empty where none is given.
    diameter : float
        Median diameter of the nuclei in pixels; 0 without nuclei.
    in_test_group : bool
        Whether it shares a field of view with an image that was withheld for a test.
    """

    name: str
    image: AnyArray
    labels: LabelArray
    group: str
    kind: str
    diameter: float
    in_test_group: bool = False


def load_folder(folder: Path, *, include_test_groups: bool = False) -> list[Item]:
    """Read `folder/images` and `folder/labels` (same stems; PNG or TIFF).

    An `index.csv` with a column ``id`` may give ``group``, ``source`` (sampling is balanced over
    it), ``label_source`` (rows marked ``original_rejected`` are left out) and
    ``shares_group_with_test`` (rows marked 1 are left out unless `include_test_groups`).

    Raises
    ------
    DatasetError
        A folder is missing or empty, an image has no labels or cannot be read, two files have the
        same stem, or the sizes of an image and its labels differ.
    """
    images, labels = _files(folder / "images"), _files(folder / "labels")
    missing = sorted(set(images) - set(labels))
    if missing:
        raise DatasetError(
            f"{len(missing)} of {len(images)} images in {folder / 'images'} have no labels of the "
            f"same stem in {folder / 'labels'}; the first is '{missing[0]}'."
        )
    rows = read_index(folder)
    items = []
    for stem, path in images.items():
        row = rows.get(stem, IndexRow(stem, ""))
        if not row.wrong and (include_test_groups or not row.in_test_group):
            items.append(_load_item(path, labels[stem], row))
    groups = {item.group for item in items}
    if len(groups) < 2:
        raise DatasetError(
            f"{folder} holds {counted(len(items), 'usable image')} in fewer than two "
            "groups; at least two groups are needed, one to train on and one to validate on."
        )
    if groups == {item.group for item in items if item.in_test_group}:
        raise DatasetError(
            f"All {len(groups)} groups of {folder} share a field of view with withheld images; at "
            "least one must not, to validate on."
        )
    return items


def median_diameter(labels: LabelArray) -> float:
    """Return the median of sqrt(4 area / pi) over nuclei in pixels, or 0 without nuclei."""
    areas = np.bincount(labels.ravel())[1:]
    areas = areas[areas > 0]
    return float(np.median(np.sqrt(4.0 * areas / np.pi))) if areas.size else 0.0


def files_by_stem(
    folder: Path, suffixes: tuple[str, ...], holds: str, *, may_be_empty: bool = False
) -> dict[str, Path]:
    """Return the files of a folder by stem, in the order of their names.

    Parameters
    ----------
    folder : Path
    suffixes : tuple of str
        Of the files that count, in lower case.
    holds : str
        What a data folder holds, for the error if there is no such folder.
    may_be_empty : bool
        Whether a folder without such files is fine.

    Raises
    ------
    DatasetError
        The folder is missing or empty, or two files have the same stem.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder} does not exist; expected a data folder that holds {holds}.")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in suffixes or path.name.startswith("."):
            continue  # "._a.tif" is what macOS leaves on foreign disks
        if path.stem in found:
            raise DatasetError(
                f"{folder} must hold one file per image, found {found[path.stem].name} and "
                f"{path.name}."
            )
        found[path.stem] = path
    if not found and not may_be_empty:
        raise DatasetError(f"{folder} holds no image; expected {', '.join(suffixes)} files.")
    return found


def _files(folder: Path) -> dict[str, Path]:
    return files_by_stem(folder, SUFFIXES, "'images' and 'labels'")


def _load_item(image_path: Path, label_path: Path, row: IndexRow) -> Item:
    image = _read(image_path)
    labels = _read(label_path)
    if labels.ndim != 2 or not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise DatasetError(
            f"{label_path} must be a 2D integer image with one number per nucleus and 0 for the "
            f"background; it has shape {labels.shape}, dtype {labels.dtype} and numbers from "
            f"{labels.min(initial=0)}."
        )
    if image.ndim not in (2, 3) or image.shape[2:] not in ((), (1,), (3,), (4,)):
        raise DatasetError(
            f"{image_path} must be a 2D gray or RGB(A) image; it has shape {image.shape}."
        )
    if image.shape[:2] != labels.shape:
        raise DatasetError(
            f"{image_path} is {image.shape[:2]} and {label_path} is {labels.shape} pixels "
            "(height, width); they must be equal."
        )
    if image.ndim == 2:
        image = image[..., None]
    labels = _consecutive(labels)
    return Item(
        image_path.stem,
        image[..., :3],
        labels,
        row.group,
        row.kind,
        median_diameter(labels),
        row.in_test_group,
    )


def _consecutive(labels: AnyArray) -> LabelArray:
    """Renumber the nuclei 1, 2, ... in the order of their numbers, which may have gaps."""
    numbers, places = np.unique(labels, return_inverse=True)
    first = 0 if numbers[0] == 0 else 1  # no background at all
    return (places.reshape(labels.shape) + first).astype(np.int32)


def _read(path: Path) -> AnyArray:
    try:
        return read_image(path).data
    except ReadError as error:
        raise DatasetError(str(error)) from error
