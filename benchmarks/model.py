"""Everything that `docs/model.md` says about the bundled model: tables and pictures.

`python benchmarks/model.py DATA`: scores on the validation groups, counts of rescaled images,
images without nuclei, ways to part touching nuclei, and the worst images. Sizes and pieces of the
recipe are in `benchmarks/variants.py`.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from skimage.segmentation import find_boundaries, watershed
from variants import KINDS, SPLIT_SEED

from napari_nucseg import relabel, segment
from napari_nucseg.evaluation import ImageScore, score_image, summarize
from napari_nucseg.inference import instances
from napari_nucseg.sample_data import empty_fields
from napari_nucseg.training.dataset import Item, load_folder
from napari_nucseg.training.split import split_by_group

SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)
DIAMETERS = (6.0, 110.0)
"""Diameters in pixels at which the automatic diameter must be right."""

AS_MEASURED_BY_THE_ORIGINAL = 128
"""Height and width to which whole masks are squeezed for the original system's accuracy."""


IN_PIECES = ("0121d6759c5a", "947c0d94c821")
"""Starts of the names of two held-out images on white, whose true labels cut most nuclei to pieces:
0.47 and 0.38 of them lie in a found nucleus of 2.5 times their area or more, at most 0.19 in the
other images of stained tissue."""


@dataclass(frozen=True)
class Scored:
    """One validation image with its result and score."""

    item: Item
    result: Any
    score: ImageScore


def main() -> None:
    """Print the tables as markdown and write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--pictures", type=Path, default=Path("docs/images"))
    arguments = parser.parse_args()
    validation = split_by_group(load_folder(arguments.data), 0.15, SPLIT_SEED)[1]
    scored = [score(item, arguments.model) for item in validation]
    print_kinds(scored)
    print_original_measure(scored)
    print_parting(scored)
    print_scales(validation, arguments.model)
    print_empty(arguments.model)
    draw_failures(scored, arguments.pictures / "failures.jpg")
    draw_in_pieces(scored, arguments.pictures / "in_pieces.jpg")


def picture(item: Item) -> tuple[Any, str]:
    """Return an item's image and axes as a user would have them."""
    color = item.image.shape[-1] == 3
    return (item.image, "YXS") if color else (item.image[..., 0], "YX")


def score(item: Item, model: str) -> Scored:
    """Segment an image as a user would, with the automatic diameter."""
    result = segment(*picture(item), model=model, keep_maps=True)
    return Scored(item, result, score_image(item.labels, result.labels))


def by_kind(scored: list[Scored]) -> Iterator[tuple[str, list[Scored]]]:
    """Yield each kind of image, each group of kinds, and all."""
    for kind in sorted({s.item.kind for s in scored}):
        yield kind, [s for s in scored if s.item.kind == kind]
    for name, start in KINDS.items():
        group = [s for s in scored if s.item.kind.startswith(start)]
        yield f"**{name}**", group
        whole = [s for s in group if not s.item.name.startswith(IN_PIECES)]
        if len(whole) < len(group):
            yield f"{name} without labels in pieces", whole
    yield "**all**", scored


def print_kinds(scored: list[Scored]) -> None:
    """Print the scores on the validation groups."""
    print("| held out by group | images | AP at 0.5 | mean AP 0.5 to 0.9 | F1 | Dice |")
    print("| --- | --- | --- | --- | --- | --- |")
    for kind, group in by_kind(scored):
        total = summarize([s.score for s in group])
        values = (
            total.average_precision[0].per_image,
            total.mean_average_precision.per_image,
            total.f1.per_image,
            total.dice.per_image,
        )
        print(f"| {kind} | {len(group)} | " + " | ".join(f"{v:.3f}" for v in values) + " |")
    total = summarize([s.score for s in scored])
    print(
        f"\nOver all pixels instead of per image: Dice {total.dice.pooled:.3f}, pixel accuracy "
        f"{total.pixel_accuracy.pooled:.4f}.\n"
    )


def print_original_measure(scored: list[Scored]) -> None:
    """Print the pixel accuracy of masks squeezed to 128 x 128, as the original system had it."""
    size = (AS_MEASURED_BY_THE_ORIGINAL,) * 2

    def squeeze(labels: Any) -> Any:
        mask = (labels > 0).astype(np.uint8)
        return cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST) > 0

    masks = [(squeeze(s.result.labels), squeeze(s.item.labels)) for s in scored]
    accuracy = np.mean([(found == true).mean() for found, true in masks])
    shared = sum((found & true).sum() for found, true in masks)
    total = sum(found.sum() + true.sum() for found, true in masks)
    print(f"At 128 x 128: pixel accuracy {accuracy:.4f}, Dice {2 * shared / total:.3f}.\n")


def print_parting(scored: list[Scored]) -> None:
    """Compare ways from the same maps to nuclei."""
    print("| touching nuclei are parted by | AP at 0.5 | mean AP |\n| --- | --- | --- |")
    usual = instances._group_votes, instances.VOTES
    ways: dict[str, Callable[[], None]] = {
        "votes of the offsets, followed 3 times": lambda: None,
        "votes, followed once": lambda: setattr(instances, "VOTES", 1),
        "nothing (connected components)": lambda: setattr(
            instances,
            "_group_votes",
            lambda probability, _offsets, threshold, _split: instances._components(
                probability >= threshold
            ),
        ),
    }
    for name, change in ways.items():
        change()
        _print_average(name, [relabel(s.result).labels for s in scored], scored)
        instances._group_votes, instances.VOTES = usual
    _print_average("watershed on the distance map", [_watershed(s) for s in scored], scored)
    print()


