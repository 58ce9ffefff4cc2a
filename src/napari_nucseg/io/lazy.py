"""Images that are read window by window: OME-Zarr, plain zarr arrays, tiled TIFF, arrays."""

import itertools
import os
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucseg._types import AnyArray
from napari_nucseg.axes import resolve_axes
from napari_nucseg.errors import InputError, ReadError, first_line
from napari_nucseg.io.arrays import checked_array
from napari_nucseg.io.missing import first_of, missing_chunks
from napari_nucseg.io.ngff import (
    MICROMETER,
    UNPLACED,
    Placement,
    Version,
    is_colour,
    ngff_content,
    ngff_version,
    read_multiscale,
    read_placement,
)
from napari_nucseg.io.plate import CONVERTED
from napari_nucseg.io.tiff import open_tiff_lazily

DAMAGED = (
    OSError,
    ValueError,  # of codecs and buffers of another size, JSON
    RuntimeError,  # of imagecodecs and blosc
    KeyError,
    TypeError,
    EOFError,
    zlib.error,
)
"""What zarr and its codecs raise for damaged metadata and chunks."""


class LazyArray:
    """An array whose axes are reordered, and some left out, while it is read.

    Parameters
    ----------
    array : array
        Anything with shape, dtype and indexing by slices.
    order : tuple of int, optional
        Axes of `array` that remain, in their new order. Of the others the first entry is taken.
    place : str
        For messages.
    """

    def __init__(self, array: Any, place: str, order: tuple[int, ...] | None = None) -> None:
        self._array = array
        self._place = place
        self._order = tuple(range(len(array.shape))) if order is None else order
        self.shape = tuple(int(array.shape[dim]) for dim in self._order)
        self.dtype = np.dtype(array.dtype)
        self.ndim = len(self.shape)

    def __getitem__(self, key: Any) -> AnyArray:
        """Read a part; `key` has an int or a slice for each axis.

        Raises
        ------
        ReadError
            What is stored there is damaged.
        """
        wanted: list[int | slice] = [0] * len(self._array.shape)
        for dim, part in zip(self._order, key, strict=True):
            wanted[dim] = part
        try:
            read = np.asarray(self._array[tuple(wanted)])
        except DAMAGED as error:
            raise ReadError(
                f"Cannot read {self._place}: a chunk is damaged ({first_line(error)})."
            ) from error
        left = [dim for dim, part in enumerate(wanted) if isinstance(part, slice)]
        kept = [dim for dim, part in zip(self._order, key, strict=True) if isinstance(part, slice)]
        return read.transpose([left.index(dim) for dim in kept])


@dataclass(frozen=True, eq=False)
class LazyImage:
    """An image that is read as far as it is needed.

    Attributes
    ----------
    array : array
        With `shape`, `dtype` and indexing by one int or slice per axis.
    axes : str
        Letters of TZCYXS.
    placement : Placement
    version : {'0.4', '0.5'} or None
        Of OME-Zarr, if it is one.
    path : str or None
        Absolute path or address; None for an array in memory.
    messages : tuple of str
        What the user should know.
    file : tifffile.TiffFile or None
        Stays open while pixels are read, see `close`.
    """

    array: Any
    axes: str
    placement: Placement = UNPLACED
    version: Version | None = None
    path: str | None = None
    messages: tuple[str, ...] = ()
    file: Any = None

    def close(self) -> None:
        """Close the file, if one is open; nothing can be read any more."""
        if self.file is not None:
            self.file.close()


