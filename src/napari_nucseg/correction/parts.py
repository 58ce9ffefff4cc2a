"""Ids that occur in several places: found, and given an id of their own in each place."""

from dataclasses import dataclass

import numpy as np

from napari_nucseg._types import AnyArray, LabelArray
from napari_nucseg.correction.edit import Edit
from napari_nucseg.correction.ids import next_free_ids
from napari_nucseg.correction.nuclei import Nuclei, measure_runs
from napari_nucseg.correction.planes import find_window
from napari_nucseg.correction.runs import Runs, connected_parts, find_runs
from napari_nucseg.errors import InputError


@dataclass(frozen=True, eq=False)
class Parts:
    """Places where nuclei lie.

    Attributes
    ----------
    runs : Runs
    places : array (runs,), int
        Place of each run; a place is a part and what lies near it.
    owners : array (places,)
        Id of each place.
    areas : array (places,), int64
        Pixels of each place.
    """

    runs: Runs
    places: AnyArray
    owners: LabelArray
    areas: AnyArray

    def scattered(self) -> list[int]:
        """Return the ids that occur in more than one place, ascending."""
        ids, counts = np.unique(self.owners, return_counts=True)
        return [int(nucleus) for nucleus in ids[counts > 1]]


def find_parts(
    labels: LabelArray, time_axis: int | None = None, *, gap: bool = True, nucleus: int = 0
) -> Parts:
    """Find the places of all nuclei, or of one.

    Parameters
    ----------
    labels : array (..., Y, X), integer
    time_axis : int, optional
        In each frame a nucleus has a place of its own, which counts as the same: a track keeps
        its id.
    gap : bool
        Whether parts nearer to each other than the diameter of the larger are one place.
    nucleus : int
        Only this one, if not 0.
    """
    runs = find_runs(labels)
    if nucleus:
        mine = runs.ids == nucleus
        runs = Runs(runs.shape, runs.starts[mine], runs.lengths[mine], runs.ids[mine])
    apart = () if time_axis is None else (time_axis,)
    if len(runs.ids) == 0:
        return Parts(runs, np.zeros(0, int), runs.ids, np.zeros(0, int))
    parts = connected_parts(runs, apart)
    table = measure_runs(runs, parts)
    owners = np.zeros(len(table), runs.ids.dtype)
    owners[parts] = runs.ids
    frames = table.low[:, time_axis] if time_axis is not None else np.zeros(len(table), int)
    groups = _group(table, owners, frames, gap, apart)
    places = groups[parts]
    areas = np.bincount(places, weights=runs.lengths).astype(np.int64)
    owners_of_places = np.zeros(len(areas), owners.dtype)
    owners_of_places[groups] = owners
    if time_axis is None:
        return Parts(runs, places, owners_of_places, areas)
    return _largest_of_each_frame(runs, places, owners_of_places, areas, frames, groups)


def _diameter(table: Nuclei, member: int, apart: tuple[int, ...]) -> float:
    """Return the diameter of the disk, or of the ball if it spans planes, of a part's size."""
    extents = np.delete(table.high[member] - table.low[member] + 1, apart)
    size = float(table.areas[member])
    if (extents[:-2] > 1).any():
        return float(2 * (3 * size / (4 * np.pi)) ** (1 / 3))
    return float(2 * (size / np.pi) ** 0.5)


def _group(
    table: Nuclei, owners: LabelArray, frames: AnyArray, gap: bool, apart: tuple[int, ...]
) -> AnyArray:
    """Return to which place each part belongs, counted from 0."""
    places = np.arange(len(table))
    order = np.lexsort((owners, frames))
    changes = (np.diff(owners[order]) != 0) | (np.diff(frames[order]) != 0)
    for members in np.split(order, np.flatnonzero(changes) + 1):
        if len(members) == 1 or not gap:
            continue
        for member in members[np.argsort(-table.areas[members])]:
            if places[member] != member:
                continue  # it has joined a larger one
            reach = _diameter(table, member, apart)
            distance = np.maximum(
                table.low[members] - table.high[member], table.low[member] - table.high[members]
            ).max(axis=1)
            near = members[(distance <= reach) & (places[members] == members)]
            places[near] = member
    return np.unique(places, return_inverse=True)[1]


def _largest_of_each_frame(
    runs: Runs,
    places: AnyArray,
    owners: LabelArray,
    areas: AnyArray,
    frames: AnyArray,
    groups: AnyArray,
) -> Parts:
    """Make the largest places that an id has in different frames one place."""
    frame_of = np.zeros(len(areas), int)
    frame_of[groups] = frames
    order = np.lexsort((-areas, frame_of, owners))
    same = (np.diff(owners[order]) == 0) & (np.diff(frame_of[order]) == 0)
    largest = order[np.concatenate([[True], ~same])]
    target = np.arange(len(areas))
    first: dict[int, int] = {}
    for place in largest.tolist():
        target[place] = first.setdefault(int(owners[place]), place)
    kept, numbers = np.unique(target, return_inverse=True)
    places = numbers[places]
    return Parts(
        runs, places, owners[kept], np.bincount(places, weights=runs.lengths).astype(np.int64)
    )


def separate_parts(
    labels: LabelArray,
    nucleus: int = 0,
    time_axis: int | None = None,
    *,
    gap: bool = False,
    reserved: int = 0,
) -> Edit:
    """Give every place where an id occurs, but the largest, an id of its own.

    Parameters
    ----------
    labels : array (..., Y, X), integer
    nucleus : int
        Only this one, if not 0.
    time_axis, gap
        As for `find_parts`.
    reserved : int
        As for `next_free_ids`.

    Raises
    ------
    InputError
        There is nothing to separate.
    """
    window = find_window(labels, nucleus) if nucleus else tuple(slice(0, n) for n in labels.shape)
    cut = labels[window]
    parts = find_parts(cut, time_axis, gap=gap, nucleus=nucleus)
    order = np.lexsort((-parts.areas, parts.owners))
    leaving = order[1:][np.diff(parts.owners[order]) == 0]
    if len(leaving) == 0:
        which = f"Nucleus {nucleus} is" if nucleus else "Every nucleus is"
        raise InputError(f"{which} in one place only; there is nothing to separate.")
    ids = next_free_ids(labels, len(leaving), reserved)
    new_ids = np.zeros(len(parts.areas), labels.dtype)
    new_ids[leaving] = ids
    chosen = new_ids[parts.places] != 0
    lengths = parts.runs.lengths[chosen]
    pixels = np.repeat(parts.runs.starts[chosen] - np.cumsum(lengths) + lengths, lengths)
    pixels += np.arange(len(pixels))
    inside = np.unravel_index(pixels, cut.shape)
    indices = tuple(part + place.start for part, place in zip(inside, window, strict=True))
    new = np.repeat(new_ids[parts.places[chosen]], lengths)
    kept = (nucleus,) if nucleus else ()
    return Edit(indices, labels[indices], new, (*kept, *ids))
