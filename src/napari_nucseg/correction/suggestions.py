"""Where to correct: the parts of images that a model is least sure of.

Uncertainty sampling (Lewis and Gale, SIGIR 1994), for whole regions, as they are what people
correct. What it brings: `docs/finetune.md`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np

from napari_nucseg._types import AnyArray, CancelCheck, FloatArray, Progress, Window
from napari_nucseg.errors import InputError
from napari_nucseg.inference.field_of_view import FieldOfView
from napari_nucseg.inference.job import resolve_job
from napari_nucseg.inference.walk import predict_planes
from napari_nucseg.io.arrays import as_array
from napari_nucseg.params import SegmentParams, choose_params

SIZE = 256
"""Height and width of a region in pixels: some twenty to a hundred nuclei."""

STEP = 8
"""Regions begin at multiples of this many pixels, or end where the image does."""

CERTAIN = 0.25
"""Doubt of a pixel below which it does not count: large, nearly certain areas would add up."""

LEAST = 0.002
"""Doubt of a region below which it is not suggested: about that of the rim of two nuclei."""


@dataclass(frozen=True)
class Suggestion:
    """A part of an image to correct.

    Attributes
    ----------
    window : tuple of two slices
        Rows and columns.
    position : mapping of str to int
        Index along each of the other axes of the labels, such as ``{"Z": 3}``.
    doubt : float
        Mean over the pixels, 0 (sure of all) to 1 (of none).
    """

    window: Window
    position: Mapping[str, int]
    doubt: float


def suggest_regions(
    image: Any,
    axes: str | None = None,
    *,
    count: int = 1,
    size: int = SIZE,
    params: SegmentParams | None = None,
    taken: AnyArray | None = None,
    pixel_size: Mapping[str, float] | None = None,
    rgb: bool | None = None,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
    **options: Any,
) -> list[Suggestion]:
    """Find the regions in which a model doubts most, to be corrected for fine-tuning.

    Parameters
    ----------
    image, axes, params, pixel_size, rgb, progress, cancelled, **options
        As those of `segment`; parameters say which model, at which diameter.
    count : int
        Regions wanted. There may be fewer: they do not overlap, not in different planes either, as
        neighbouring planes show the same nuclei.
    size : int
        Height and width of a region in pixels; smaller images are one region.
    taken : array, bool, optional
        Shape of the labels; what was reviewed already. No region touches it.

    Returns
    -------
    list of Suggestion
        The largest doubt first; empty where the model is sure of everything.

    Raises
    ------
    InputError
        `count`, `size` or `taken` cannot be used, or whatever `segment` finds wrong.
    ModelError, EngineError, Cancelled
    """
    _check(count, size)
    params = choose_params(SegmentParams, params, options)
    unlinked = params.model_copy(update={"link_depth": False, "link_time": False})
    source = as_array(image)
    job = resolve_job(source, axes, unlinked, rgb=rgb, pixel_size=pixel_size, cancelled=cancelled)
    grid = _Grid.over(job.planes.output_shape[-2:], size)
    hidden = _check_taken(taken, job.planes.output_shape)

    def tiles_done(done: int, total: int) -> None:
        if progress is not None:
            progress(done, total, "looking for doubt")

    everything = FieldOfView.of(None, job)
    walk = predict_planes(source, job, everything, tiles_done=tiles_done, cancelled=cancelled)
    probability = np.zeros(everything.shape, np.float32)
    doubts = []
    for index, seen in groupby(walk, key=itemgetter(0)):
        for _, part, maps in seen:
            part.place(maps.probability(), probability)
        doubts.append(grid.mean_doubts(probability, None if hidden is None else hidden[index]))
    others = job.planes.output_axes[:-2]
    places = [dict(zip(others, index, strict=True)) for index in job.planes.iterate()]
    return [
        Suggestion(window, places[plane], doubt)
        for doubt, plane, window in grid.peaks(np.stack(doubts), count)
    ]


def has_room(taken: AnyArray, size: int = SIZE) -> bool:
    """Tell whether a region could lie in a plane without touching what is taken.

    Parameters
    ----------
    taken : array (Y, X), bool
    size : int
        Height and width of a region in pixels.
    """
    return _Grid.over(taken.shape, size).has_room(taken)


def _check(count: int, size: int) -> None:
    if not (isinstance(count, int) and isinstance(size, int)) or count < 1 or size < STEP:
        raise InputError(
            f"At least 1 region of at least {STEP} pixels can be asked for, got {count!r} of "
            f"{size!r}."
        )


def _check_taken(taken: AnyArray | None, shape: tuple[int, ...]) -> AnyArray | None:
    """Return what is taken as an array of the shape of the labels."""
    if taken is None:
        return None
    array = np.asarray(taken)
    if array.shape != shape:
        raise InputError(
            f"What was reviewed has the shape {array.shape}, but the labels of the image have "
            f"{shape}."
        )
    return array != 0


@dataclass(frozen=True)
class _Grid:
    """Where windows may lie in a plane: at every `STEP`-th row and column, and at the far ends.

    Attributes
    ----------
    height, width : int
        Of the windows.
    rows, columns : array (n,), int
        Where they begin, in pixels.
    """

    height: int
    width: int
    rows: AnyArray
    columns: AnyArray

    @classmethod
    def over(cls, shape: Sequence[int], size: int) -> "_Grid":
        """Return the grid of windows of `size` in a plane of that shape (Y, X)."""
        height, width = (min(size, length) for length in shape)
        ends = (shape[0] - height, shape[1] - width)
        rows, columns = (np.unique([*range(0, end, STEP), end]) for end in ends)
        return cls(height, width, rows, columns)

    def mean_doubts(self, probability: FloatArray, taken: AnyArray | None) -> FloatArray:
        """Return the mean doubt of all windows (rows, columns); -1 for those that are taken."""
        doubt = 4 * probability * (1 - probability)
        means = self._sums(np.where(doubt < CERTAIN, 0, doubt)) / (self.height * self.width)
        if taken is not None:
            means[self._sums(taken) > 0] = -1
        return means

    def has_room(self, taken: AnyArray) -> bool:
        """Tell whether a window holds nothing that is taken."""
        return bool((self._sums(taken) == 0).any())

    def peaks(self, doubts: FloatArray, count: int) -> Iterator[tuple[float, int, Window]]:
        """Yield doubt, plane and window of those with most doubt that do not overlap.

        Parameters
        ----------
        doubts : array (planes, rows, columns)
        count : int
            At most.
        """
        left = doubts.copy()
        for _ in range(count):
            plane, i, k = (int(n) for n in np.unravel_index(int(left.argmax()), left.shape))
            doubt = float(left[plane, i, k])
            if doubt < LEAST:
                return
            y, x = int(self.rows[i]), int(self.columns[k])
            yield doubt, plane, (slice(y, y + self.height), slice(x, x + self.width))
            near = np.abs(self.rows - y) < self.height, np.abs(self.columns - x) < self.width
            left[:, near[0][:, None] & near[1]] = -1

    def _sums(self, plane: AnyArray) -> FloatArray:
        """Return the sum over each window (rows, columns)."""
        total = np.pad(plane.cumsum(0, dtype=np.float64).cumsum(1), ((1, 0), (1, 0)))
        strips: FloatArray = total[self.rows + self.height] - total[self.rows]
        return strips[:, self.columns + self.width] - strips[:, self.columns]


def spread_out(
    found: Sequence[tuple[str, Sequence[Suggestion]]], count: int
) -> list[tuple[str, Suggestion]]:
    """Choose among the suggestions of several images: one of each before the second of any.

    Nuclei of different images differ more than those of one.

    Parameters
    ----------
    found : sequence of (str, sequence of Suggestion)
        Name of an image, and its suggestions, the largest doubt first.
    count : int
    """
    ranked = [
        (turn, -suggestion.doubt, name, suggestion)
        for name, suggestions in found
        for turn, suggestion in enumerate(suggestions)
    ]
    ranked.sort(key=lambda entry: entry[:3])
    return [(name, suggestion) for _, _, name, suggestion in ranked[:count]]