def _watershed(scored: Scored) -> Any:
    """Return labels from peaks of the smoothed distance map, the usual way."""
    (plane,) = scored.result.maps
    maps = cv2.resize(plane.maps.astype(np.float32), plane.shape[::-1])
    mask, distance = maps[..., 0] >= 0.5, maps[..., 1]
    sigma = 0.1 * scored.result.diameter
    smooth = cv2.GaussianBlur(distance, (0, 0), max(0.8, sigma))
    reach = 2 * max(1, round(0.3 * scored.result.diameter)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    peaks = (smooth >= cv2.dilate(smooth, kernel)) & (smooth > 0.25) & mask
    _, seeds = cv2.connectedComponents(peaks.astype(np.uint8))
    return watershed(-smooth, seeds, mask=mask)


def _print_average(name: str, labels: list[Any], scored: list[Scored]) -> None:
    pairs = zip(scored, labels, strict=True)
    total = summarize([score_image(s.item.labels, found) for s, found in pairs])
    values = total.average_precision[0].per_image, total.mean_average_precision.per_image
    print(f"| {name} | {values[0]:.3f} | {values[1]:.3f} |")


def print_scales(validation: list[Item], model: str) -> None:
    """Print how the count changes when images are rescaled, with the automatic diameter."""
    print("| image scaled by | images | median count / count at 1x | within 10 % |")
    print("| --- | --- | --- | --- |")
    counts: dict[float, list[float]] = {scale: [] for scale in SCALES}
    for item in validation:
        image, axes = picture(item)
        own = segment(image, axes, model=model).count
        if own < 10 or image.shape[0] > 700:
            continue
        for scale in SCALES:
            if not DIAMETERS[0] <= scale * item.diameter <= DIAMETERS[1]:
                continue
            way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
            scaled = cv2.resize(image, None, fx=scale, fy=scale, interpolation=way)
            counts[scale].append(segment(scaled, axes, model=model).count / own)
    for scale, ratios in counts.items():
        near = np.mean(np.abs(np.array(ratios) - 1) <= 0.1)
        print(f"| {scale:g} | {len(ratios)} | {np.median(ratios):.3f} | {100 * near:.0f} % |")
    print()


def print_empty(model: str) -> None:
    """Print how many nuclei are found where there are none."""
    print("| image without nuclei (512 x 512) | nuclei found |\n| --- | --- |")
    for name, image in empty_fields((512, 512)).items():
        axes = "YXS" if image.ndim == 3 else "YX"
        print(f"| {name} | {segment(image, axes, model=model).count} |")
    print()


def draw_failures(scored: list[Scored], path: Path, count: int = 8) -> None:
    """Draw the worst image of each of the worst kinds: true outlines green, found ones red."""
    worst: dict[str, Scored] = {}
    for s in sorted(scored, key=lambda s: s.score.counts[0].average_precision):
        worst.setdefault(s.item.kind, s)
    chosen = list(worst.values())[:count]
    figure = Figure(figsize=(11, 5.8), layout="constrained")
    for axes, s in zip(figure.subplots(2, 4).flat, chosen, strict=False):
        axes.imshow(
            _outlined(s.item.image, _busiest(s.item.labels), s.item.labels, s.result.labels)
        )
        axes.set_title(f"{s.item.kind}, AP {s.score.counts[0].average_precision:.2f}", fontsize=9)
        axes.axis("off")
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=100)


def draw_in_pieces(scored: list[Scored], path: Path) -> None:
    """Draw the images whose true labels are in pieces: as they are, true outlines, found ones."""
    chosen = [s for s in scored if s.item.name.startswith(IN_PIECES)]
    if not chosen:
        return
    figure = Figure(figsize=(11, 5.8), layout="constrained")
    for row, s in zip(figure.subplots(len(chosen), 3, squeeze=False), chosen, strict=True):
        nothing = np.zeros_like(s.item.labels)
        pairs = ((nothing, nothing), (s.item.labels, nothing), (nothing, s.result.labels))
        whole = tuple(slice(0, length) for length in nothing.shape)
        for axes, (true, found) in zip(row, pairs, strict=True):
            axes.imshow(_outlined(s.item.image, whole, true, found))
            axes.axis("off")
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=100)


def _busiest(labels: Any, size: int = 256) -> tuple[slice, slice]:
    """Return the part of an image with the most true nuclei."""
    corners = [
        (y, x)
        for y in range(0, max(1, labels.shape[0] - size + 1), size // 2)
        for x in range(0, max(1, labels.shape[1] - size + 1), size // 2)
    ]
    parts = [(slice(y, y + size), slice(x, x + size)) for y, x in corners]
    return max(parts, key=lambda part: len(np.unique(labels[part])))


def _outlined(image: Any, crop: tuple[slice, ...], true: Any, found: Any) -> Any:
    """Return a part of an image, twice as large, with true outlines green and found ones red."""
    pixels = image.astype(np.float32)
    low, high = np.percentile(pixels, (1, 99.8))
    shown = np.clip((pixels[crop] - low) / max(high - low, 1e-6), 0, 1) ** 0.7
    shown = cv2.resize(np.broadcast_to(shown, (*shown.shape[:2], 3)).copy(), None, fx=2, fy=2)
    for labels, color in ((true, (0, 1, 0)), (found, (1, 0.2, 0.2))):
        large = cv2.resize(
            labels[crop].astype(np.float32), shown.shape[1::-1], interpolation=cv2.INTER_NEAREST
        )
        shown[find_boundaries(large.astype(np.int32), mode="inner")] = color
    return shown


if __name__ == "__main__":
    main()
