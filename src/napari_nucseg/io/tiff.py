"""TIFF files as microscopes, Fiji and OME tools write them."""

import contextlib
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari_nucseg._types import AnyArray
from napari_nucseg.axes import resolve_axes
from napari_nucseg.errors import InputError, ReadError
from napari_nucseg.io.loaded import LoadedImage
from napari_nucseg.io.missing import first_of
from napari_nucseg.io.planar import follow_storage
from napari_nucseg.io.signature import TIFF_SIGNATURES, first_bytes
from napari_nucseg.io.tiff_colours import check_colours, intensities, need_no_change
from napari_nucseg.io.tiff_damage import damage_explained, damage_reported, missing_planes
from napari_nucseg.io.tiff_pixel_size import read_pixel_size

_LEAST_SIZE = 0.5
"""Share of the pixels of the first image of a file that another image has; a level of a pyramid and
a thumbnail have fewer."""

_ALPHA = (1, 2)
"""Values of the tag ExtraSamples that mean transparency."""


def read_tiff(path: Path) -> LoadedImage:
    """Read the first image of a TIFF file at full resolution.

    Parameters
    ----------
    path : Path

    Returns
    -------
    LoadedImage
        Indexed colours become grey or RGB, bilevel pixels 0 and 255, white-is-zero is inverted.
        Values stay where a colour map is for display only: in files of ImageJ, or where it rises
        from dark to bright in one colour. Axes of length 1 are dropped, Y and X excepted.

    Raises
    ------
    ReadError
        If the file is damaged or holds no such image.
    """
    import tifffile

    with damage_explained(path):
        with damage_reported(path) as zeroed, tifffile.TiffFile(path) as tif:
            series = tif.series[0]
            check_colours(path, series.keyframe)
            data = series.asarray()
            order, axes = _used_axes(data.shape, series.axes, series.keyframe)
            data = _take_axes(data, order)
            data, axes = intensities(data, axes, series.keyframe, is_imagej=bool(tif.is_imagej))
            pixel_size = read_pixel_size(tif)
            messages = _messages(tif, zeroed)
        axes = resolve_axes(data.shape, axes)  # once more: indices may have become colours
    sizes = {axis: size for axis, size in pixel_size.items() if axis in axes}
    samples = _stored_place(order)
    return LoadedImage(data, axes, sizes, path, messages=messages, samples=samples)


@dataclass(frozen=True)
class LazyTiff:
    """A TIFF file whose pixels are read as far as they are needed.

    Attributes
    ----------
    array : zarr.Array
    order : tuple of int
        Axes of `array` that are used, in the order of `axes`; of the others, the first entry.
    axes : str
        Letters of TZCYXS.
    pixel_size : dict
        Micrometres by axis, where known.
    file : tifffile.TiffFile
        To be closed when nothing is read any more.
    messages : tuple of str
        What the user should know: planes that are missing, further images.
    """

    array: Any
    order: tuple[int, ...]
    axes: str
    pixel_size: dict[str, float]
    file: Any
    messages: tuple[str, ...] = ()

    def with_axes(self, axes: str) -> "LazyTiff":
        """Return the same with axes that the user states, see `io.planar.follow_storage`."""
        axes, as_stored = follow_storage(axes, _stored_place(self.order))
        return replace(
            self, axes=axes, order=tuple(sorted(self.order)) if as_stored else self.order
        )


def open_tiff_lazily(path: Path) -> LazyTiff:
    """Open the first image of a TIFF file at full resolution without reading it.

    Parameters
    ----------
    path : Path
        Tiled or pyramidal files are read tile by tile; others strip by strip or page by page.

    Raises
    ------
    ReadError
        It is no TIFF file, is damaged, or its pixels are not intensities as they are stored.
    """
    import tifffile
    import zarr

    if not first_bytes(path, "TIFF or OME-Zarr").startswith(TIFF_SIGNATURES):
        raise ReadError(
            f"Cannot read {path} in blocks: it is no TIFF file; expected TIFF or OME-Zarr."
        )
    with damage_explained(path), contextlib.ExitStack() as opened:
        with damage_reported(path) as zeroed:
            tif = opened.enter_context(tifffile.TiffFile(path))
            series = tif.series[0]
        check_colours(path, series.keyframe)
        if not need_no_change(series):
            raise ReadError(
                f"Cannot read {path} in blocks: its pixels are indices of colours, inverted or "
                "complex; convert them to grey or RGB."
            )
        array = zarr.open(series.aszarr(level=0), mode="r")
        order, axes = _used_axes(array.shape, series.axes, series.keyframe)
        pixel_size = read_pixel_size(tif)
        messages = _messages(tif, zeroed)
        opened.pop_all()  # the file stays open, for the array
    sizes = {axis: size for axis, size in pixel_size.items() if axis in axes}
    return LazyTiff(array, order, axes, sizes, tif, messages)


