"""The result on disk: labels as an OME-Zarr pyramid, written window by window."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_nucseg._types import AnyArray, Window
from napari_nucseg.io.atomic import write_error
from napari_nucseg.io.lazy import LazyImage
from napari_nucseg.io.ngff import (
    RECORD,
    ZARR_FORMAT,
    Version,
    array_options,
    label_attributes,
    path_from,
)
from napari_nucseg.large.plan import Plan
from napari_nucseg.preprocessing.blocks import BlockGrid

SMALLEST = 1024
"""The pyramid ends where height and width are at most this."""

DEFAULT_VERSION: Version = "0.4"
"""Of the result for images that are no OME-Zarr: what most programs open."""


@dataclass(frozen=True)
class LabelPyramid:
    """Levels of labels, uint32 (T, Z, Y, X) without the axes that the image lacks.

    Attributes
    ----------
    path : Path
        Of the group.
    levels : tuple of zarr.Array
        Each has half the height and width of the one before, rounded up: every second pixel.
    """

    path: Path
    levels: tuple[Any, ...]

    @classmethod
    def create(cls, path: Path, plan: Plan, image: LazyImage) -> None:
        """Create empty arrays.

        Raises
        ------
        WriteError
        """
        import zarr

        version = image.version or DEFAULT_VERSION
        planes = plan.planes
        shape = planes.output_shape
        try:
            group = zarr.open_group(path, mode="a", zarr_format=ZARR_FORMAT[version])
            for level in range(count_levels(shape)):
                group.create_array(
                    str(level),
                    shape=_shape(shape, level),
                    chunks=(*(1,) * (len(shape) - 2), plan.chunk, plan.chunk),
                    dtype="uint32",
                    compressors=_compressor(version),
                    fill_value=0,
                    overwrite=False,
                    **array_options(version, planes.output_axes),
                )
        except OSError as error:
            raise write_error(path, error) from error

    @classmethod
    def open(cls, path: Path, *, mode: Literal["r", "r+"] = "r+") -> "LabelPyramid":
        """Open for reading and, unless `mode` is ``r``, writing."""
        import zarr

        group = zarr.open_group(path, mode=mode)
        names = sorted((name for name, _ in group.arrays()), key=int)
        return cls(path, tuple(group[name] for name in names))

    def write(self, level: int, plane: tuple[int, ...], window: Window, labels: AnyArray) -> None:
        """Write a window that begins at the edges of chunks.

        Raises
        ------
        WriteError
        """
        try:
            self.levels[level][(*plane, *window)] = labels
        except OSError as error:
            raise write_error(self.path, error) from error

    def windows(self, level: int, plan: Plan) -> BlockGrid:
        """Return the windows in which a level is written, which begin at the edges of chunks."""
        *stack, height, width = self.levels[level].shape
        return BlockGrid(tuple(stack), (height, width), plan.block, 0)

    def shrink(self, level: int, plane: tuple[int, ...], window: Window) -> None:
        """Write a window of a level, chunk by chunk: every second pixel of the level before."""
        array, finer = self.levels[level], self.levels[level - 1]
        step = array.chunks[-1]
        for y in range(window[0].start, window[0].stop, step):
            for x in range(window[1].start, window[1].stop, step):
                part = (
                    slice(y, min(y + step, window[0].stop)),
                    slice(x, min(x + step, window[1].stop)),
                )
                source = tuple(slice(2 * side.start, 2 * side.stop) for side in part)
                seen = np.asarray(finer[(*plane, *source)])
                self.write(level, plane, part, seen[::2, ::2])

    def describe(self, plan: Plan, image: LazyImage, target: Path, record: dict[str, Any]) -> None:
        """Write the metadata; `target` is where the group will be.

        Raises
        ------
        WriteError
        """
        import zarr

        version = image.version or DEFAULT_VERSION
        levels = [(str(level), 2**level) for level in range(len(self.levels))]
        source = None if image.path is None else path_from(target, image.path)
        attributes = label_attributes(
            version, plan.planes.output_axes, image.placement, levels, source=source
        )
        try:
            group = zarr.open_group(self.path, mode="r+")
            group.attrs.put({**attributes, RECORD: record})
        except OSError as error:
            raise write_error(self.path, error) from error


def count_levels(shape: tuple[int, ...]) -> int:
    """Return how many levels the pyramid of labels of a shape has."""
    levels = 1
    while max(_shape(shape, levels - 1)[-2:]) > SMALLEST:
        levels += 1
    return levels


def _shape(shape: tuple[int, ...], level: int) -> tuple[int, ...]:
    """Return the shape of a level."""
    return (*shape[:-2], *(-(-length // 2**level) for length in shape[-2:]))


def _compressor(version: Version) -> Any:
    """Return Zstandard, which gives the same bytes whatever the number of threads."""
    if version == "0.5":
        from zarr.codecs import ZstdCodec

        return ZstdCodec(level=3)
    from numcodecs import Zstd

    return Zstd(level=3)
