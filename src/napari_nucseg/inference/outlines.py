"""The outlines of a plane, as its parts are looked at one after the other."""

import numpy as np

from napari_nucseg._types import LabelArray
from napari_nucseg.inference.diameter_advice import advise_if_wrong, outline_areas
from napari_nucseg.inference.field_of_view import TOLERANCE, FieldOfView
from napari_nucseg.inference.instances import find_instances
from napari_nucseg.inference.job import SegmentJob
from napari_nucseg.inference.linked import outline_params
from napari_nucseg.inference.maps import PlaneMaps
from napari_nucseg.params import SegmentParams

SEEN = 0.5
"""A nucleus of which others have more than this part is one of them, seen from the part beside
it."""


def add_nuclei(
    plane: LabelArray,
    part: FieldOfView,
    maps: PlaneMaps,
    job: SegmentJob,
    params: SegmentParams,
    count: int,
) -> int:
    """Draw the nuclei of a part where the plane is free, but those seen before.

    Parameters
    ----------
    plane : array (Y, X), int32
        Drawn into.
    part : FieldOfView
    maps : PlaneMaps
        Of the part.
    job : SegmentJob
    params : SegmentParams
    count : int
        Nuclei found before; new ones are numbered from the next id on.

    Returns
    -------
    int
        The new count.
    """
    found = find_instances(maps, job.model.config.network, outline_params(params), job.diameter)
    found = part.keep_inside(found, TOLERANCE * job.diameter)
    canvas = plane[part.window]
    taken = canvas > 0
    if not taken.any():  # always so where a plane is one part
        canvas[...] = np.where(found > 0, found + count, 0)
        return count + int(found.max(initial=0))
    areas = np.bincount(found.ravel())
    new = np.bincount(found[taken], minlength=len(areas)) <= SEEN * areas
    new[0] = False
    numbers = np.where(new, np.cumsum(new) + count, 0).astype(np.int32)
    np.copyto(canvas, numbers[found], where=~taken)
    return count + int(new.sum())


def diameter_remarks(outlines: LabelArray, count: int, job: SegmentJob) -> tuple[str, ...]:
    """Say whether a given diameter seems to be wrong, by nuclei numbered from 1 to `count`."""
    if job.given is None:
        return ()
    return advise_if_wrong(job.given, outline_areas(outlines, count))
