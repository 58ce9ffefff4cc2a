"""The links of all outlines of an image, from what was counted column by column."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from napari_nucseg._types import AnyArray
from napari_nucseg.io.npz import read_npz, write_npz
from napari_nucseg.large.columns import Column, Counted
from napari_nucseg.linking.features import describe_nuclei
from napari_nucseg.linking.links import link_tables
from napari_nucseg.linking.table import add_up
from napari_nucseg.params import SegmentParams


@dataclass(frozen=True, eq=False)
class OutlineLinks:
    """What becomes of outlines whose ids are unique over all planes.

    Attributes
    ----------
    ids : array (outlines + 1,), uint32
        The id of the nucleus for each id of an outline; 0 for what is removed.
    features : dict of str to array
        See `linking.features.describe_nuclei`.
    """

    ids: AnyArray
    features: Mapping[str, AnyArray]

    @property
    def count(self) -> int:
        """Nuclei in 3D, or tracks."""
        return len(self.features["index"])

    @cached_property
    def parents(self) -> dict[int, int]:
        """Id of each daughter of a division, and of her mother."""
        found = self.features["parent"]
        daughters = np.flatnonzero(found)
        return dict(zip((daughters + 1).tolist(), found[daughters].tolist(), strict=True))

    def write(self, path: Path) -> None:
        """Write an ``.npz`` file."""
        names, columns = np.array(list(self.features)), np.stack(list(self.features.values()))
        write_npz(path, {"ids": self.ids, "names": names, "columns": columns})

    @classmethod
    def read(cls, path: Path) -> "OutlineLinks":
        """Read what `write` wrote.

        Raises
        ------
        ReadError
        """
        arrays = read_npz(path, ("ids", "names", "columns"), "the links of the nuclei")
        ids, names, columns = arrays
        return cls(ids, dict(zip(names.tolist(), columns, strict=True)))


def link_columns(
    columns: Sequence[Column],
    read: Callable[[int], Counted],
    outlines: int,
    axes: str,
    params: SegmentParams,
    step: float,
) -> OutlineLinks:
    """Link the outlines of an image, see `linking.links.link_tables`.

    Parameters
    ----------
    columns : sequence of Column
    read : callable
        Returns what was counted in a column, by its place in `columns`; is asked once for each.
    outlines : int
        Their number: ids are 1 to it.
    axes : str
        Of the labels.
    params : SegmentParams
    step : float
        From plane to plane in pixels of Y and X.

    Raises
    ------
    ReadError
    """
    parts: dict[str, dict[int, list[Counted]]] = {"Z": {}, "T": {}}
    for index, column in enumerate(columns):
        parts[column.axis].setdefault(column.number, []).append(read(index))
    depth, time = (
        [add_up([part.table for part in of_one]) for of_one in parts[axis].values()]
        for axis in "ZT"
    )
    border = None
    if params.drop_border:
        touching = [np.concatenate([p.at_border for p in one]) for one in parts["Z"].values()]
        border = [np.isin(t.ids, edge) for t, edge in zip(depth, touching, strict=True)]
    links = link_tables(depth, time, params, border=border, step=step)
    ids = np.zeros(outlines + 1, np.uint32)
    ids[links.outlines] = links.ids
    return OutlineLinks(ids, describe_nuclei(links, axes))
