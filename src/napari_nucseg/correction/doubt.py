"""Which nuclei to look at first."""

from dataclasses import dataclass

import numpy as np

from napari_nucseg._types import AnyArray, CancelCheck, FloatArray, LabelArray
from napari_nucseg.cancelling import check_cancelled
from napari_nucseg.correction.nuclei import Nuclei, mean_inside, measure_runs
from napari_nucseg.correction.planes import Window
from napari_nucseg.correction.runs import Runs, find_runs

BORDER = 0.1
"""Doubt about a nucleus that the border of the image cuts."""

_CUT_SMALL = 0.5
"""Share of the doubt about a small size that is left where the border cuts: that explains some.

With both, what is wrong leads the list more often than if the border weighs more or size nothing.
"""

NOTABLE = 0.2
"""Doubt from which on a reason is named; the border always is."""

_HALF_SIZE, _HALF_SHAPE = 3.0, 0.2
"""Distance from the median (in robust standard deviations), missing convexity: doubt 0.5."""

_LEAST_SPREAD = 0.1
"""Of the logarithm of the area: nuclei of one size are not odd for a pixel more."""

_ENOUGH = 8
"""Nuclei of a frame from which on they are compared with one another only."""

_SCATTERED = 64
"""A nucleus that fills less of its window than one over this is in several places."""


@dataclass(frozen=True)
class Doubt:
    """A nucleus and why to look at it.

    Attributes
    ----------
    nucleus : int
    score : float
        0 (nothing odd) to 1.
    reason : str
        What is odd, the worst first; empty if nothing is.
    centre : tuple of float
        Mean index along each axis, in the plane (Y, X) that holds most of it.
    window : tuple of slices
        That holds all of it; in a movie, all of it in one frame.
    frame : int or None
        Of a movie, in which each nucleus of each frame has a doubt of its own.
    """

    nucleus: int
    score: float
    reason: str
    centre: tuple[float, ...]
    window: Window
    frame: int | None = None

    @property
    def key(self) -> tuple[int, int | None]:
        """What tells it from the others: nucleus and frame."""
        return self.nucleus, self.frame


def rank_nuclei(
    labels: LabelArray,
    probability: AnyArray | None = None,
    cancelled: CancelCheck | None = None,
    *,
    time_axis: int | None = None,
) -> tuple[Doubt, ...]:
    """Order nuclei by doubt, the most doubtful first, equal ones by id.

    Doubts of 0 to 1 from low foreground probability, odd size (robust z-score of the logarithm of
    the area), missing convexity and contact with the border add up like independent chances:
    1 - (1 - a)(1 - b) ... The border itself counts little, and a small size less where it cuts.

    In a movie a nucleus is looked at in each frame by itself, and its size compared with the
    nuclei of that frame if there are enough, since nuclei grow and cameras refocus.

    Parameters
    ----------
    labels : array (..., Y, X), integer
    probability : array (..., Y, X), float, optional
        Foreground probability, of the same shape.
    cancelled : callable, optional
    time_axis : int, optional
        Of a movie.

    Raises
    ------
    Cancelled
    """
    runs, ids, frames = _by_frame(find_runs(labels), time_axis)
    nuclei = measure_runs(runs)
    if len(nuclei) == 0:
        return ()
    ratio, odd_size = _sizes(nuclei, frames)
    convexity = _convexity(labels, nuclei, ids, cancelled)
    centres = _centres(runs, nuclei)
    shape = (1 - convexity) / (1 - convexity + _HALF_SHAPE)
    cut = _at_border(nuclei, labels.shape)
    odd_size = np.where(cut & (ratio < 1), _CUT_SMALL * odd_size, odd_size)
    columns = {"size": odd_size, "shape": shape, "border": BORDER * cut}
    mean = None
    if probability is not None:
        mean = mean_inside(runs, nuclei, probability)
        columns["probability"] = np.clip(2 * (1 - mean), 0, 1)
    scores = 1 - np.prod([1 - doubt for doubt in columns.values()], axis=0)
    order = np.lexsort((nuclei.ids, -scores))  # numbered by id, then frame
    return tuple(
        Doubt(
            nucleus=int(ids[n]),
            score=float(scores[n]),
            reason=_reason(
                {name: float(doubt[n]) for name, doubt in columns.items()},
                float(ratio[n]),
                float(convexity[n]),
                None if mean is None else float(mean[n]),
            ),
            centre=tuple(centres[n].tolist()),
            window=nuclei.window(n),
            frame=None if time_axis is None else int(frames[n]),
        )
        for n in order.tolist()
    )


