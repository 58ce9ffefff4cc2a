"""Which reviewed pixels are trained on, and which are held out for scoring: whole areas."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from napari_nucseg._opencv import cv2
from napari_nucseg._types import AnyArray
from napari_nucseg.counted import counted
from napari_nucseg.errors import DatasetError
from napari_nucseg.training.finetune.messages import HeldOutArea
from napari_nucseg.training.finetune.rows import Row

MIN_TRAINING, MIN_HELD_OUT = 5, 3
"""Nuclei below which neither learning nor scoring means anything."""

SHARE, MOST_HELD_OUT = 0.22, 400
"""Share of the reviewed nuclei that is held out, and a number that is enough to score with."""

LEAST, MOST = 0.75, 1.35
"""Whole regions are held out if they hold no more than the larger multiple of the share; else the
end of the largest one, cut where its nuclei leave most room, within these multiples."""

NEEDED = (
    f"at least {MIN_TRAINING + MIN_HELD_OUT} are needed, {MIN_TRAINING} to learn from and "
    f"{MIN_HELD_OUT} to score with"
)


@dataclass(frozen=True, eq=False)
class Split:
    """Masks of one (Y, X) array per row.

    Attributes
    ----------
    training : tuple of array (Y, X), bool
        Reviewed pixels that carry loss.
    held_out : tuple of array (Y, X), bool
        Reviewed pixels that are scored; no nucleus has pixels in both.
    areas : tuple of HeldOutArea
        The connected parts of `held_out` with their nuclei.
    training_nuclei : int
        Nuclei that lie in `training` with at least half of their area.
    """

    training: tuple[AnyArray, ...]
    held_out: tuple[AnyArray, ...]
    areas: tuple[HeldOutArea, ...]
    training_nuclei: int

    @property
    def held_out_nuclei(self) -> int:
        """Nuclei to score with."""
        return sum(area.nuclei for area in self.areas)


@dataclass(frozen=True, eq=False)
class _Region:
    """A connected part of a mask: row, where `parts` (Y, X) has `number`, and its nuclei."""

    row: int
    parts: AnyArray
    number: int
    nuclei: AnyArray

    @property
    def mask(self) -> AnyArray:
        return self.parts == self.number


def plan_split(rows: Sequence[Row]) -> Split:
    """Hold out about a fifth of the reviewed nuclei: whole regions, or the end of a single one.

    It depends on the rows alone, so that models made from the same rows are scored alike.

    Raises
    ------
    DatasetError
        Too little was reviewed; the message says what is missing.
    """
    if not rows:
        raise DatasetError("There are no images to learn from; give at least one.")
    if not any(row.reviewed.any() for row in rows):
        raise DatasetError(
            f"Nothing is marked as reviewed in {_names(rows)}; mark the pixels whose labels are "
            "right."
        )
    regions = [
        region for i, row in enumerate(rows) for region in _regions(i, row.labels, row.reviewed)
    ]
    total = sum(len(region.nuclei) for region in regions)
    _check_enough(rows, total)
    wanted = min(SHARE * total, MOST_HELD_OUT)
    held_out = [np.zeros(row.labels.shape, bool) for row in rows]
    chosen = _whole_regions(regions, wanted)
    for region in chosen:
        held_out[region.row] |= region.mask
    if not chosen:
        largest = max(regions, key=lambda region: len(region.nuclei))
        held_out[largest.row] |= _end_of(largest, rows[largest.row], wanted)
    training = [_apart(row, held) for row, held in zip(rows, held_out, strict=True)]
    split = Split(
        tuple(training),
        tuple(held_out),
        _areas(rows, held_out),
        sum(len(nuclei_inside(r.labels, m)) for r, m in zip(rows, training, strict=True)),
    )
    if split.training_nuclei < MIN_TRAINING or split.held_out_nuclei < MIN_HELD_OUT:
        raise DatasetError(
            "Too few nuclei were reviewed to learn from some and to score with others: apart from "
            f"the strip between them, {split.training_nuclei} and {split.held_out_nuclei} lie in "
            f"reviewed regions; {NEEDED}. Review more."
        )
    return split


def nuclei_inside(labels: AnyArray, mask: AnyArray) -> AnyArray:
    """Return the labels of the nuclei that lie in a mask (Y, X) with at least half their area."""
    inside = np.bincount(labels[mask], minlength=int(labels.max()) + 1)
    areas = np.bincount(labels.ravel(), minlength=len(inside))
    kept = (2 * inside >= areas) & (areas > 0)
    kept[0] = False
    return np.flatnonzero(kept)


def _check_enough(rows: Sequence[Row], nuclei: int) -> None:
    if nuclei >= MIN_TRAINING + MIN_HELD_OUT:
        return
    found = "no nucleus" if nuclei == 0 else counted(nuclei, "nucleus")
    raise DatasetError(
        f"The reviewed regions of {_names(rows)} hold {found}; {NEEDED}. Review more."
    )


def _names(rows: Sequence[Row]) -> str:
    names = ", ".join(f"'{row.name}'" for row in rows[:3])
    return f"{names} and {counted(len(rows) - 3, 'more image')}" if len(rows) > 3 else names


def _regions(index: int, labels: AnyArray, mask: AnyArray) -> list[_Region]:
    """Return the connected parts of a mask; every nucleus counts where most of it lies."""
    parts, count = ndimage.label(mask, np.ones((3, 3)))
    inside = nuclei_inside(labels, mask)
    wide = labels.astype(np.int64) * (count + 1) + parts
    pixels = np.bincount(wide[mask], minlength=(int(labels.max()) + 1) * (count + 1))
    owner = pixels.reshape(-1, count + 1).argmax(axis=1)
    return [
        _Region(index, parts, number, inside[owner[inside] == number])
        for number in range(1, count + 1)
    ]


def _whole_regions(regions: list[_Region], wanted: float) -> list[_Region]:
    """Choose whole regions that hold about as many nuclei as wanted; none if that cannot be.

    Of few regions a whole one may be far too much to give away.
    """
    filled = [region for region in regions if len(region.nuclei)]
    total = sum(len(region.nuclei) for region in filled)
    chosen: list[_Region] = []
    taken = 0
    for region in sorted(filled, key=lambda region: abs(len(region.nuclei) - wanted)):
        count = len(region.nuclei)
        # One that would overshoot more than stopping here would undershoot stays out.
        missing = taken < MIN_HELD_OUT or taken + count / 2 <= wanted
        # A huge one would take long to score after every epoch; a part of it does.
        if missing and count <= 2 * MOST_HELD_OUT and total - taken - count >= MIN_TRAINING:
            chosen.append(region)
            taken += count
    fits = MIN_HELD_OUT <= taken <= max(MIN_HELD_OUT, MOST * wanted)
    return chosen if fits and len(filled) > 1 else []


def _end_of(region: _Region, row: Row, wanted: float) -> AnyArray:
    """Cut off the far end of a region, by a straight line across its longer side."""
    rows, columns = np.nonzero(region.mask)
    axis = 0 if np.ptp(rows) > np.ptp(columns) else 1
    centres = np.array(
        [c[axis] for c in ndimage.center_of_mass(row.labels > 0, row.labels, region.nuclei)]
    )
    order = np.sort(centres)[::-1]
    wanted = min(wanted, len(order) / 2)
    fewest = max(MIN_HELD_OUT, round(LEAST * wanted))
    most = min(max(fewest, round(MOST * wanted)), len(order) - MIN_TRAINING)
    if most < fewest:  # the sentence about too few nuclei follows
        return np.zeros_like(region.mask)
    gaps = order[fewest - 1 : most] - order[fewest : most + 1]
    n_held = fewest + int(np.argmax(gaps))
    cut = (order[n_held - 1] + order[n_held]) / 2
    coordinate = np.arange(row.labels.shape[axis])
    far = coordinate > cut
    return region.mask & (far[:, None] if axis == 0 else far[None, :])


def _apart(row: Row, held_out: AnyArray) -> AnyArray:
    """Return the reviewed pixels at least half a diameter from what is held out.

    Nuclei with a single pixel in the held-out part are left out whole.
    """
    if not held_out.any():
        return row.reviewed
    gap = max(1, round(row.diameter / 2))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * gap + 1, 2 * gap + 1))
    near = cv2.dilate(held_out.astype(np.uint8), kernel) > 0
    cut = np.unique(row.labels[held_out])
    return row.reviewed & ~near & ~np.isin(row.labels, cut[cut > 0])


def _areas(rows: Sequence[Row], held_out: Sequence[AnyArray]) -> tuple[HeldOutArea, ...]:
    areas = []
    for index, (row, mask) in enumerate(zip(rows, held_out, strict=True)):
        for region in _regions(index, row.labels, mask):
            ys, xs = np.nonzero(region.mask)
            box = (int(ys.min()), int(xs.min()), int(ys.max()) + 1, int(xs.max()) + 1)
            areas.append(HeldOutArea(image=row.name, box=box, nuclei=len(region.nuclei)))
    return tuple(areas)