def read_tiff_axes(path: Path) -> tuple[str, tuple[int, ...]]:
    """Return axes and shape of the first image of a TIFF file; its pixels are not read.

    Those of `read_tiff`, apart from indices that would become colours.

    Raises
    ------
    ReadError
        The file is damaged or its axes are not known.
    """
    import tifffile

    with damage_explained(path), damage_reported(path), tifffile.TiffFile(path) as tif:
        series = tif.series[0]
        order, axes = _used_axes(series.shape, series.axes, series.keyframe)
        return axes, tuple(series.shape[dim] for dim in order)


def tiff_size(path: Path) -> int:
    """Return how many values the first image of a TIFF file has, of all its axes.

    Raises
    ------
    ReadError
        The file is damaged.
    """
    import tifffile

    with damage_explained(path), damage_reported(path), tifffile.TiffFile(path) as tif:
        return math.prod(tif.series[0].shape)


def _used_axes(shape: tuple[int, ...], axes: str, page: Any) -> tuple[tuple[int, ...], str]:
    """Return which axes are used, in their new order, and their letters.

    Axes of length 1 are dropped, unknown ones get a known letter, samples come last; of a grey
    image with transparency, its first sample is used.
    """
    extra = [int(sample) for sample in page.extrasamples]
    kept = [i for i, axis in enumerate(axes) if shape[i] > 1 or axis in "YX"]
    if "S" in axes and axes.index("S") in kept:
        samples = axes.index("S")
        kept.remove(samples)
        if not (shape[samples] == 2 and extra and extra[-1] in _ALPHA):
            kept.append(samples)
    letters = "".join(axes[i] for i in kept)
    if letters.endswith("S") and shape[kept[-1]] not in (3, 4):
        letters = letters[:-1] + "C"
    if "Y" not in axes or "X" not in axes:
        return tuple(kept), resolve_axes([shape[i] for i in kept])
    return tuple(kept), resolve_axes([shape[i] for i in kept], _named(letters))


def _take_axes(data: AnyArray, order: tuple[int, ...]) -> AnyArray:
    """Return a view with these axes in this order; of the others, the first entry."""
    view = data[tuple(slice(None) if dim in order else 0 for dim in range(data.ndim))]
    return view.transpose([sorted(order).index(dim) for dim in order])


def _stored_place(order: tuple[int, ...]) -> int | None:
    """Return the position at which samples, now last, are stored; None if they are last there."""
    stored = sorted(order)
    return None if stored == list(order) else stored.index(order[-1])


def _messages(tif: Any, zeroed: list[str]) -> tuple[str, ...]:
    """Say which planes of the first image are missing, and how many images are left out."""
    return (*missing_planes(tif.series[0], zeroed), *first_of(_count_images(tif)))


def _count_images(tif: Any) -> int:
    """Return how many images like the first a file has; levels, labels, thumbnails do not count."""
    first = tif.series[0]
    return sum(
        series.axes == first.axes
        and series.dtype == first.dtype
        and series.size >= first.size * _LEAST_SIZE
        for series in tif.series
    )


def _named(axes: str) -> str:
    """Replace unknown letters by free ones as `resolve_axes` guesses them: Z, TZ or TZC."""
    unknown = [i for i, axis in enumerate(axes) if axis not in "TZCYXS"]
    free = [axis for axis in "ZTC" if axis not in axes]
    if len(unknown) > len(free):
        raise InputError(f"the meaning of its axes '{axes}' is not known.")
    letters = sorted(free[: len(unknown)], key="TZC".index)
    for i, letter in zip(unknown, letters, strict=True):
        axes = axes[:i] + letter + axes[i + 1 :]
    return axes