def _by_frame(runs: Runs, time_axis: int | None) -> tuple[Runs, LabelArray, AnyArray]:
    """Give the nuclei of each frame numbers of their own.

    Returns
    -------
    runs : Runs
        With numbers from 0 as ids, by id and then by frame.
    ids, frames : arrays (numbers,), integer
        Of each number.
    """
    frames = np.zeros(len(runs.ids), np.int64)
    if time_axis is not None:
        frames = np.asarray(runs.coordinates()[time_axis], np.int64)
    ids, places = np.unique(runs.ids, return_inverse=True)
    count = int(frames.max(initial=0)) + 1
    keys, numbers = np.unique(places * count + frames, return_inverse=True)
    numbered = Runs(runs.shape, runs.starts, runs.lengths, numbers)
    return numbered, ids[keys // count], keys % count


def _centres(runs: Runs, nuclei: Nuclei) -> FloatArray:
    """Return the centre of each nucleus in the plane (Y, X) that holds most of it."""
    if len(runs.shape) == 2:
        return nuclei.centres
    planes = runs.starts // runs.plane_size
    table = measure_runs(runs, runs.ids * runs.n_planes + planes)
    owners = table.ids // runs.n_planes
    order = np.lexsort((-table.areas, owners))
    first = order[np.concatenate([[True], np.diff(owners[order]) != 0])]
    return table.centres[first]


def _sizes(nuclei: Nuclei, frames: AnyArray) -> tuple[FloatArray, FloatArray]:
    """Return area over median area, and the doubt about it; within a frame if it has enough."""
    sizes = np.log(nuclei.areas)
    middle, spread = _middle_and_spread(sizes)
    medians, spreads = np.full(len(sizes), middle), np.full(len(sizes), spread)
    order = np.argsort(frames, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(frames[order])) + 1):
        if len(members) >= _ENOUGH:
            medians[members], spreads[members] = _middle_and_spread(sizes[members])
    distance = np.abs(sizes - medians) / spreads
    return np.exp(sizes - medians), distance / (distance + _HALF_SIZE)


def _middle_and_spread(sizes: FloatArray) -> tuple[float, float]:
    """Return median and robust standard deviation."""
    median = float(np.median(sizes))
    return median, max(1.4826 * float(np.median(np.abs(sizes - median))), _LEAST_SPREAD)


def _at_border(nuclei: Nuclei, shape: tuple[int, ...]) -> AnyArray:
    """Return which nuclei touch the border in Y or X."""
    low, high = nuclei.low[:, -2:], nuclei.high[:, -2:]
    return ((low == 0) | (high == np.array(shape[-2:]) - 1)).any(axis=1)


def _convexity(
    labels: LabelArray, nuclei: Nuclei, ids: LabelArray, cancelled: CancelCheck | None
) -> FloatArray:
    """Return the share of its convex hull that each nucleus fills; in stacks, in its largest plane.

    0 for one whose pixels are so scattered that it must be in several places.
    """
    shares = np.zeros(len(nuclei))
    volumes = np.prod(nuclei.high - nuclei.low + 1, axis=1, dtype=float)
    for number, nucleus in enumerate(ids.tolist()):
        if number % 256 == 0:
            check_cancelled(cancelled, "Ranking the nuclei was cancelled.")
        if volumes[number] > _SCATTERED * nuclei.areas[number] + 1e4:
            continue
        inside = labels[nuclei.window(number)] == nucleus
        planes = inside.reshape(-1, *inside.shape[-2:])
        areas = planes.sum(axis=(1, 2))
        if areas.max(initial=0) > 0:  # else it went while we looked
            shares[number] = _fill(planes[int(areas.argmax())])
    return shares


def _fill(inside: AnyArray) -> float:
    """Return the share of the convex hull of its pixels, as squares, that a shape fills."""
    from napari_nucseg._opencv import cv2

    points = np.argwhere(inside)
    hull = cv2.convexHull(points.astype(np.int32))
    height, width = points.max(axis=0) - points.min(axis=0)
    # the hull of squares is the hull of their centres, widened by one square (Minkowski sum)
    area = cv2.contourArea(hull) + height + width + 1
    return float(len(points) / area)


def _reason(doubts: dict[str, float], ratio: float, convexity: float, mean: float | None) -> str:
    ragged = f"ragged (fills {convexity:.0%} of its hull)"
    texts = {
        "size": f"{'large' if ratio > 1 else 'small'} ({ratio:.2g} x median)",
        "shape": ragged if convexity else "in several places",
        "border": "cut by the border",
        "probability": f"faint (probability {mean or 0:.2f})",
    }
    least = {name: BORDER if name == "border" else NOTABLE for name in doubts}
    notable = [name for name, doubt in doubts.items() if doubt >= least[name]]
    return ", ".join(texts[name] for name in sorted(notable, key=lambda n: -doubts[n]))
