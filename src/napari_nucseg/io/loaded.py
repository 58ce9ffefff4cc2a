"""An image as it was read from a file."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_nucseg._types import AnyArray
from napari_nucseg.io.ngff import UNPLACED, Placement
from napari_nucseg.io.planar import follow_storage


@dataclass(frozen=True, eq=False)
class LoadedImage:
    """An image in memory, or one of OME-Zarr that is read as far as it is indexed.

    Parameters
    ----------
    data : array
        Pixels in the order of `axes`, dtype as stored; of OME-Zarr an `io.lazy.LazyArray`.
    axes : str
        Letters of TZCYXS.
    pixel_size : dict
        Micrometres by axis, only for those that the file states.
    path : Path
        Where it was read from.
    placement : Placement
        Of OME-Zarr images, where it lies.
    messages : tuple of str
        What the user should know.
    samples : int or None
        Position at which the file stores the samples that are last in `data`, if another.
    """

    data: AnyArray
    axes: str
    pixel_size: dict[str, float]
    path: Path
    placement: Placement = UNPLACED
    messages: tuple[str, ...] = ()
    samples: int | None = None

    def with_axes(self, axes: str) -> "LoadedImage":
        """Return the same with axes that the user states, see `io.planar.follow_storage`."""
        axes, as_stored = follow_storage(axes, self.samples)
        if not as_stored or self.samples is None:
            return replace(self, axes=axes)
        return replace(self, data=np.moveaxis(self.data, -1, self.samples), axes=axes, samples=None)

    def resized(self, pixel_size: Mapping[str, float]) -> "LoadedImage":
        """Return the same with other pixels; sizes of axes that it has not are left out.

        Raises
        ------
        InputError
            `pixel_size` maps others than Z, Y and X, or a size is not above 0.
        """
        placement = self.placement.resized(pixel_size)
        sizes = {axis: float(size) for axis, size in pixel_size.items() if axis in self.axes}
        return replace(self, pixel_size={**self.pixel_size, **sizes}, placement=placement)

    def pixels(self) -> AnyArray:
        """Return all of `data` as a numpy array, also if it is lazy."""
        return np.asarray(self.data[(slice(None),) * len(self.data.shape)])
