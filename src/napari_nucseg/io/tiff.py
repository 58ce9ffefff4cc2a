"""TIFF files as microscopes, Fiji and OME tools write them."""

import contextlib
import logging
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucseg._types import AnyArray
from napari_nucseg.axes import resolve_axes
from napari_nucseg.errors import InputError, ReadError
from napari_nucseg.io.missing import first_of
from napari_nucseg.io.pixel_size import read_pixel_size
from napari_nucseg.io.planar import follow_storage
from napari_nucseg.io.signature import TIFF_SIGNATURES, first_bytes

_DAMAGED = (
    OSError,
    ValueError,  # TiffFileError
    RuntimeError,  # errors of imagecodecs
    struct.error,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    EOFError,
)
"""What tifffile and imagecodecs raise on truncated or damaged files."""

_DAMAGE_MESSAGES = ("invalid page offset", "corrupted", "missing required tags")
"""What tifffile logs about damage, and then returns a part of the image."""

_ZEROED, _OUT_OF_RANGE = "Missing data are zeroed", "OME series contains index out of range"
"""What tifffile logs where planes are missing that the metadata promise, as when one file of a set
is elsewhere or an acquisition was stopped."""

_LEAST_SIZE = 0.5
"""Share of the pixels of the first image of a file that another image has; a level of a pyramid and
a thumbnail have fewer."""

_MINISWHITE, _PALETTE = 0, 3
_REFUSED = {5: "CMYK", 8: "CIELAB", 9: "ICCLAB", 10: "ITULAB"}
_ALPHA = (1, 2)


def read_tiff(
    path: Path,
) -> tuple[AnyArray, str, dict[str, float], tuple[str, ...], int | None]:
    """Read the first image of a TIFF file at full resolution.

    Parameters
    ----------
    path : Path

    Returns
    -------
    data : array
        Indexed colours become grey or RGB, bilevel pixels 0 and 255, white-is-zero is inverted.
        Values stay where a colour map is for display only: in files of ImageJ, or where it rises
        from dark to bright in one colour.
    axes : str
        Letters of TZCYXS; axes of length 1 are dropped, Y and X excepted.
    pixel_size : dict
        Micrometres by axis, where known.
    messages : tuple of str
        What the user should know: planes that are missing, further images.
    samples : int or None
        Position at which the samples of a pixel are stored; None if they are last, as in `data`.

    Raises
    ------
    ReadError
        If the file is damaged or holds no such image.
    """
    import tifffile

    try:
        with _damage_reported(path) as zeroed, tifffile.TiffFile(path) as tif:
            series = tif.series[0]
            page = series.keyframe
            _check_colours(path, page)
            data, axes = _drop_alpha(series.asarray(), series.axes, page)
            data, axes = _intensities(data, axes, page, is_imagej=bool(tif.is_imagej))
            pixel_size = read_pixel_size(tif)
            messages = (*_missing_planes(series, zeroed), *first_of(_count_images(tif)))
        data, axes, samples = _known_axes(data, axes)
    except InputError as error:
        raise ReadError(f"Cannot read {path}: {error}") from error
    except MemoryError as error:
        raise ReadError(f"Cannot read {path}: the image does not fit into memory.") from error
    except _DAMAGED as error:
        raise ReadError(
            f"Cannot read {path}: the TIFF file is damaged or incomplete ({_first_line(error)}); "
            "copy or export it again."
        ) from error
    sizes = {axis: size for axis, size in pixel_size.items() if axis in axes}
    return data, axes, sizes, messages, samples


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
        stored = tuple(sorted(self.order))
        samples = None if stored == self.order else stored.index(self.order[-1])
        axes, as_stored = follow_storage(axes, samples)
        return replace(self, axes=axes, order=stored if as_stored else self.order)


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
    try:
        with contextlib.ExitStack() as opened:
            with _damage_reported(path) as zeroed:
                tif = opened.enter_context(tifffile.TiffFile(path))
                series = tif.series[0]
            page = series.keyframe
            _check_colours(path, page)
            if int(page.photometric) in (_MINISWHITE, _PALETTE) or series.dtype.kind == "c":
                raise ReadError(
                    f"Cannot read {path} in blocks: its pixels are indices of colours, inverted or "
                    "complex; convert them to grey or RGB."
                )
            array = zarr.open(series.aszarr(level=0), mode="r")
            order, axes = _used_axes(array.shape, series.axes, page)
            pixel_size = read_pixel_size(tif)
            messages = (*_missing_planes(series, zeroed), *first_of(_count_images(tif)))
            opened.pop_all()  # the file stays open, for the array
    except InputError as error:
        raise ReadError(f"Cannot read {path}: {error}") from error
    except _DAMAGED as error:
        raise ReadError(
            f"Cannot read {path}: the TIFF file is damaged or incomplete ({_first_line(error)}); "
            "copy or export it again."
        ) from error
    sizes = {axis: size for axis, size in pixel_size.items() if axis in axes}
    return LazyTiff(array, order, axes, sizes, tif, messages)


def _used_axes(shape: tuple[int, ...], axes: str, page: Any) -> tuple[tuple[int, ...], str]:
    """Return which axes are used, in their new order, and their letters; see `_known_axes`."""
    extra = [int(sample) for sample in page.extrasamples]
    kept = [i for i, axis in enumerate(axes) if shape[i] > 1 or axis in "YX"]
    if "S" in axes and axes.index("S") in kept:
        samples = axes.index("S")
        kept.remove(samples)
        if not (shape[samples] == 2 and extra and extra[-1] in _ALPHA):  # grey with transparency
            kept.append(samples)
    letters = "".join(axes[i] for i in kept)
    if letters.endswith("S") and shape[kept[-1]] not in (3, 4):
        letters = letters[:-1] + "C"
    if "Y" not in axes or "X" not in axes:
        return tuple(kept), resolve_axes([shape[i] for i in kept])
    return tuple(kept), resolve_axes([shape[i] for i in kept], _named(letters))


