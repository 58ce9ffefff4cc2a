"""From the outlines that were found in each plane to what `segment` returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from napari_nucseg._types import AnyArray, CancelCheck, LabelArray
from napari_nucseg.counted import counted
from napari_nucseg.inference.job import SegmentJob
from napari_nucseg.linking.features import describe_nuclei
from napari_nucseg.linking.stack import link_labels
from napari_nucseg.params import SegmentParams


@dataclass(frozen=True, eq=False)
class Found:
    """Nuclei, linked if that was asked for; see `result.SegmentationResult`."""

    labels: LabelArray
    count: int
    parents: Mapping[int, int] = field(default_factory=dict)
    features: Mapping[str, AnyArray] = field(default_factory=dict)
    messages: tuple[str, ...] = ()


def outline_params(params: SegmentParams) -> SegmentParams:
    """Return the parameters that outlines are found with.

    What the border cuts stays until it is linked in depth: the nucleus goes as a whole then.
    """
    return params.model_copy(update={"drop_border": params.drop_border and not params.link_depth})


def single_parts(params: SegmentParams) -> str:
    """Return what outlines that are linked as `params` say lie in: planes or frames."""
    return "frames" if params.link_time and not params.link_depth else "planes"


def link_outlines(
    outlines: LabelArray,
    count: int,
    job: SegmentJob,
    params: SegmentParams,
    cancelled: CancelCheck | None = None,
) -> Found:
    """Link outlines as `params` say.

    Parameters
    ----------
    outlines : array, int32
        Labels of all planes, numbered from 1 to `count`.
    count : int
    job : SegmentJob
        Its planes, and the step between them if `params` do not say.
    params : SegmentParams
    cancelled : callable, optional
        Asked before every plane.

    Returns
    -------
    Found
        Without linking, of `outlines` itself.

    Raises
    ------
    Cancelled
    """
    if not (params.link_depth or params.link_time):
        return Found(outlines, count)
    axes = job.planes.output_axes
    step = params.anisotropy or job.step
    linked = link_labels(outlines, axes, params, step=step, cancelled=cancelled)
    features = describe_nuclei(linked.links, axes)
    message = describe_links(count, linked.count, linked.parents, params)
    return Found(linked.labels, linked.count, linked.parents, features, (message,))


def describe_links(
    outlines: int, nuclei: int, parents: Mapping[int, int], params: SegmentParams
) -> str:
    """Say what was linked, and if no nucleus is left of the outlines, why and what to do."""
    message = f"Linked from {counted(outlines, 'outline')} in single {single_parts(params)}."
    if params.link_time:
        divisions = len(set(parents.values()))
        message += f" {counted(divisions, 'division')}."
    if outlines and not nuclei:
        message += f" {_removed(params)}"
    return message


def _removed(params: SegmentParams) -> str:
    """Say why linking in depth, the only one that removes nuclei, removed all."""
    planes = f"they are in fewer planes than Minimum planes {params.min_planes:,}"
    lower = "lower Minimum planes"
    if params.drop_border and params.min_planes == 1:
        why, advice = "the border cuts them", "turn off Drop border"
    elif params.drop_border:
        why, advice = f"{planes}, or the border cuts them", f"{lower} and turn off Drop border"
    else:
        why, advice = planes, lower
    return f"All nuclei were left out, as {why}; {advice} to keep them."
