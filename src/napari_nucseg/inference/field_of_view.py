"""The part of an image that is looked at: all of it, or a region and what surrounds it."""

from dataclasses import dataclass

import numpy as np

from napari_nucseg._types import AnyArray, LabelArray, Window
from napari_nucseg.errors import InputError
from napari_nucseg.inference.job import SegmentJob
from napari_nucseg.preprocessing.tiling import grain


@dataclass(frozen=True)
class FieldOfView:
    """The part of every plane that is looked at.

    Attributes
    ----------
    window : tuple of slice (Y, X)
        What the network sees.
    region : array (Y, X), bool, or None
        Within the window: where a nucleus' centre must lie; None is everywhere.
    """

    window: Window
    region: AnyArray | None

    @classmethod
    def of(cls, region: AnyArray | None, job: SegmentJob) -> "FieldOfView":
        """Check a region and return the window around it, with a halo as context.

        It starts at a multiple of the grain, as tiles do: the maps then are those of the whole
        plane but for what lies beyond the halo.

        Raises
        ------
        InputError
            The region has another size than the planes, or is empty.
        """
        height, width = job.planes.output_shape[-2:]
        if region is None:
            return cls((slice(0, height), slice(0, width)), None)
        region = np.asarray(region, bool)
        if region.shape != (height, width):
            raise InputError(
                f"region must have the planes' shape {(height, width)} (Y, X), got {region.shape}."
            )
        if not region.any():
            raise InputError("The region is empty: no pixel of the image lies in it.")
        margin = int(np.ceil(job.halo / job.prepared.scale))
        step = grain(job.prepared.scale)
        rows, columns = (np.flatnonzero(region.any(axis=axis)) for axis in (1, 0))
        window = (
            slice(
                _multiple_before(rows[0] - margin, step), min(height, int(rows[-1]) + 1 + margin)
            ),
            slice(
                _multiple_before(columns[0] - margin, step),
                min(width, int(columns[-1]) + 1 + margin),
            ),
        )
        return cls(window, region[window])

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the window."""
        rows, columns = self.window
        return rows.stop - rows.start, columns.stop - columns.start

    def keep_inside(self, labels: LabelArray) -> LabelArray:
        """Remove labels of the window whose centre lies outside the region; renumber the rest."""
        if self.region is None or not labels.any():
            return labels
        flat = labels.ravel()
        area = np.maximum(np.bincount(flat), 1)
        rows, columns = np.indices(labels.shape)
        centre_rows = np.rint(np.bincount(flat, rows.ravel()) / area).astype(np.intp)
        centre_columns = np.rint(np.bincount(flat, columns.ravel()) / area).astype(np.intp)
        keep = self.region[centre_rows, centre_columns]
        keep[0] = False
        return np.where(keep, np.cumsum(keep), 0).astype(np.int32)[labels]


def _multiple_before(position: int, step: int) -> int:
    """Return the last multiple of `step` up to a position, at least 0."""
    return max(0, position // step * step)