def open_lazily(source: Any, axes: str | None = None, *, rgb: bool | None = None) -> LazyImage:
    """Open an image without reading its pixels.

    Parameters
    ----------
    source : str, Path, array or LazyImage
        OME-Zarr (0.4, 0.5; the first image at full resolution), a zarr array, a TIFF file, an
        address that zarr opens; a numpy, dask or zarr array; or what was opened already.
    axes : str, optional
        Instead of what the file states; guessed for plain arrays, see `axes.resolve_axes`.
    rgb : bool, optional
        Whether three channels are colours. By default as the file states.

    Raises
    ------
    ReadError
        It is missing, damaged, or its metadata contradict its pixels.
    InputError
        The axes do not fit, or it is no array that can be used.
    """
    if isinstance(source, LazyImage):
        return _checked(source)
    if not isinstance(source, str | os.PathLike):
        array = checked_array(source)
        return _checked(LazyImage(array, resolve_axes(array.shape, axes, rgb=rgb)))
    place = os.fspath(source)
    if "://" not in place:
        place = os.path.abspath(os.path.expanduser(place))
        if not os.path.exists(place):
            raise ReadError(f"Cannot read {place}: there is no such file or folder.")
        if os.path.isfile(place):
            return _checked(_open_tiff(place, axes))
    return _checked(_open_zarr(place, axes, rgb))


def _checked(image: LazyImage) -> LazyImage:
    if 0 in image.array.shape:
        raise InputError(f"The image is empty: it has the shape {tuple(image.array.shape)}.")
    return image


def _open_tiff(place: str, axes: str | None) -> LazyImage:
    opened = open_tiff_lazily(Path(place))
    units = dict.fromkeys(opened.pixel_size, MICROMETER)
    placement = Placement(opened.pixel_size, {}, units)
    try:
        if axes:
            opened = opened.with_axes(axes)
        array = LazyArray(opened.array, place, opened.order)
        found = resolve_axes(array.shape, opened.axes)
    except InputError:
        opened.file.close()
        raise
    return LazyImage(
        array, found, placement, path=place, messages=opened.messages, file=opened.file
    )


def _open_zarr(place: str, axes: str | None, rgb: bool | None) -> LazyImage:
    import zarr

    try:
        node = zarr.open(place, mode="r")
        attributes = node.attrs.asdict()
    except ImportError as error:
        raise ReadError(f"Cannot read {place}: {error}.") from error
    except DAMAGED as error:
        raise ReadError(
            f"Cannot read {place}: it is no zarr array or group, or its metadata are damaged "
            f"({first_line(error)})."
        ) from error
    if isinstance(node, zarr.Array):
        array = LazyArray(node, place)
        found = resolve_axes(array.shape, axes, rgb=rgb)
        return LazyImage(array, found, path=place, messages=missing_chunks(node))
    if CONVERTED in ngff_content(attributes) and "0" in node:
        first = _open_zarr(f"{place}/0", axes, rgb)
        count = next(n for n in itertools.count(1) if str(n) not in node)
        return replace(first, messages=(*first_of(count), *first.messages))
    return _open_multiscale(node, attributes, place, axes, rgb)


def _open_multiscale(
    group: Any, attributes: dict[str, Any], place: str, axes: str | None, rgb: bool | None
) -> LazyImage:
    import zarr

    multiscale = read_multiscale(attributes, place)
    path = multiscale.datasets[0].path
    try:
        node = group[path]
    except DAMAGED as error:
        raise ReadError(
            f"Cannot read {place}: its metadata name the array '{path}', which is not there."
        ) from error
    if not isinstance(node, zarr.Array):
        raise ReadError(f"Cannot read {place}: '{path}' is a group, expected an array.")
    letters = "".join(axis.letter for axis in multiscale.axes)
    try:
        found = resolve_axes(node.shape, axes or letters)
    except InputError as error:
        raise ReadError(f"Cannot read {place}: its axes contradict its pixels. {error}") from error
    order = None
    if rgb or (rgb is None and axes is None and is_colour(attributes)):
        order, found = _samples_last(node.shape, found)
    return LazyImage(
        LazyArray(node, place, order),
        found,
        read_placement(multiscale, place),
        ngff_version(attributes),
        place,
        missing_chunks(node),
    )


def _samples_last(shape: tuple[int, ...], axes: str) -> tuple[tuple[int, ...] | None, str]:
    """Return the order of axes that makes three channels the samples of a colour image."""
    if "C" not in axes or shape[axes.index("C")] not in (3, 4):
        return None, axes
    order = [dim for dim, axis in enumerate(axes) if axis != "C"]
    return (*order, axes.index("C")), axes.replace("C", "") + "S"