class _DamageLog(logging.Handler):
    """Collects what tifffile logs, in the current thread, about damage that it works around."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.thread = threading.get_ident()
        self.messages: list[str] = []
        self.zeroed: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if record.thread != self.thread:
            return
        if any(text in message for text in _DAMAGE_MESSAGES):
            self.messages.append(message)
        elif _ZEROED in message or _OUT_OF_RANGE in message:
            self.zeroed.append(message)


@contextlib.contextmanager
def _damage_reported(path: Path) -> Iterator[list[str]]:
    """Raise ReadError where tifffile logs damage and would return a part of the image only.

    Yields what it logs about planes that it fills with zeros, which need not be damage.
    """
    handler = _DamageLog()
    logger = logging.getLogger("tifffile")
    logger.addHandler(handler)
    try:
        yield handler.zeroed
    finally:
        logger.removeHandler(handler)
    if handler.messages:
        raise ReadError(
            f"Cannot read {path}: the TIFF file is damaged or incomplete "
            f"({handler.messages[0]}); copy or export it again."
        )


def _missing_planes(series: Any, zeroed: list[str]) -> tuple[str, ...]:
    """Return a message about planes of a series that are filled with zeros."""
    missing = sum(page is None for page in series) if zeroed else 0
    if missing == 0:
        return ()
    reason = zeroed[0].partition("> ")[2].replace(_ZEROED, "").strip(" .")
    return (
        f"{missing:,} of {len(series):,} planes of the image are not stored and were taken as 0 "
        f"({reason}).",
    )


def _count_images(tif: Any) -> int:
    """Return how many images like the first a file has; levels, labels, thumbnails do not count."""
    first = tif.series[0]
    return sum(
        series.axes == first.axes
        and series.dtype == first.dtype
        and series.size >= first.size * _LEAST_SIZE
        for series in tif.series
    )


def _check_colours(path: Path, page: Any) -> None:
    """Raise ReadError for colours that are neither grey nor RGB."""
    if int(page.photometric) in _REFUSED:
        name = _REFUSED[int(page.photometric)]
        raise ReadError(
            f"Cannot read {path}: expected grey or RGB pixels, got {name}; convert it to RGB."
        )


def _drop_alpha(data: AnyArray, axes: str, page: Any) -> tuple[AnyArray, str]:
    """Drop the transparency of a grey image."""
    extra = [int(sample) for sample in page.extrasamples]
    if "S" in axes and data.shape[axes.index("S")] == 2 and extra and extra[-1] in _ALPHA:
        return data.take(0, axis=axes.index("S")), axes.replace("S", "")
    return data, axes


def _intensities(data: AnyArray, axes: str, page: Any, *, is_imagej: bool) -> tuple[AnyArray, str]:
    """Turn stored numbers into intensities where these differ."""
    if data.dtype.kind == "c":
        raise InputError("complex pixels cannot be used; save the magnitude.")
    data = data.astype(data.dtype.newbyteorder("="), copy=False)
    photometric = int(page.photometric)
    if photometric == _PALETTE and not is_imagej:
        return _apply_colormap(data, axes, page.colormap)
    if photometric == _MINISWHITE and not is_imagej and data.dtype.kind in "bu":
        data = ~data if data.dtype.kind == "b" else (2**page.bitspersample - 1) - data
    if data.dtype.kind == "b":
        data = data.astype(np.uint8) * 255
    return data, axes


def _apply_colormap(data: AnyArray, axes: str, colormap: AnyArray) -> tuple[AnyArray, str]:
    """Turn indices into grey or RGB, unless the map only shows intensities in a colour.

    `colormap` has the shape (3, entries) and 16 bits, as TIFF files store it.
    """
    data = data.astype(np.uint8) if data.dtype.kind == "b" else data  # no mask, but two indices
    colours = (colormap.T >> 8).astype(np.uint8)
    if (colours == colours[:, :1]).all():
        return colours[:, 0][data], axes
    if (np.diff(colours.astype(np.int16), axis=0) >= 0).all():  # such as black to green
        return data, axes
    return colours[data], axes + "S"


def _known_axes(data: AnyArray, axes: str) -> tuple[AnyArray, str, int | None]:
    """Drop axes of length 1, give unknown ones a known letter, move samples last.

    Returns where the samples were, too, if not last.
    """
    kept = [i for i, axis in enumerate(axes) if data.shape[i] > 1 or axis in "YX"]
    data = data.reshape([data.shape[i] for i in kept])
    axes = "".join(axes[i] for i in kept)
    if "Y" not in axes or "X" not in axes:
        return data, resolve_axes(data.shape), None
    samples = None if axes.endswith("S") or "S" not in axes else axes.index("S")
    if "S" in axes:
        data = np.moveaxis(data, axes.index("S"), -1)
        axes = axes.replace("S", "") + ("S" if data.shape[-1] in (3, 4) else "C")
    return data, resolve_axes(data.shape, _named(axes)), samples


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


def _first_line(error: BaseException) -> str:
    """Return the first line of a message, or the kind of error."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
