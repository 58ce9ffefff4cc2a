"""What nuclei of neighbouring planes share, counted in one window of a stack or movie at a time."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from napari_nucseg._types import AnyArray, Window
from napari_nucseg.io.npz import read_npz, write_npz
from napari_nucseg.linking.table import Table
from napari_nucseg.params import SegmentParams
from napari_nucseg.preprocessing.blocks import BlockGrid


@dataclass(frozen=True)
class Column:
    """The blocks at one place of all planes of a frame, or of all frames of a plane.

    Attributes
    ----------
    axis : str
        Z or T.
    number : int
        Of the frame, or the plane.
    blocks : tuple of int
        Along the axis.
    """

    axis: str
    number: int
    blocks: tuple[int, ...]


def columns_to_link(grid: BlockGrid, axes: str, params: SegmentParams) -> list[Column]:
    """Return the columns that are counted to link as `params` say.

    Parameters
    ----------
    grid : BlockGrid
    axes : str
        Of the labels: T and Z as far as they are there, then YX.
    params : SegmentParams
    """
    numbers = np.arange(len(grid)).reshape(*grid.stack, grid.rows * grid.columns)
    for position, axis in enumerate("TZ"):
        if axis not in axes:
            numbers = np.expand_dims(numbers, position)
    if "T" in axes and axes.index("T") > axes.find("Z") >= 0:
        numbers = numbers.swapaxes(0, 1)  # the axes are ZT
    wanted = (("Z", params.link_depth, 0), ("T", params.link_time, 1))
    return [
        Column(axis, number, tuple(blocks.tolist()))
        for axis, linked, position in wanted
        if linked
        for number, part in enumerate(np.moveaxis(numbers, position, 0))
        for blocks in part.T
    ]


@dataclass(frozen=True, eq=False)
class Counted:
    """What was counted in a column.

    Attributes
    ----------
    table : Table
        Its steps are the blocks of the column; indices are counted from the corner of the plane.
    at_border : array, int64
        Ids that touch the border of the image.
    """

    table: Table
    at_border: AnyArray

    def write(self, path: Path) -> None:
        """Write an ``.npz`` file."""
        columns = {one.name: getattr(self.table, one.name) for one in fields(Table)}
        write_npz(path, {"at_border": self.at_border, **columns})

    @classmethod
    def read(cls, path: Path) -> "Counted":
        """Read what `write` wrote.

        Raises
        ------
        ReadError
            The file is missing or damaged.
        """
        names = ["at_border", *(one.name for one in fields(Table))]
        at_border, *columns = read_npz(path, names, "what was counted to link")
        return cls(Table(*columns), at_border)


def ids_at_border(labels: AnyArray, window: Window, shape: tuple[int, int]) -> AnyArray:
    """Return the ids in a window that touch the border of a plane of this shape."""
    rows, columns = window
    edges = [
        edge
        for edge, there in (
            (labels[0], rows.start == 0),
            (labels[-1], rows.stop == shape[0]),
            (labels[:, 0], columns.start == 0),
            (labels[:, -1], columns.stop == shape[1]),
        )
        if there
    ]
    ids = np.unique(np.concatenate(edges)) if edges else np.zeros(0, np.int64)
    return ids[ids > 0].astype(np.int64)
