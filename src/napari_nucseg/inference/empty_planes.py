"""The planes before the first nucleus: looked at once more only where there is none at all."""

from functools import partial

import numpy as np

from napari_nucseg._types import CancelCheck, LabelArray
from napari_nucseg.cancelling import check_cancelled
from napari_nucseg.inference.diameter_advice import advise_if_empty
from napari_nucseg.inference.field_of_view import FieldOfView
from napari_nucseg.inference.instances import at_border
from napari_nucseg.inference.job import SegmentJob
from napari_nucseg.inference.left_out import LeftOut, Outlines, count_left_out, may_leave_out
from napari_nucseg.inference.maps import PlaneMaps
from napari_nucseg.params import SegmentParams

MOST_BYTES = 2**28
"""Of maps that wait: about eight planes of 2048 x 2048 pixels. When there are more, they are looked
at before it is known whether that is needed."""


class EmptyPlanes:
    """Explains a result without nuclei: by what was left out of its planes, and its diameter.

    Parameters
    ----------
    job : SegmentJob
    params : SegmentParams
    cancelled : callable or None
        Asked after each search of a plane; `Cancelled` is raised then.
    """

    def __init__(
        self,
        job: SegmentJob,
        params: SegmentParams,
        cancelled: CancelCheck | None,
    ) -> None:
        self._job, self._params, self._cancelled = job, params, cancelled
        self._waiting: list[tuple[FieldOfView, PlaneMaps]] = []
        self._bytes = 0
        self._left_out = LeftOut()

    def add(self, part: FieldOfView, maps: PlaneMaps) -> None:
        """Keep a part in which nothing was found, unless it surely holds nothing."""
        if not may_leave_out(maps, self._params, self._job.diameter):
            return
        self._waiting.append((part, maps))
        self._bytes += maps.maps.nbytes
        if self._bytes > MOST_BYTES:
            self._count()

    def forget(self) -> None:
        """Drop the planes that wait."""
        self._waiting.clear()
        self._bytes = 0

    def explain(self) -> tuple[str, ...]:
        """Say why there may be no nuclei, and what to do."""
        self._count()
        return (*advise_if_empty(self._job.given), *self._left_out.describe(self._params))

    def _count(self) -> None:
        """Count what was left out of the planes that wait."""
        job, network = self._job, self._job.model.config.network
        for part, maps in self._waiting:
            self._left_out += count_left_out(
                maps, network, self._params, job.diameter, partial(self._take_inside, part)
            )
        self.forget()

    def _take_inside(self, part: FieldOfView, labels: LabelArray) -> Outlines:
        check_cancelled(self._cancelled)  # after every search
        inside = part.keep_inside(labels)
        areas = np.bincount(inside.ravel())
        cut = np.zeros(len(areas), bool)
        cut[at_border(inside)] = True
        return Outlines(areas[1:], cut[1:])
