"""What a user changed: labels as predicted against labels as they are."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from napari_nucseg._types import AnyArray, LabelArray
from napari_nucseg.correction.planes import plane_indices
from napari_nucseg.correction.snapshot import Snapshot
from napari_nucseg.errors import InputError


@dataclass(frozen=True)
class Changes:
    """Ids of the nuclei that differ, ascending.

    A nucleus that only got another id counts as unchanged.

    Attributes
    ----------
    added : tuple of int
        Present ids of nuclei that were not predicted.
    deleted : tuple of int
        Predicted ids of nuclei that are gone.
    changed : tuple of int
        Present ids of nuclei with other pixels than predicted.
    split : tuple of int
        Predicted ids of nuclei that are several now.
    merged : tuple of int
        Present ids of nuclei that were several.
    """

    added: tuple[int, ...] = ()
    deleted: tuple[int, ...] = ()
    changed: tuple[int, ...] = ()
    split: tuple[int, ...] = ()
    merged: tuple[int, ...] = ()

    def counts(self) -> dict[str, int]:
        """Return the number of each kind."""
        return {field.name: len(getattr(self, field.name)) for field in fields(self)}

    @property
    def total(self) -> int:
        """How many there are in all."""
        return sum(self.counts().values())


def find_changes(predicted: Snapshot | LabelArray, current: LabelArray) -> Changes:
    """Compare labels with what was predicted.

    Two nuclei correspond if more than half of the smaller one lies in the other. One without a
    partner was added or deleted, one with several was split or merged; where several correspond to
    several, the present ones count as changed.

    Parameters
    ----------
    predicted : Snapshot or array (..., Y, X), integer
    current : array (..., Y, X), integer
        Of the same shape.

    Raises
    ------
    InputError
        The shapes differ, or ids are negative.
    """
    if predicted.shape != current.shape:
        raise InputError(
            f"The labels have shape {current.shape}, the prediction {predicted.shape}."
        )
    before, after = _where_touched(predicted, current)
    if len(before) == 0:
        return Changes()
    return _classify(before, after)


def _planes(
    predicted: Snapshot | LabelArray, current: LabelArray
) -> Iterator[tuple[LabelArray, LabelArray]]:
    """Return each plane of both."""
    if isinstance(predicted, Snapshot):
        earlier: Iterator[LabelArray] = predicted.planes()
    else:
        earlier = (predicted[index] for index in plane_indices(predicted.shape))
    for before, index in zip(earlier, plane_indices(current.shape), strict=True):
        yield before, current[index]


def _where_touched(
    predicted: Snapshot | LabelArray, current: LabelArray
) -> tuple[LabelArray, LabelArray]:
    """Return the pixels, of both, of all nuclei of which some pixel differs."""
    touched = []
    for before, after in _planes(predicted, current):
        differs = before != after
        if differs.any():
            touched += [np.unique(before[differs]), np.unique(after[differs])]
    if not touched:
        nothing = np.zeros(0, current.dtype)
        return nothing, nothing
    ids = np.setdiff1d(np.concatenate(touched), [0])
    pixels = []
    for before, after in _planes(predicted, current):
        mine = np.isin(before, ids) | np.isin(after, ids)
        pixels.append((before[mine], after[mine]))
    return np.concatenate([p[0] for p in pixels]), np.concatenate([p[1] for p in pixels])


def _classify(before: LabelArray, after: LabelArray) -> Changes:
    """Compare nuclei given by their pixels."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    from napari_nucseg.evaluation.matching import overlap_matrix

    overlaps = overlap_matrix(before, after)
    shared = overlaps.matrix.tocoo()
    rows, columns = shared.row, shared.col
    old_areas, new_areas = overlaps.true_areas, overlaps.predicted_areas
    smaller = np.minimum(old_areas[rows], new_areas[columns])
    linked = 2 * shared.data > smaller
    same = (shared.data == old_areas[rows]) & (shared.data == new_areas[columns])
    n_old, n_new = shared.shape
    links = (rows[linked], n_old + columns[linked])
    size = n_old + n_new
    graph = coo_array((np.ones(len(links[0]), bool), links), shape=(size, size))
    groups = connected_components(graph, directed=False)[1]
    unchanged = np.zeros(n_new, bool)
    unchanged[columns[same]] = True
    return _sort_groups(groups, overlaps.true_ids, overlaps.predicted_ids, unchanged)


def _sort_groups(
    groups: AnyArray, old_ids: LabelArray, new_ids: LabelArray, unchanged: AnyArray
) -> Changes:
    """Name what happened in each group of nuclei that correspond."""
    old_groups, new_groups = groups[: len(old_ids)], groups[len(old_ids) :]
    count = int(groups.max()) + 1
    olds = np.bincount(old_groups, minlength=count)
    news = np.bincount(new_groups, minlength=count)
    one_to_one, several = (olds == 1) & (news == 1), (olds > 1) & (news > 1)
    changed = (one_to_one | several)[new_groups] & ~unchanged

    def old(chosen: AnyArray) -> tuple[int, ...]:
        return tuple(old_ids[chosen[old_groups]].tolist())

    def new(chosen: AnyArray) -> tuple[int, ...]:
        return tuple(new_ids[chosen[new_groups]].tolist())

    return Changes(
        added=new(olds == 0),
        deleted=old(news == 0),
        changed=tuple(new_ids[changed].tolist()),
        split=old((olds == 1) & (news > 1)),
        merged=new((olds > 1) & (news == 1)),
    )
