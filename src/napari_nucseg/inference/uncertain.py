"""The nuclei that are left out as uncertain, for results in which there are no others."""

from napari_nucseg.inference.field_of_view import FieldOfView
from napari_nucseg.inference.instances import find_instances
from napari_nucseg.inference.job import SegmentJob
from napari_nucseg.inference.linked import outline_params
from napari_nucseg.inference.maps import PlaneMaps
from napari_nucseg.params import SegmentParams


def count_uncertain(
    maps: PlaneMaps, job: SegmentJob, params: SegmentParams, field_of_view: FieldOfView
) -> int:
    """Return how many outlines a plane without any would have if certainty did not matter.

    It takes as long as finding them, so it is asked only where nothing was found.
    """
    if params.certainty == 0:
        return 0
    every = outline_params(params).model_copy(update={"certainty": 0.0})
    found = find_instances(maps, job.model.config.network, every, job.diameter)
    return int(field_of_view.keep_inside(found).max(initial=0))


def describe_uncertain(count: int, params: SegmentParams) -> tuple[str, ...]:
    """Say that all there is was left out as uncertain, and what to do; nothing if `count` is 0."""
    if count == 0:
        return ()
    linked = params.link_depth or params.link_time
    one, many = ("outline", "outlines in single planes") if linked else ("nucleus", "nuclei")
    limit = f"less certain than {params.certainty:.4g}"
    if count == 1:
        return (f"The only {one} is {limit} and was left out; lower Certainty to keep it.",)
    return (f"All {count:,} {many} are {limit} and were left out; lower Certainty to keep them.",)
