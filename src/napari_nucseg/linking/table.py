"""What linking knows of labels: a small table of the nuclei in each step, and what they share.

A step is a plane of a stack or a frame of a movie. The table is all that linking works on, so
labels larger than memory can be linked from tables that were counted part by part.
"""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_nucseg._types import AnyArray, CancelCheck, FloatArray, LabelArray
from napari_nucseg.cancelling import check_cancelled

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
    sums : array (n, ndim of a step), float64
        Of the indices of its pixels along each axis; whole numbers, so that parts add up exactly.
    first, second : arrays (m,), int64
        Rows that share pixels, `first` in the earlier step.
    shared : array (m,), int64
        How many.
    """

    steps: AnyArray
    ids: AnyArray
    areas: AnyArray
    sums: FloatArray
    first: AnyArray
    second: AnyArray
    shared: AnyArray

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def centres(self) -> FloatArray:
        """Mean index along each axis, (n, ndim of a step)."""
        return np.asarray(self.sums / self.areas[:, np.newaxis])

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
        if self.sums.shape[1] == 2:
            return np.sqrt(4 * self.areas / math.pi)
        return np.cbrt(6 * self.areas * thickness / math.pi)

    def rows_of(self, step: int) -> slice:
        """Return the rows of a step."""
        begin, end = np.searchsorted(self.steps, [step, step + 1])
        return slice(int(begin), int(end))

    def moved(self, *offset: int) -> "Table":
        """Return the table with indices that are counted from elsewhere, by axis of a step."""
        return replace(self, sums=self.sums + self.areas[:, np.newaxis] * np.array(offset))

    def lifted(self, plane: int) -> "Table":
        """Return the table of planes (Y, X) as one of volumes (Z, Y, X)."""
        return replace(self, sums=np.column_stack([self.areas * float(plane), self.sums]))

    def renamed(self, ids: AnyArray) -> "Table":
        """Return the table with other ids, one for each row; for `add_up`, as it is not in order.

        Rows that get 0 are left out.
        """
        kept = ids > 0
        place = np.cumsum(kept) - 1
        pairs = kept[self.first] & kept[self.second]
        return Table(
            self.steps[kept],
            ids[kept].astype(np.int64),
            self.areas[kept],
            self.sums[kept],
            place[self.first[pairs]],
            place[self.second[pairs]],
            self.shared[pairs],
        )


def add_up(parts: Sequence[Table]) -> Table:
    """Return the table of labels that were counted part by part.

    Parameters
    ----------
    parts : sequence of Table
        At least one. Rows of the same step and id are parts of one nucleus; indices are counted
        from the same corner, see `Table.moved`.
    """
    steps, ids, areas, sums, shared = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("steps", "ids", "areas", "sums", "shared")
    )
    order = np.lexsort((ids, steps))
    steps, ids = steps[order], ids[order]
    begins = np.ones(len(order), bool)
    begins[1:] = (np.diff(steps) != 0) | (np.diff(ids) != 0)
    row = np.zeros(len(order), np.int64)
    row[order] = np.cumsum(begins) - 1
    count = int(begins.sum())
    offsets = np.cumsum([0, *(len(part) for part in parts)])
    first, second = (
        row[np.concatenate([getattr(p, name) + o for p, o in zip(parts, offsets, strict=False)])]
        for name in ("first", "second")
    )
    pairs, index = np.unique(first * count + second, return_inverse=True)
    return Table(
        steps[begins],
        ids[begins],
        np.bincount(row, areas, count).astype(np.int64),
        np.column_stack([np.bincount(row, axis, count) for axis in sums.T]),
        pairs // max(count, 1),
        pairs % max(count, 1),
        np.bincount(index, shared, len(pairs)).astype(np.int64),
    )


def count_table(
    labels: LabelArray | Iterable[LabelArray],
    gap: int = 0,
    cancelled: CancelCheck | None = None,
) -> Table:
    """Count the table of labels.

    Parameters
    ----------
    labels : array (steps, Y, X) or (steps, Z, Y, X), or iterable of its steps, integer
        0 is background; ids need to be unique only within a step. Of an iterable, no more than
        `gap` + 2 steps are in memory.
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
    recent: deque[tuple[int, LabelArray]] = deque(maxlen=gap + 1)
    for number, frame in enumerate(labels):
        check_cancelled(cancelled, "Linking was cancelled.")
        ids, areas, sums = _count(frame)
        steps.append((np.full(len(ids), number), ids, areas, sums))
        offsets.append(offsets[-1] + len(ids))
        for earlier, before in recent:
            first, second, shared = _count_shared(before, frame, steps[earlier][1], ids)
            pairs.append((first + offsets[earlier], second + offsets[number], shared))
        recent.append((number, frame))
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
    frame : array (Y, X) or (Z, Y, X), integer
        All its ids but 0 occur in `ids`.
    ids : array (n,), integer, ascending
    new_ids : array (n,), integer
        0 removes a nucleus.
    """
    result = np.zeros(frame.shape, np.int32)
    inside = frame != 0
    result[inside] = new_ids[_positions(frame[inside], ids)]
    return result


def _count(frame: LabelArray) -> tuple[AnyArray, AnyArray, FloatArray]:
    """Return ids, areas and sums of the indices of the nuclei of one step."""
    flat = np.ascontiguousarray(frame).reshape(-1)
    inside = np.flatnonzero(flat)
    values = flat[inside]
    ids = _unique(values)
    index = _positions(values, ids)
    areas = np.bincount(index, minlength=len(ids))
    sums = [np.bincount(index, axis, len(ids)) for axis in np.unravel_index(inside, frame.shape)]
    return ids, areas, np.column_stack(sums)


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
