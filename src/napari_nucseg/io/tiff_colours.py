"""What the numbers in a TIFF file mean: intensities, or colours."""

from pathlib import Path
from typing import Any

import numpy as np

from napari_nucseg._types import AnyArray
from napari_nucseg.errors import InputError, ReadError

_MINISWHITE, _PALETTE = 0, 3
_REFUSED = {5: "CMYK", 8: "CIELAB", 9: "ICCLAB", 10: "ITULAB"}
"""Values of the tag PhotometricInterpretation."""


def check_colours(path: Path, page: Any) -> None:
    """Raise ReadError for colours that are neither grey nor RGB."""
    if int(page.photometric) in _REFUSED:
        name = _REFUSED[int(page.photometric)]
        raise ReadError(
            f"Cannot read {path}: expected grey or RGB pixels, got {name}; convert it to RGB."
        )


def need_no_change(series: Any) -> bool:
    """Tell whether the numbers of an image are intensities as they are stored."""
    photometric = int(series.keyframe.photometric)
    return photometric not in (_MINISWHITE, _PALETTE) and series.dtype.kind != "c"


def intensities(data: AnyArray, axes: str, page: Any, *, is_imagej: bool) -> tuple[AnyArray, str]:
    """Turn stored numbers into intensities where these differ; colours become a last axis S."""
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
