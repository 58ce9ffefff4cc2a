"""`relabel`: labels anew from the maps that `segment` has kept."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from napari_nucseg._types import CancelCheck, LabelArray
from napari_nucseg.cancelling import check_cancelled
from napari_nucseg.errors import InputError
from napari_nucseg.inference.empty_planes import EmptyPlanes
from napari_nucseg.inference.field_of_view import FieldOfView
from napari_nucseg.inference.linked import link_outlines, outline_params
from napari_nucseg.inference.maps import PlaneMaps
from napari_nucseg.inference.outlines import add_nuclei, diameter_remarks
from napari_nucseg.inference.result import SegmentationResult, make_record
from napari_nucseg.inference.stopwatch import Stopwatch
from napari_nucseg.linking.stack import check_linking
from napari_nucseg.params import LINK_PARAMETERS, SegmentParams, make_params

LIVE_PARAMETERS = (
    "foreground_threshold",
    "certainty",
    "splitting",
    "min_size",
    "drop_border",
    *LINK_PARAMETERS,
)
"""Parameters that change the labels without running the network again."""


def relabel(
    result: SegmentationResult,
    *,
    cancelled: CancelCheck | None = None,
    **changes: Any,
) -> SegmentationResult:
    """Compute the labels anew from kept maps, without running the network.

    The labels are those that `segment` would return with the changed parameters.

    Parameters
    ----------
    result : SegmentationResult
        From ``segment(..., keep_maps=True)``.
    cancelled : callable, optional
        Asked before every plane.
    **changes
        ``foreground_threshold``, ``certainty``, ``splitting``, ``min_size``, ``drop_border``,
        ``link_depth``, ``link_time``, ``link_overlap``, ``link_gap``, ``min_planes``,
        ``anisotropy``.

    Raises
    ------
    InputError
        Another parameter was passed, the result kept no maps, or linking is asked for along an axis
        that the image has not.
    Cancelled
    """
    beyond = sorted(set(changes) - set(LIVE_PARAMETERS))
    if beyond:
        unknown = [name for name in beyond if name not in SegmentParams.model_fields]
        problem = (
            f"There is no parameter {' or '.join(unknown)}"
            if unknown
            else f"{', '.join(beyond)} cannot change without running the network"
        )
        raise InputError(f"{problem}; only {', '.join(LIVE_PARAMETERS)} can be changed.")
    if not result.maps:
        raise InputError("The result kept no maps; segment with keep_maps=True.")
    watch = Stopwatch()
    job = result.job
    before = result.record["parameters"]
    params = make_params({**before, **changes})
    check_linking(result.axes, params)
    outlines = result.outlines
    if outlines is None or _finding(params) != _finding(make_params(before)):
        outlines = _find_outlines(result, params, cancelled)
    count = int(outlines.max(initial=0))
    explained = (
        diameter_remarks(outlines, count, job)
        if count
        else _explain_empty(result, params, cancelled)
    )
    watch.lap("instances")
    found = link_outlines(outlines, count, job, params, cancelled)
    watch.lap("linking")
    return replace(
        result,
        labels=found.labels,
        count=found.count,
        seconds=watch.total(),
        record=make_record(job, params, found.parents),
        messages=(*job.messages, *explained, *found.messages),
        parents=found.parents,
        features=found.features,
        outlines=outlines if found.labels is not outlines else None,
    )


def _finding(params: SegmentParams) -> dict[str, Any]:
    """Return the parameters that outlines depend on."""
    return outline_params(params).model_dump(exclude=set(LINK_PARAMETERS))


def _find_outlines(
    result: SegmentationResult, params: SegmentParams, cancelled: CancelCheck | None
) -> LabelArray:
    """Find the nuclei of all planes in kept maps."""
    outlines = np.zeros(result.labels.shape, np.int32)
    count = 0
    for index, part, maps in _kept_parts(result, cancelled):
        count = add_nuclei(outlines[index], part, maps, result.job, params, count)
    return outlines


def _explain_empty(
    result: SegmentationResult, params: SegmentParams, cancelled: CancelCheck | None
) -> tuple[str, ...]:
    """Say whether there are no nuclei as all were left out."""
    empty = EmptyPlanes(result.job, params, cancelled)
    for _, part, maps in _kept_parts(result, cancelled):
        empty.add(part, maps)
    return empty.explain()


def _kept_parts(
    result: SegmentationResult, cancelled: CancelCheck | None
) -> Iterator[tuple[tuple[int, ...], FieldOfView, PlaneMaps]]:
    """Yield the index of each plane with each part of it, and the kept maps."""
    job = result.job
    places = itertools.product(job.planes.iterate(), result.field_of_view.parts(job))
    for (index, part), maps in zip(places, result.maps, strict=True):
        check_cancelled(cancelled, "Relabelling was cancelled.")
        yield index, part, maps
