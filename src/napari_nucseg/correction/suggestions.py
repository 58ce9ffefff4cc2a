"""Where to correct: the parts of images that a model is least sure of.

Labels of what a model is unsure of teach it most: uncertainty sampling (Lewis and Gale, SIGIR
1994), here for whole regions, as they are what people correct. What it brings: `docs/finetune.md`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_nucseg._types import AnyArray, CancelCheck, FloatArray, Progress
from napari_nucseg.errors import InputError
from napari_nucseg.inference.segment import segment
from napari_nucseg.params import SegmentParams, make_params

SIZE = 256
"""Height and width of a region in pixels: some twenty to a hundred nuclei."""

STEP = 8
"""Regions begin at multiples of this many pixels."""

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

    window: tuple[slice, slice]
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
    """
    _check(count, size)
    if params is not None and options:
        raise InputError(f"Pass params or single options, not both; got {', '.join(options)} too.")
    asked = (params or make_params(options)).model_copy(
        update={"probabilities": True, "link_depth": False, "link_time": False}
    )
    result = segment(
        image,
        axes,
        params=asked,
        rgb=rgb,
        pixel_size=pixel_size,
        progress=progress,
        cancelled=cancelled,
    )
    if result.probabilities is None:
        raise InputError("Segmenting gave no probabilities.")
    if taken is not None and taken.shape != result.labels.shape:
        raise InputError(
            f"What was reviewed has the shape {taken.shape}, but the labels of the image have "
            f"{result.labels.shape}."
        )
    return choose_regions(result.probabilities, result.axes, count, size, taken)


def choose_regions(
    probabilities: FloatArray,
    axes: str,
    count: int = 1,
    size: int = SIZE,
    taken: AnyArray | None = None,
) -> list[Suggestion]:
    """Choose the regions whose foreground probabilities are least decided.

    Parameters
    ----------
    probabilities : array
        Foreground probability, of axes `axes` (such as ``ZYX``).
    axes, count, size, taken
        As in `suggest_regions`.
    """
    order = [axes.index(a) for a in axes if a not in "YX"] + [axes.index("Y"), axes.index("X")]
    stack = probabilities.transpose(order)
    hidden = None if taken is None else taken.transpose(order)
    height, width = (min(size, length) for length in stack.shape[-2:])
    planes = list(np.ndindex(stack.shape[:-2]))
    doubts = np.stack(
        [
            _mean_doubts(stack[p], None if hidden is None else hidden[p], height, width)
            for p in planes
        ]
    )
    others = [a for a in axes if a not in "YX"]
    return [
        Suggestion(
            (slice(y, y + height), slice(x, x + width)),
            dict(zip(others, planes[plane], strict=True)),
            doubt,
        )
        for doubt, plane, y, x in _peaks(doubts, count, height, width)
    ]


def _check(count: int, size: int) -> None:
    if count < 1 or size < STEP:
        raise InputError(
            f"At least 1 region of at least {STEP} pixels can be asked for, got {count} of {size}."
        )


def _mean_doubts(
    probability: FloatArray, taken: AnyArray | None, height: int, width: int
) -> FloatArray:
    """Return the mean doubt of the windows that begin at every `STEP`-th row and column.

    Windows that touch what is taken have a doubt of -1.
    """
    doubt = 4 * probability * (1 - probability)
    means = _window_sums(np.where(doubt < CERTAIN, 0, doubt), height, width) / (height * width)
    if taken is not None:
        means[_window_sums(taken, height, width) > 0] = -1
    return means


def _window_sums(plane: AnyArray, height: int, width: int) -> FloatArray:
    """Return the sums over the windows that begin at every `STEP`-th row and column."""
    total = np.pad(plane.cumsum(0, dtype=np.float64).cumsum(1), ((1, 0), (1, 0)))
    above, below = total[:-height:STEP], total[height::STEP]
    rows: FloatArray = below - above
    return rows[:, width::STEP] - rows[:, :-width:STEP]


def _peaks(
    doubts: FloatArray, count: int, height: int, width: int
) -> Iterator[tuple[float, int, int, int]]:
    """Yield doubt, plane, row and column of the windows with most doubt that do not overlap."""
    left = doubts.copy()
    rows, columns = (STEP * np.arange(n) for n in left.shape[1:])
    for _ in range(count):
        plane, i, k = (int(n) for n in np.unravel_index(int(left.argmax()), left.shape))
        doubt = float(left[plane, i, k])
        if doubt < LEAST:
            return
        y, x = int(rows[i]), int(columns[k])
        yield doubt, plane, y, x
        near = np.ix_(np.abs(rows - y) < height, np.abs(columns - x) < width)
        left[:, near[0], near[1]] = -1


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
