"""The size of a pixel, in micrometres: of metadata, and as callers and users give it."""

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

from napari_nucseg.errors import InputError
from napari_nucseg.params import MICROMETRE

_MICROMETRES = {
    **MICROMETRE,
    "pm": 1e-6,
    "å": 1e-4,
    "cm": 1e4,
    "m": 1e6,
    "picometer": 1e-6,
    "angstrom": 1e-4,
    "nanometer": 1e-3,  # as OME-Zarr writes them
    "millimeter": 1e3,
    "centimeter": 1e4,
    "meter": 1e6,
}
"""Micrometres per unit of TIFF or OME-Zarr metadata, in lower case."""


def micrometres(value: Any, unit: str) -> float | None:
    """Convert a length of TIFF or OME-Zarr metadata; None for what is not one."""
    factor = _MICROMETRES.get(unit.strip().replace("\\u00B5", "µ").lower())
    if value is None or factor is None:
        return None
    try:
        return float(value) * factor
    except ValueError:
        return None


IN_PLANE = "YX"
"""What a single number is for: the step from plane to plane is rarely the same."""


def parse_pixel_size(text: str | None) -> dict[str, float] | None:
    """Turn ``0.32`` or ``Z=2,Y=0.32,X=0.32`` into micrometres by axis; None if it was not given.

    Raises
    ------
    InputError
        It is neither, or a size is not above 0.
    """
    if text is None:
        return None
    parts = [part.strip().rpartition("=") for part in text.split(",")]
    try:
        if len(parts) == 1 and not parts[0][1]:
            sizes = dict.fromkeys(IN_PLANE, float(text))
        else:
            sizes = {axis.strip(): float(size) for axis, _, size in parts}
    except ValueError as error:
        raise _not_understood(text) from error
    if not set(sizes) <= set("ZYX") or len(sizes) < len(parts):
        raise _not_understood(text)
    check_pixel_size(sizes)
    return sizes


def _not_understood(text: str) -> InputError:
    return InputError(
        "Pixel size must be micrometres per pixel: one number for Y and X, such as 0.32, or one "
        f"for each axis, such as Z=2,Y=0.32,X=0.32; got '{text}'."
    )


def check_pixel_size(pixel_size: Any) -> None:
    """Raise InputError unless this maps some of Z, Y and X to micrometres.

    An axis that is not understood would be taken for one without a size, without a word.
    """
    fits = isinstance(pixel_size, Mapping) and all(
        axis in ("Z", "Y", "X") and isinstance(size, Real) for axis, size in pixel_size.items()
    )
    if not fits:
        raise InputError(
            "pixel_size must map some of the axes Z, Y and X to micrometres per pixel, such as "
            f"{{'Y': 0.32, 'X': 0.32}}; got {pixel_size!r}."
        )
    for axis, size in pixel_size.items():
        if not 0 < float(size) < math.inf:
            raise InputError(
                f"The pixel size in {axis} must be a number of micrometres above 0, got "
                f"{float(size):g}."
            )
