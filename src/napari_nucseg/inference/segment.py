"""`segment`: the one path from an image to labels, for GUI, command line and Python."""

import inspect
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from napari_nucseg._types import AnyArray, CancelCheck, Progress
from napari_nucseg.cancelling import check_cancelled
from napari_nucseg.counted import counted
from napari_nucseg.inference.callbacks import noting
from napari_nucseg.inference.empty_planes import EmptyPlanes
from napari_nucseg.inference.field_of_view import FieldOfView
from napari_nucseg.inference.job import SegmentJob, resolve_job
from napari_nucseg.inference.linked import link_outlines
from napari_nucseg.inference.maps import PlaneMaps
from napari_nucseg.inference.memory import bytes_to_keep, memory_needed, memory_to_begin
from napari_nucseg.inference.outlines import add_nuclei, diameter_remarks
from napari_nucseg.inference.result import SegmentationResult, make_record
from napari_nucseg.inference.stopwatch import Stopwatch
from napari_nucseg.inference.walk import predict_planes
from napari_nucseg.io.arrays import as_array
from napari_nucseg.params import SegmentParams, choose_params


def segment(
    image: Any,
    axes: str | None = None,
    *,
    params: SegmentParams | None = None,
    rgb: bool | None = None,
    pixel_size: Mapping[str, float] | None = None,
    region: AnyArray | None = None,
    keep_maps: bool = False,
    maps_limit: float = math.inf,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
    **options: Any,
) -> SegmentationResult:
    """Find the nuclei in an image, a stack or a movie: plane by plane, then linked if asked for.

    Parameters
    ----------
    image : array
        Any real dtype; numpy, dask or zarr (planes are read one by one), or a list of such arrays,
        a multiscale pyramid whose first level is used.
    axes : str, optional
        One letter of ``TZCYXS`` per axis, such as ``"ZYX"``, ``"CZYX"`` or ``"YXS"`` (colour).
        Guessed where it is absent: YX, ZYX, TZYX, TZCYX, or colour if the last axis has length 3
        or 4.
    params : SegmentParams, optional
        All parameters at once, instead of `options`.
    rgb : bool, optional
        Whether the last axis holds colour samples; used for guessing axes only.
    pixel_size : mapping, optional
        Axis letter (Z, Y, X) to micrometres per pixel; needed for a diameter given as a length,
        and used for the step from plane to plane when linking in depth.
    region : array (Y, X), bool, optional
        Only nuclei whose centre lies in it are kept. Statistics are those of the whole image.
    keep_maps : bool
        Keep the network's maps in the result, for `relabel`.
    maps_limit : float
        Bytes; none are kept if they take more, which is known only when the diameter is.
    progress : callable, optional
        Called as ``progress(done, total, message)`` after every tile; the last tile of a plane,
        or of a part of a large one, counts as done when its nuclei are found.
    cancelled : callable, optional
        Asked before every tile.
    **options
        Fields of `SegmentParams`, such as ``model``, ``diameter``, ``splitting``, ``link_depth``.

    Returns
    -------
    SegmentationResult

    Raises
    ------
    InputError
        The image, its axes or a parameter cannot be used, or it does not fit into memory; the
        message says why.
    ModelError, EngineError
        The model or engine cannot be used. There is never a silent fallback.
    Cancelled
        `cancelled()` was true.

    Examples
    --------
    >>> from napari_nucseg import segment
    >>> result = segment(stack, "ZYX", diameter="8 um", pixel_size={"Y": 0.3, "X": 0.3})
    >>> result.labels.shape, result.count
    """
    watch = Stopwatch()
    params = choose_params(SegmentParams, params, options)
    source = as_array(image)
    raised: list[Exception] = []
    progress = progress and noting(progress, raised)
    cancelled = cancelled and noting(cancelled, raised)
    check_cancelled(cancelled)
    with memory_to_begin(raised):
        job = resolve_job(source, axes, params, rgb=rgb, pixel_size=pixel_size, cancelled=cancelled)
        field_of_view = FieldOfView.of(region, job)
    watch.lap("prepare")
    keep = keep_maps and bytes_to_keep(job, field_of_view) <= maps_limit
    with memory_needed(job, source.dtype, field_of_view.shape, raised):
        return _segment(source, job, field_of_view, watch, keep, progress, cancelled)


def _segment(
    source: Any,
    job: SegmentJob,
    field_of_view: FieldOfView,
    watch: Stopwatch,
    keep_maps: bool,
    progress: Progress | None,
    cancelled: CancelCheck | None,
) -> SegmentationResult:
    """Do what a job says; see `segment`."""
    params = job.params
    labels = np.zeros(job.planes.output_shape, np.int32)
    shown = np.zeros(labels.shape, np.float32) if params.probabilities else None
    kept: list[PlaneMaps] = []
    count, empty = 0, EmptyPlanes(job, params, cancelled)

    def tiles_done(done: int, total: int) -> None:
        if progress is not None:
            progress(done, total, counted(count, "nucleus"))

    walk = predict_planes(source, job, field_of_view, tiles_done=tiles_done, cancelled=cancelled)
    for index, part, maps in walk:
        watch.lap("network")
        count = add_nuclei(labels[index], part, maps, job, params, count)
        if count:
            empty.forget()
        else:
            empty.add(part, maps)
        if shown is not None:
            part.place(maps.probability(), shown[index])
        if keep_maps:
            kept.append(maps)
        watch.lap("instances")
    explained = diameter_remarks(labels, count, job) if count else empty.explain()
    watch.lap("instances")
    found = link_outlines(labels, count, job, params, cancelled)
    watch.lap("linking")
    return SegmentationResult(
        labels=found.labels,
        axes=job.planes.output_axes,
        count=found.count,
        diameter=job.diameter,
        seconds=watch.total(),
        record=make_record(job, params, found.parents),
        messages=(*job.messages, *explained, *found.messages),
        probabilities=shown,
        parents=found.parents,
        features=found.features,
        job=job,
        field_of_view=field_of_view,
        maps=tuple(kept),
        outlines=labels if keep_maps and found.labels is not labels else None,
    )


def _show_options() -> None:
    """Let `help(segment)` and editors show the fields of `SegmentParams` as keywords."""
    shown = inspect.signature(segment)
    named = [p for p in shown.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    options = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=info.default,
            annotation=info.annotation,
        )
        for name, info in SegmentParams.model_fields.items()
    ]
    segment.__signature__ = shown.replace(parameters=[*named, *options])  # type: ignore[attr-defined]


_show_options()
