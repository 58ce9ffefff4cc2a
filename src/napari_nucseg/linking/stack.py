"""Labels in, linked labels out: stacks, movies, and movies of stacks."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from napari_nucseg._types import AnyArray, CancelCheck, LabelArray
from napari_nucseg.axes import resolve_axes
from napari_nucseg.errors import InputError
from napari_nucseg.linking.links import Links, link_tables, link_volumes, linked_already
from napari_nucseg.linking.table import Table, count_table, renumber, rows_at_border
from napari_nucseg.params import SegmentParams

_DEFAULT = SegmentParams()


@dataclass(frozen=True, eq=False)
class Linked:
    """Linked labels.

    Attributes
    ----------
    labels : array, int32
        Of the shape that was given; ids are consecutive, in order of their first plane or frame.
    links : Links
        The new id of each outline.
    """

    labels: LabelArray
    links: Links

    @property
    def count(self) -> int:
        """Nuclei in 3D, or tracks."""
        return self.links.count

    @property
    def parents(self) -> Mapping[int, int]:
        """Id of each daughter of a division, and of her mother."""
        return self.links.parents


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
    _check(labels, axes)
    movie = _as_movie(labels, axes)
    depth, border, time = [], [], []
    if params.link_depth:
        depth = [count_table(volume, params.link_gap, cancelled) for volume in movie]
        if params.drop_border:
            border = [rows_at_border(v, table) for v, table in zip(movie, depth, strict=True)]
    if params.link_time or not params.link_depth:
        time = _count_frames(movie, params, cancelled)
    links = link_tables(depth, time, params, border=border or None, step=step)
    return _write(labels, axes, links)


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
    params = _DEFAULT.model_copy(
        update={
            "link_depth": True,
            "link_overlap": overlap,
            "link_gap": gap,
            "min_planes": min_planes,
            "drop_border": drop_border,
        }
    )
    return link_labels(labels, "ZYX", params, step=step, cancelled=cancelled)


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
    params = _DEFAULT.model_copy(
        update={"link_time": True, "link_overlap": overlap, "link_gap": gap}
    )
    if labels.ndim == 3:
        return link_labels(labels, "TYX", params, step=step, cancelled=cancelled)
    tables = _count_frames(labels, params, cancelled)
    links = link_volumes(linked_already(tables), tables, params, step=step)
    return _write(labels, "TZYX", links)


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


def _as_movie(labels: LabelArray, axes: str) -> LabelArray:
    """Return a view with the axes TZYX; those that are not there have length 1."""
    missing = "".join(axis for axis in "TZ" if axis not in axes)
    view = labels[(np.newaxis,) * len(missing)]
    return view.transpose([(missing + axes).index(axis) for axis in "TZYX"])


def _count_frames(
    movie: LabelArray, params: SegmentParams, cancelled: CancelCheck | None
) -> list[Table]:
    """Count the frames of each plane of labels TZYX."""
    planes = range(movie.shape[1])
    return [count_table(movie[:, plane], params.link_gap, cancelled) for plane in planes]


def _write(labels: LabelArray, axes: str, links: Links) -> Linked:
    """Return labels with the new ids; what has none is removed."""
    result = np.zeros(labels.shape, np.int32)
    old, new = _as_movie(labels, axes), _as_movie(result, axes)
    for frame, plane in np.ndindex(*old.shape[:2]):
        new[frame, plane] = renumber(old[frame, plane], *links.of(frame, plane))
    return Linked(result, links)
