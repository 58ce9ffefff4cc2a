"""From nuclei in frames to tracks, and who descends from whom."""

import numpy as np

from napari_nucseg._types import AnyArray, FloatArray
from napari_nucseg.linking.chains import NONE, Chains
from napari_nucseg.linking.table import Table

REACH = 1.0
"""Diameters that a nucleus may move from frame to frame."""

LEAST_LIKENESS = 0.5
"""Smaller over larger area of a nucleus that moved so far."""

DAUGHTER_REACH = 1.0
"""Diameters of the mother, from her centre to that of a daughter."""

MIDDLE_REACH = 0.4
"""Diameters of the mother, from her centre to the middle between the daughters."""

DAUGHTERS_AREA = (0.5, 1.8)
"""Area (volume) of both daughters together, in that of the mother."""

SISTER_LIKENESS = 0.4
"""Smaller over larger area of two sisters."""

LEAST_LIFE = 2
"""Frames that a daughter must be seen in, unless the movie ends: what comes for one is noise."""


def chain_frames(
    table: Table, *, overlap: float, gap: int, spacing: tuple[float, ...]
) -> tuple[list[AnyArray], dict[int, int]]:
    """Link the nuclei of a movie into tracks and find divisions.

    Nuclei are linked one to one: first those that overlap, so that the sum of their intersections
    over union is largest; then those that moved further, to the nearest of like size; then both
    across frames where a nucleus was missed.

    Parameters
    ----------
    table : Table
        Its steps are frames; counted with the same `gap`.
    overlap : float
        Intersection over union that is asked for.
    gap : int
        Frames that a nucleus may be missing in.
    spacing : tuple of float
        Of each axis of a frame, in pixels of Y and X: ``(1, 1)`` or ``(step, 1, 1)``.

    Returns
    -------
    chains : list of arrays of int
        The rows of each track.
    parents : dict
        Index in `chains` of each daughter, and of her mother.
    """
    places = table.centres * np.asarray(spacing)
    diameters = table.diameters(spacing[0])
    chains = Chains(len(table))
    ious = table.ious()
    for distance in range(1, gap + 2):
        pairs = (table.gaps == distance) & (ious >= overlap)
        chains.join(table.first[pairs], table.second[pairs], ious[pairs])
        chains.join(*_nearest(table, chains, places, diameters, distance))
    mothers = _divide(table, chains, places, diameters)
    tracks = list(chains)
    number = {int(row): index for index, track in enumerate(tracks) for row in track[[0, -1]]}
    return tracks, {number[child]: number[mother] for child, mother in mothers.items()}


def _neighbours(
    places: FloatArray, first: AnyArray, second: AnyArray, reach: FloatArray
) -> tuple[AnyArray, AnyArray, FloatArray]:
    """Return the rows of `first` and `second` that lie within the reach of `first`, how far."""
    from scipy.spatial import cKDTree

    if not len(first) or not len(second):
        return np.zeros(0, int), np.zeros(0, int), np.zeros(0)
    found = cKDTree(places[second]).query_ball_point(places[first], reach)
    counts = [len(rows) for rows in found]
    one = np.repeat(first, counts)
    other = second[np.concatenate(found).astype(int)]
    return one, other, np.linalg.norm(places[one] - places[other], axis=1)


def _nearest(
    table: Table, chains: Chains, places: FloatArray, diameters: FloatArray, distance: int
) -> tuple[AnyArray, AnyArray, FloatArray]:
    """Return pairs of a track's end and a track's beginning that lie near, and how near."""
    ends, begins = chains.following == NONE, chains.preceding == NONE
    pairs: list[tuple[AnyArray, ...]] = [(np.zeros(0, int), np.zeros(0, int), np.zeros(0))]
    for step in range(distance, int(table.steps.max(initial=-1)) + 1):
        here, there = table.rows_of(step - distance), table.rows_of(step)
        first = here.start + np.flatnonzero(ends[here])
        second = there.start + np.flatnonzero(begins[there])
        reach = REACH * diameters[first]
        one, other, far = _neighbours(places, first, second, reach)
        alike = _likeness(table.areas, one, other) >= LEAST_LIKENESS
        near = 1 - far / (REACH * diameters[one]) + 1e-6
        pairs.append((one[alike], other[alike], near[alike]))
    first, second, scores = (np.concatenate(part) for part in zip(*pairs, strict=True))
    return first, second, scores


def _likeness(areas: AnyArray, one: AnyArray, other: AnyArray) -> FloatArray:
    """Return the smaller over the larger area of pairs."""
    ratio = areas[one] / areas[other]
    return np.asarray(np.minimum(ratio, 1 / ratio))


def _divide(
    table: Table, chains: Chains, places: FloatArray, diameters: FloatArray
) -> dict[int, int]:
    """Find divisions and let both daughters begin there; return the mother's row of each.

    A track that begins in the middle of the movie and another nucleus of its frame, either the
    continuation of a track or a second beginning, are sisters if the mother lies between them and
    has about their area. The best fit comes first.
    """
    candidates = []
    beginning = np.flatnonzero(chains.preceding == NONE)
    for step in range(1, int(table.steps.max(initial=-1)) + 1):
        before, now = table.rows_of(step - 1), table.rows_of(step)
        mothers = np.arange(before.start, before.stop)
        new = beginning[(beginning >= now.start) & (beginning < now.stop)]
        reach = DAUGHTER_REACH * diameters[mothers]
        for mother, child, _ in zip(*_neighbours(places, mothers, new, reach), strict=True):
            follower = chains.following[mother]
            free = [follower] if follower != NONE else new[new > child]
            candidates += [
                (misfit, int(mother), int(child), int(sister))
                for sister in free
                if (misfit := _misfit(table, places, diameters, mother, child, sister)) < 1
                and all(_lasts(table, chains, row) for row in (child, sister))
            ]
    found: dict[int, int] = {}
    divided: set[int] = set()
    for _, mother, child, sister in sorted(candidates):
        if mother in divided or child in found or sister in found:
            continue
        divided.add(mother)
        if chains.preceding[sister] != NONE:
            chains.cut_before(sister)
        found[child] = found[sister] = mother
    return found


def _misfit(
    table: Table,
    places: FloatArray,
    diameters: FloatArray,
    mother: int,
    child: int,
    sister: int,
) -> float:
    """Return how far the mother lies from the middle, of what is allowed; above 1 for no family."""
    areas = table.areas
    low, high = DAUGHTERS_AREA
    both = (areas[child] + areas[sister]) / areas[mother]
    ratio = areas[child] / areas[sister]
    if not low <= both <= high or min(ratio, 1 / ratio) < SISTER_LIKENESS:
        return np.inf
    far = np.linalg.norm(places[[child, sister]] - places[mother], axis=1).max()
    if far > DAUGHTER_REACH * diameters[mother]:
        return np.inf
    middle = (places[child] + places[sister]) / 2
    return float(np.linalg.norm(middle - places[mother]) / (MIDDLE_REACH * diameters[mother]))


def _lasts(table: Table, chains: Chains, row: int) -> bool:
    """Tell whether a daughter is there for long enough to be one."""
    life = 1
    while life < LEAST_LIFE and chains.following[row] != NONE:
        row, life = int(chains.following[row]), life + 1
    return life >= LEAST_LIFE or table.steps[row] == table.steps[-1]
