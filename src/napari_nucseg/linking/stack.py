"""Labels in, linked labels out: stacks, movies, and movies of stacks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from napari_nucseg._types import AnyArray, CancelCheck, LabelArray
from napari_nucseg.axes import resolve_axes
from napari_nucseg.errors import InputError
from napari_nucseg.linking.depth import chain_planes
from napari_nucseg.linking.table import Table, count_table, renumber, rows_at_border
from napari_nucseg.linking.tracks import chain_frames
from napari_nucseg.params import SegmentParams

_DEFAULT = SegmentParams()


@dataclass(frozen=True, eq=False)
class Linked:
    """Linked labels.

    Attributes
    ----------
    labels : array, int32
        Of the shape that was given; ids are consecutive, in order of their first plane or frame.
    count : int
        Nuclei in 3D, or tracks.
    parents : dict of int to int
        Id of each daughter of a division, and of her mother.
    """

    labels: LabelArray
    count: int
    parents: Mapping[int, int] = field(default_factory=dict)


def plane_step(pixel_size: Mapping[str, float] | None) -> float:
    """Return the step from plane to plane in pixels of Y and X; 1 if it is not known.

    Parameters
    ----------
    pixel_size : mapping or None
        Axis letter to micrometres per pixel.
    """
    sizes = [(pixel_size or {}).get(axis, 0.0) for axis in "ZYX"]
    if not all(np.isfinite(size) and size > 0 for size in sizes):
        return 1.0
    return float(sizes[0] / np.sqrt(sizes[1] * sizes[2]))


def check_linking(axes: str, params: SegmentParams) -> None:
    """Raise InputError if linking is asked for along an axis that the image has not."""
    for wanted, axis, name, noun in (
        (params.link_depth, "Z", "link_depth", "depth"),
        (params.link_time, "T", "link_time", "time"),
    ):
        if wanted and axis not in axes:
            raise InputError(
                f"{name} needs an image with the axis {axis} ({noun}), got the axes {axes}. If "
                f"another axis is the {noun}, pass axes, such as '{axis}YX'."
            )


def link_labels(
    labels: LabelArray,
    axes: str,
    params: SegmentParams,
    *,
    step: float = 1.0,
    cancelled: CancelCheck | None = None,
) -> Linked:
    """Link labels as `params` say: in depth, in time, or in depth and then in time.

    Parameters
    ----------
    labels : array, integer
        Ids need to be unique only within a plane.
    axes : str
        Of the labels: T and Z, in any order, then YX. Without ``link_depth``, each plane of a movie
        of stacks is a movie of its own.
    params : SegmentParams
        Its ``link_depth``, ``link_time``, ``link_overlap``, ``link_gap`` and ``min_planes`` count,
        and in depth its ``drop_border``: a nucleus that is cut in one plane is removed from all.
    step : float
        From plane to plane in pixels of Y and X, see `plane_step`.
    cancelled : callable, optional
        Asked before every plane.

    Raises
    ------
    InputError
        The labels cannot be used, or have not the axis that they are to be linked along.
    Cancelled
    """
    axes = resolve_axes(labels.shape, axes)
    check_linking(axes, params)
    in_time = partial(
        link_time, overlap=params.link_overlap, gap=params.link_gap, step=step, cancelled=cancelled
    )
    in_depth = partial(
        link_depth,
        overlap=params.link_overlap,
        gap=params.link_gap,
        min_planes=params.min_planes,
        drop_border=params.drop_border,
        step=step,
        cancelled=cancelled,
    )
    if "T" not in axes or "Z" not in axes:
        return in_depth(labels) if params.link_depth else in_time(labels)
    order = [axes.index(axis) for axis in "TZYX"]
    movie = labels.transpose(order)
    if params.link_depth:
        linked = _join([in_depth(volume) for volume in movie], 0)
        linked = in_time(linked.labels) if params.link_time else linked
    else:
        linked = _join([in_time(movie[:, plane]) for plane in range(movie.shape[1])], 1)
    back = np.ascontiguousarray(linked.labels.transpose(np.argsort(order)))
    return Linked(back, linked.count, linked.parents)


def link_depth(
    labels: LabelArray,
    *,
    overlap: float = _DEFAULT.link_overlap,
    gap: int = _DEFAULT.link_gap,
    min_planes: int = _DEFAULT.min_planes,
    drop_border: bool = False,
    step: float = 1.0,
    cancelled: CancelCheck | None = None,
) -> Linked:
    """Link the outlines in the planes of a stack into nuclei in 3D, see `depth.chain_planes`.

    Parameters
    ----------
    labels : array (Z, Y, X), integer
    overlap, gap, step
        See `depth.chain_planes`.
    min_planes : int
        Nuclei with outlines in fewer planes are removed.
    drop_border : bool
        Remove nuclei that touch the border in Y or X in any plane.
    cancelled : callable, optional
        Asked before every plane.

    Raises
    ------
    InputError
        The labels cannot be used.
    Cancelled
    """
    _check(labels, "ZYX")
    table = count_table(labels, gap, cancelled)
    nuclei = chain_planes(table, overlap=overlap, gap=gap, step=step)
    cut = rows_at_border(labels, table) if drop_border else np.zeros(len(table), bool)
    kept = [rows for rows in nuclei if len(rows) >= min_planes and not cut[rows].any()]
    return Linked(_write(labels, table, kept), len(kept))


def link_time(
    labels: LabelArray,
    *,
    overlap: float = _DEFAULT.link_overlap,
    gap: int = _DEFAULT.link_gap,
    step: float = 1.0,
    cancelled: CancelCheck | None = None,
) -> Linked:
    """Give the nuclei of a movie one id through all frames, see `tracks.chain_frames`.

    Parameters
    ----------
    labels : array (T, Y, X) or (T, Z, Y, X), integer
        In four axes, nuclei that are linked in depth.
    overlap, gap
        See `tracks.chain_frames`.
    step : float
        From plane to plane in pixels of Y and X.
    cancelled : callable, optional
        Asked before every frame.

    Raises
    ------
    InputError
        The labels cannot be used.
    Cancelled
    """
    _check(labels, "TYX or TZYX")
    table = count_table(labels, gap, cancelled)
    spacing = (1.0, 1.0) if labels.ndim == 3 else (step, 1.0, 1.0)
    tracks, parents = chain_frames(table, overlap=overlap, gap=gap, spacing=spacing)
    return Linked(
        _write(labels, table, tracks),
        len(tracks),
        {child + 1: parent + 1 for child, parent in parents.items()},
    )


def _check(labels: AnyArray, axes: str) -> None:
    """Raise InputError unless labels have these axes and ids from 0."""
    if labels.ndim not in [len(one) for one in axes.split(" or ")] or labels.size == 0:
        raise InputError(f"Labels must have the axes {axes} and pixels, got shape {labels.shape}.")
    if labels.dtype.kind not in "iu":
        raise InputError(
            "Labels must be integers (0 for background, one id per nucleus), got dtype "
            f"{labels.dtype}."
        )
    if (lowest := int(labels.min())) < 0:
        raise InputError(f"Labels must not have ids below 0, got {lowest}.")


def _write(labels: LabelArray, table: Table, chains: list[AnyArray]) -> LabelArray:
    """Return labels that are numbered by the chains from 1; what is in none is removed."""
    ids = np.zeros(len(table), np.int32)
    for number, rows in enumerate(chains, start=1):
        ids[rows] = number
    result = np.zeros(labels.shape, np.int32)
    for number, frame in enumerate(labels):
        own = table.rows_of(number)
        result[number] = renumber(frame, table.ids[own], ids[own])
    return result


def _join(parts: list[Linked], axis: int) -> Linked:
    """Stack parts along a new axis; their ids go on from part to part."""
    labels, parents, count = [], {}, 0
    for part in parts:
        labels.append(np.where(part.labels > 0, part.labels + np.int32(count), np.int32(0)))
        parents.update({child + count: mother + count for child, mother in part.parents.items()})
        count += part.count
    return Linked(np.stack(labels, axis), count, parents)
