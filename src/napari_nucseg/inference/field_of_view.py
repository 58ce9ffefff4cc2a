"""The parts of an image that are looked at: all of it, or a region and what surrounds it."""

import math
from dataclasses import dataclass

import numpy as np

from napari_nucseg._types import AnyArray, LabelArray, Window
from napari_nucseg.errors import InputError
from napari_nucseg.inference.job import SegmentJob
from napari_nucseg.preprocessing.blocks import BlockGrid, size, within
from napari_nucseg.preprocessing.tiling import grain

LARGEST = 2**24
"""Network pixels that are looked at at once: what is computed from their maps takes about 0.8 GB,
whatever the size of the plane, and however much it is enlarged."""

MARGIN = 1.5
"""How far a block looks into its neighbours beyond the halo, in diameters: of a nucleus whose
centre lies at the edge of a block, so much is seen."""

TOLERANCE = 0.5
"""How far outside of a block, in diameters, it keeps nuclei: neighbours may see a centre at
slightly different places. What both then have is settled later."""


@dataclass(frozen=True)
class FieldOfView:
    """The part of every plane that is looked at, or what is looked at of it at once.

    Attributes
    ----------
    window : tuple of slice (Y, X)
        What the network sees, in pixels of the plane.
    inner : tuple of slice (Y, X)
        Within the window: where the centre of a nucleus must lie. The inner windows of the parts of
        a field of view cover it once.
    region : array (Y, X), bool, or None
        Within the window: where it must lie, too; None is everywhere.
    """

    window: Window
    inner: Window
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
            window = (slice(0, height), slice(0, width))
            return cls(window, window, None)
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
        return cls(window, within(window, window), region[window])

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the window."""
        return size(self.window)

    def parts(self, job: SegmentJob) -> "tuple[FieldOfView, ...]":
        """Return what is looked at at once: blocks, if there are more than `LARGEST` pixels."""
        if math.prod(job.prepared.network_shape(self.shape)) <= LARGEST:
            return (self,)
        grid = _lay_out(self.shape, job)
        blocks = (grid.at(index) for index in range(len(grid)))
        parts = (self._part(block.outer, block.inner) for block in blocks)
        return tuple(part for part in parts if part.region is None or part.region[part.inner].any())

    def _part(self, outer: Window, inner: Window) -> "FieldOfView":
        """Return a part by windows that are counted from the corner of this one."""
        top, left = (whole.start for whole in self.window)
        rows, columns = outer
        window = (
            slice(top + rows.start, top + rows.stop),
            slice(left + columns.start, left + columns.stop),
        )
        region = None if self.region is None else self.region[outer]
        return FieldOfView(window, within(inner, outer), region)

    def keep_inside(self, labels: LabelArray, tolerance: float = 0.0) -> LabelArray:
        """Remove labels of the window whose centre lies elsewhere; renumber the rest.

        Parameters
        ----------
        labels : array (Y, X)
        tolerance : float
            How far outside of the inner window a centre may lie, in pixels.
        """
        everywhere = self.region is None and size(self.inner) == self.shape
        if everywhere or not labels.any():
            return labels
        places = np.nonzero(labels)
        numbers = labels[places]
        area = np.maximum(np.bincount(numbers), 1)
        centres = [np.bincount(numbers, along) / area for along in places]
        keep = np.arange(len(area)) > 0
        for centre, part in zip(centres, self.inner, strict=True):
            keep &= (centre >= part.start - tolerance) & (centre < part.stop + tolerance)
        if self.region is not None:
            rows, columns = (np.rint(centre).astype(np.intp) for centre in centres)
            keep &= self.region[rows, columns]
        return np.where(keep, np.cumsum(keep), 0).astype(np.int32)[labels]

    def place(self, values: AnyArray, plane: AnyArray) -> None:
        """Put what was computed for the window into a plane, as far as the inner window reaches."""
        plane[self.window][self.inner] = values[self.inner]


def overlap_needed(job: SegmentJob) -> int:
    """Return how far blocks must look into their neighbours: pixels, a multiple of the grain."""
    step = grain(job.prepared.scale)
    return math.ceil((job.halo / job.prepared.scale + MARGIN * job.diameter) / step) * step


def _lay_out(shape: tuple[int, int], job: SegmentJob) -> BlockGrid:
    """Cover a window of this shape with as few, about equally large blocks as possible."""
    step, overlap = grain(job.prepared.scale), overlap_needed(job)
    most = max(math.isqrt(LARGEST) / job.prepared.scale - 2 * overlap, overlap)
    count = math.ceil(max(shape) / most)
    block = math.ceil(max(shape) / count / step) * step
    return BlockGrid((), shape, max(block, overlap), overlap)


def _multiple_before(position: int, step: int) -> int:
    """Return the last multiple of `step` up to a position, at least 0."""
    return max(0, position // step * step)
