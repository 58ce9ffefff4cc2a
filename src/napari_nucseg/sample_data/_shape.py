"""Checks of the sizes asked for, shared by all generators."""

import math

from napari_nucseg.errors import InputError


def check_shape(shape: tuple[int, ...], axes: str) -> None:
    """Raise InputError unless `shape` has one positive size per letter of `axes`."""
    if len(shape) != len(axes) or min(shape) < 1:
        raise InputError(
            f"The shape of the sample is not valid: expected {len(axes)} positive sizes ({axes}), "
            f"received {shape}."
        )


def check_diameter(diameter: float) -> None:
    """Raise InputError unless `diameter`, in pixels, is at least 4."""
    if not (math.isfinite(diameter) and diameter >= 4):
        raise InputError(
            f"The diameter of the nuclei is not valid: expected 4 pixels or more, "
            f"received {diameter}."
        )


def nuclei_count(n_nuclei: int | None, size: float, nucleus_size: float, coverage: float) -> int:
    """Return `n_nuclei`, or the number of nuclei that fill the share `coverage` of `size`."""
    if n_nuclei is None:
        return max(1, round(coverage * size / nucleus_size))
    if n_nuclei < 1:
        raise InputError(
            f"The number of nuclei is not valid: expected 1 or more, received {n_nuclei}."
        )
    return n_nuclei


def check_share(name: str, value: float) -> None:
    """Raise InputError unless `value` of the parameter `name` lies between 0 and 1."""
    if not 0 <= value <= 1:
        raise InputError(f"{name} is not valid: expected a share of 0 to 1, received {value}.")


def check_positive(name: str, value: float) -> None:
    """Raise InputError unless `value` of the parameter `name` is finite and above 0."""
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"{name} is not valid: expected a number above 0, received {value}.")
