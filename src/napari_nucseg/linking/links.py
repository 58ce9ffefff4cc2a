"""Tables in, new ids out: stacks, movies, and movies of stacks.

Labels in memory (`stack`) and labels that were counted part by part (`large`) are linked here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from napari_nucseg._types import AnyArray
from napari_nucseg.linking.depth import chain_planes
from napari_nucseg.linking.table import Table, add_up
from napari_nucseg.linking.tracks import chain_frames
from napari_nucseg.params import SegmentParams


@dataclass(frozen=True, eq=False)
class Links:
    """The new id of each outline, in the order of frames, planes and outlines.

    Attributes
    ----------
    frames, planes, outlines : arrays (n,), int64
        Where an outline is, from 0, and its id there.
    ids : array (n,), int64
        From 1 to `count`; 0 for what is removed.
    count : int
        Nuclei in 3D, or tracks.
    parents : dict of int to int
        Id of each daughter of a division, and of her mother.
    """

    frames: AnyArray
    planes: AnyArray
    outlines: AnyArray
    ids: AnyArray
    count: int
    parents: Mapping[int, int] = field(default_factory=dict)

    def of(self, frame: int, plane: int) -> tuple[AnyArray, AnyArray]:
        """Return the ids of the outlines of a plane, ascending, and the new ones."""
        begin, end = np.searchsorted(self.frames, [frame, frame + 1])
        low, high = begin + np.searchsorted(self.planes[begin:end], [plane, plane + 1])
        return self.outlines[low:high], self.ids[low:high]


def link_tables(
    depth: Sequence[Table],
    time: Sequence[Table],
    params: SegmentParams,
    *,
    border: Sequence[AnyArray] | None,
    step: float,
) -> Links:
    """Link outlines as `params` say: in depth, in time, or in depth and then in time.

    Parameters
    ----------
    depth : sequence of Table
        For each frame the table of its planes (Y, X); not looked at without ``link_depth``.
    time : sequence of Table
        For each plane the table of its frames (Y, X); not looked at if linked in depth alone.
    params : SegmentParams
        See `stack.link_labels`.
    border : sequence of arrays of bool, or None
        For each table of `depth` the rows that touch the border; those nuclei are removed.
    step : float
        From plane to plane in pixels of Y and X.
    """
    if not params.link_depth:
        return link_frames(time, params)
    nuclei = link_planes(depth, params, border=border, step=step)
    return link_volumes(nuclei, time, params, step=step) if params.link_time else nuclei


def link_planes(
    tables: Sequence[Table],
    params: SegmentParams,
    *,
    border: Sequence[AnyArray] | None,
    step: float,
) -> Links:
    """Link the planes of each frame, see `depth.chain_planes`; arguments as for `link_tables`."""
    count, ids = 0, []
    for number, table in enumerate(tables):
        nuclei = chain_planes(table, overlap=params.link_overlap, gap=params.link_gap, step=step)
        cut = np.zeros(len(table), bool) if border is None else border[number]
        kept = [rows for rows in nuclei if len(rows) >= params.min_planes and not cut[rows].any()]
        ids.append(_number(len(table), kept, count))
        count += len(kept)
    frames, planes, outlines = _rows(tables)
    return Links(frames, planes, outlines, np.concatenate(ids), count)


def link_frames(tables: Sequence[Table], params: SegmentParams) -> Links:
    """Link the frames of each plane, a movie of its own, see `tracks.chain_frames`."""
    count, ids = 0, []
    parents: dict[int, int] = {}
    for table in tables:
        tracks, found = _track(table, params, (1.0, 1.0))
        ids.append(_number(len(table), tracks, count))
        parents |= {child + count: mother + count for child, mother in found.items()}
        count += len(tracks)
    planes, frames, outlines = _rows(tables)
    order = np.lexsort((planes, frames))
    return Links(
        frames[order], planes[order], outlines[order], np.concatenate(ids)[order], count, parents
    )


def link_volumes(
    nuclei: Links, tables: Sequence[Table], params: SegmentParams, *, step: float
) -> Links:
    """Link nuclei in 3D through the frames, see `tracks.chain_frames`.

    Parameters
    ----------
    nuclei : Links
        Their ids need to be unique only within a frame.
    tables, params, step
        As ``time`` and the others of `link_tables`.
    """
    parts = []
    for plane, table in enumerate(tables):
        parts.append(table.renamed(nuclei.ids[nuclei.planes == plane]).lifted(plane))
    volumes = add_up(parts)
    tracks, parents = _track(volumes, params, (step, 1.0, 1.0))
    track = _number(len(volumes), tracks, 0)
    ids = np.zeros(len(nuclei.ids), np.int64)
    for frame in np.unique(volumes.steps).tolist():
        own = volumes.rows_of(frame)
        rows = np.flatnonzero((nuclei.frames == frame) & (nuclei.ids > 0))
        ids[rows] = track[own][np.searchsorted(volumes.ids[own], nuclei.ids[rows])]
    return Links(nuclei.frames, nuclei.planes, nuclei.outlines, ids, len(tracks), parents)


def linked_already(tables: Sequence[Table]) -> Links:
    """Return nuclei in 3D that have one id in all planes of a frame.

    Parameters
    ----------
    tables : sequence of Table
        For each plane the table of its frames.
    """
    planes, frames, ids = _rows(tables)
    order = np.lexsort((planes, frames))
    frames, planes, ids = frames[order], planes[order], ids[order]
    return Links(frames, planes, ids, ids, int(ids.max(initial=0)))


def _rows(tables: Sequence[Table]) -> tuple[AnyArray, AnyArray, AnyArray]:
    """Return number of the table, step and id of all rows."""
    numbers = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    steps, ids = (np.concatenate([getattr(t, name) for t in tables]) for name in ("steps", "ids"))
    return numbers, steps, ids


def _track(
    table: Table, params: SegmentParams, spacing: tuple[float, ...]
) -> tuple[list[AnyArray], dict[int, int]]:
    """Return the rows of each track, and the parents, numbered from 1."""
    tracks, parents = chain_frames(
        table, overlap=params.link_overlap, gap=params.link_gap, spacing=spacing
    )
    return tracks, {child + 1: mother + 1 for child, mother in parents.items()}


def _number(length: int, chains: list[AnyArray], before: int) -> AnyArray:
    """Return the id of each row: those of the first chain get `before` + 1; 0 for no chain."""
    ids = np.zeros(length, np.int64)
    for number, rows in enumerate(chains, start=before + 1):
        ids[rows] = number
    return ids
