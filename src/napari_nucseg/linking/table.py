"""What linking knows of labels: a small table of the nuclei in each step, and what they share.

A step is a plane of a stack or a frame of a movie. The table is all that linking works on, so
labels larger than memory can be linked from tables that were counted part by part.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_nucseg._types import AnyArray, CancelCheck, FloatArray, LabelArray
from napari_nucseg.errors import Cancelled

_SPARSE = 4
"""Ids that spread over more than this many times the pixels are sorted instead of looked up."""


@dataclass(frozen=True, eq=False)
class Table:
    """The nuclei of all steps, ordered by step and id, and which of them share pixels.

    A nucleus is one row. Two rows of different steps are different nuclei to begin with, whatever
    their ids.

    Attributes
    ----------
    steps : array (n,), int64
        Plane or frame, ascending.
    ids : array (n,), int64
        Id in that step, ascending within it.
    areas : array (n,), int64
        Pixels (voxels where a step is a volume).
    centres : array (n, ndim of a step), float64
        Mean index along each axis.
    first, second : arrays (m,), int64
        Rows that share pixels, `first` in the earlier step.
    shared : array (m,), int64
        How many.
    """

    steps: AnyArray
    ids: AnyArray
    areas: AnyArray
    centres: FloatArray
    first: AnyArray
    second: AnyArray
    shared: AnyArray

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def gaps(self) -> AnyArray:
        """Steps from `first` to `second`; 1 for neighbours."""
        return self.steps[self.second] - self.steps[self.first]

    def ious(self) -> FloatArray:
        """Return the intersection over union of each pair."""
        union = self.areas[self.first] + self.areas[self.second] - self.shared
        return np.asarray(self.shared / union)

    def diameters(self, thickness: float = 1.0) -> FloatArray:
        """Return the diameter of the disk, or the ball, with the area of each row.

        Parameters
        ----------
        thickness : float
            Of a plane in pixels of Y and X; counts where a step is a volume.
        """
        if self.centres.shape[1] == 2:
            return np.sqrt(4 * self.areas / math.pi)
        return np.cbrt(6 * self.areas * thickness / math.pi)

    def rows_of(self, step: int) -> slice:
        """Return the rows of a step."""
        begin, end = np.searchsorted(self.steps, [step, step + 1])
        return slice(int(begin), int(end))


def count_table(
    labels: LabelArray | Sequence[LabelArray],
    gap: int = 0,
    cancelled: CancelCheck | None = None,
) -> Table:
    """Count the table of labels.

    Parameters
    ----------
    labels : array (steps, Y, X) or (steps, Z, Y, X), integer
        0 is background; ids need to be unique only within a step.
    gap : int
        Steps that a nucleus may be missing in: so much further pixels are compared.
    cancelled : callable, optional
        Asked before every step.

    Raises
    ------
    Cancelled
    """
    steps, pairs = [], []
    offsets = [0]
    for number, frame in enumerate(labels):
        if cancelled is not None and cancelled():
            raise Cancelled("Linking was cancelled.")
        ids, areas, centres = _count(frame)
        steps.append((np.full(len(ids), number), ids, areas, centres))
        offsets.append(offsets[-1] + len(ids))
        for earlier in range(max(0, number - gap - 1), number):
            first, second, shared = _count_shared(labels[earlier], frame, steps[earlier][1], ids)
            pairs.append((first + offsets[earlier], second + offsets[number], shared))
    columns = [np.concatenate(column) for column in zip(*steps, strict=True)]
    if not pairs:
        pairs = [(np.zeros(0, np.int64),) * 3]
    return Table(*columns, *(np.concatenate(column) for column in zip(*pairs, strict=True)))


def rows_at_border(labels: LabelArray, table: Table) -> AnyArray:
    """Return which rows touch the border in Y or X, bool.

    Parameters
    ----------
    labels : array (steps, Y, X)
        That the table was counted from.
    table : Table
    """
    touching = np.zeros(len(table), bool)
    for number, plane in enumerate(labels):
        edges = np.concatenate([plane[0], plane[-1], plane[:, 0], plane[:, -1]])
        own = table.rows_of(number)
        touching[own] = np.isin(table.ids[own], edges)
    return touching


def renumber(frame: LabelArray, ids: AnyArray, new_ids: AnyArray) -> LabelArray:
    """Return labels with other ids, int32.

    Parameters
    ----------
    frame : array
        All its ids but 0 occur in `ids`.
    ids : array, ascending
    new_ids : array
        0 removes a nucleus.
    """
    result = np.zeros(frame.shape, np.int32)
    inside = frame != 0
    result[inside] = new_ids[_positions(frame[inside], ids)]
    return result


def _count(frame: LabelArray) -> tuple[AnyArray, AnyArray, FloatArray]:
    """Return ids, areas and centres of the nuclei of one step."""
    flat = np.ascontiguousarray(frame).reshape(-1)
    inside = np.flatnonzero(flat)
    values = flat[inside]
    ids = _unique(values)
    index = _positions(values, ids)
    areas = np.bincount(index, minlength=len(ids))
    sums = [np.bincount(index, axis, len(ids)) for axis in np.unravel_index(inside, frame.shape)]
    return ids, areas, np.column_stack(sums) / areas[:, np.newaxis]


def _count_shared(
    first: LabelArray, second: LabelArray, first_ids: AnyArray, second_ids: AnyArray
) -> tuple[AnyArray, AnyArray, AnyArray]:
    """Return positions in both lists of ids, and shared pixels, of the nuclei that overlap."""
    from scipy.sparse import coo_array

    both = (first != 0) & (second != 0)
    rows, columns = _positions(first[both], first_ids), _positions(second[both], second_ids)
    shape = (len(first_ids), len(second_ids))
    matrix = coo_array((np.ones(len(rows), np.int64), (rows, columns)), shape=shape).tocsr().tocoo()
    return matrix.row.astype(np.int64), matrix.col.astype(np.int64), matrix.data


def _unique(values: AnyArray) -> AnyArray:
    """Return the ids that occur, ascending; quicker than sorting where they lie close together."""
    if len(values) == 0:
        return np.zeros(0, np.int64)
    low, high = int(values.min()), int(values.max())
    if high - low > _SPARSE * len(values):
        return np.unique(values).astype(np.int64)
    there = np.zeros(high - low + 1, bool)
    there[values - low] = True
    return np.flatnonzero(there) + low


def _positions(values: AnyArray, ids: AnyArray) -> AnyArray:
    """Return the position of each value in ascending ids that hold all of them."""
    if len(values) == 0:
        return np.zeros(0, np.int64)
    low, high = int(ids[0]), int(ids[-1])
    if high - low > _SPARSE * len(values):
        return np.searchsorted(ids, values)
    position = np.zeros(high - low + 1, np.int64)
    position[ids - low] = np.arange(len(ids))
    return position[values - low]
