"""Axis strings such as ``"TZCYX"``: their checks, and the walk over the YX planes of an array.

Arrays may be numpy, dask or zarr: only ``shape`` and indexing are used.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_nucseg._types import AnyArray, Window
from napari_nucseg.errors import InputError

KNOWN_AXES = "TZCYXS"
"""Time, depth, channel, row, column, and the samples of a colour image."""

CHANNEL_AXES = "CS"
"""Axes that an image has and its labels have not."""

_SAMPLE_SIZES = (3, 4)
_GUESSES = {2: "YX", 3: "ZYX", 4: "TZYX", 5: "TZCYX"}
_COLOUR_GUESSES = {3: "YXS", 4: "ZYXS", 5: "TZYXS"}


def resolve_axes(shape: Sequence[int], axes: str | None = None, *, rgb: bool | None = None) -> str:
    """Check an axis string against a shape, or guess one.

    Parameters
    ----------
    shape : sequence of int
        Shape of the image.
    axes : str, optional
        One letter of ``TZCYXS`` per axis, in array order; lower case is accepted. Guessed if
        absent: YX, ZYX, TZYX or TZCYX by the number of axes; YXS, ZYXS or TZYXS if the last axis
        has a length of 3 or 4.
    rgb : bool, optional
        Whether the last axis holds the samples of a colour image. Used for guessing only.

    Returns
    -------
    str
        The axes in upper case.

    Raises
    ------
    InputError
        If the axes do not fit the shape, cannot be guessed, or an axis is empty.
    """
    shape = tuple(int(size) for size in shape)
    if 0 in shape:
        raise InputError(f"The image is empty: it has the shape {_text(shape)}.")
    if axes is None:
        return _guess(shape, rgb)
    axes = upper_axes(axes)
    _check(axes, shape)
    return axes


def _guess(shape: tuple[int, ...], rgb: bool | None) -> str:
    """Return the usual axes of an image with this shape."""
    has_samples = len(shape) > 2 and shape[-1] in _SAMPLE_SIZES
    if rgb and not has_samples:
        raise InputError(
            f"A colour image has 3 or 4 samples in its last axis, this one has the shape "
            f"{_text(shape)}."
        )
    guesses = _COLOUR_GUESSES if has_samples and rgb is not False else _GUESSES
    if len(shape) not in guesses:
        raise InputError(
            f"The axes of an image with {len(shape)} axes (shape {_text(shape)}) cannot be "
            f"guessed; pass them, one letter of {KNOWN_AXES} per axis, such as axes='TZYX'."
        )
    return guesses[len(shape)]


def check_axes(axes: str) -> None:
    """Raise InputError if these cannot be the axes of any image, such as SYX of a TIFF file."""
    axes = upper_axes(axes)
    _check(axes)
    _check_rows_last(axes)


def upper_axes(axes: Any) -> str:
    """Return axes without spaces in upper case; InputError if they are no string."""
    if not isinstance(axes, str):
        raise InputError(
            f"axes must be one string with a letter of {KNOWN_AXES} per axis, such as 'ZYX'; "
            f"got {axes!r}."
        )
    return axes.strip().upper()


def _check(axes: str, shape: tuple[int, ...] | None = None) -> None:
    """Raise InputError unless the axes are known, unique and fit the shape, if it is known."""
    given = f"got axes '{axes}'" + ("" if shape is None else f" for the shape {_text(shape)}")
    unknown = sorted(set(axes) - set(KNOWN_AXES))
    if unknown:
        raise InputError(
            f"Unknown axis {', '.join(unknown)}; use letters of {KNOWN_AXES}; {given}."
        )
    if len(set(axes)) != len(axes):
        raise InputError(f"Each axis may appear only once; {given}.")
    if shape is not None and len(axes) != len(shape):
        raise InputError(f"One letter per axis is needed, {len(shape)} for this image; {given}.")
    if "Y" not in axes or "X" not in axes:
        raise InputError(f"The axes Y and X must both be there; {given}.")
    # Without a shape it is of a file, which may store them plane by plane: see `io.planar`.
    fits = shape is None or (axes[-1] == "S" and shape[-1] in _SAMPLE_SIZES)
    if "S" in axes and not fits:
        raise InputError(
            f"S (samples of a colour image) must be the last axis and have a length of 3 or 4; "
            f"{given}."
        )
    if "S" in axes and "C" in axes:
        raise InputError(
            f"An image has either channels (C) or colour samples (S), not both; {given}."
        )


def _check_rows_last(axes: str) -> None:
    """Raise InputError unless Y and X are, in this order, the last axes apart from C and S."""
    if not "".join(axis for axis in axes if axis not in CHANNEL_AXES).endswith("YX"):
        stack = "".join(axis for axis in axes if axis in "TZC")
        wanted = f"{stack}YX" + ("S" if "S" in axes else "")
        raise InputError(
            f"Y and X must be, in this order, the last axes apart from C and S; transpose the "
            f"image from '{axes}' to '{wanted}'."
        )


@dataclass(frozen=True)
class Planes:
    """How to walk over the YX planes of an image.

    Parameters
    ----------
    axes : str
        Axes of the image, such as ``"TZCYX"``.
    shape : tuple of int
        Shape of the image.
    """

    axes: str
    shape: tuple[int, ...]

    @property
    def output_dims(self) -> tuple[int, ...]:
        """Positions in `axes` of the axes that labels keep, e.g. (0, 1, 3, 4) for TZCYX."""
        return tuple(i for i, axis in enumerate(self.axes) if axis not in CHANNEL_AXES)

    @property
    def output_axes(self) -> str:
        """Axes of the labels: those of the image without C and S; the last two are YX."""
        return "".join(self.axes[i] for i in self.output_dims)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the labels, in the order of `output_axes`."""
        return tuple(self.shape[i] for i in self.output_dims)

    @property
    def n_planes(self) -> int:
        """Number of YX planes; at least 1."""
        return math.prod(self.output_shape[:-2])

    @property
    def n_channels(self) -> int:
        """Length of C or S; 1 if the image has neither."""
        return math.prod(
            size for axis, size in zip(self.axes, self.shape, strict=True) if axis in CHANNEL_AXES
        )

    def iterate(self) -> Iterator[tuple[int, ...]]:
        """Iterate over the index of every plane, in C order; ``labels[index]`` is a YX plane."""
        return itertools.product(*(range(size) for size in self.output_shape[:-2]))

    def read(
        self,
        image: Any,
        index: tuple[int, ...],
        window: Window = (slice(None), slice(None)),
    ) -> AnyArray:
        """Read one plane or a window of it, and nothing but that from a lazy array.

        Parameters
        ----------
        image : array of shape `shape`
            numpy, dask or zarr.
        index : tuple of int
            One of those that `iterate` gives.
        window : tuple of slice (Y, X)
            All of the plane by default.

        Returns
        -------
        array of shape (Y, X, channels)
            dtype of the image; with one channel if the image has neither C nor S. A view of `image`
            where that is a numpy array.
        """
        if tuple(image.shape) != self.shape:
            raise InputError(
                f"The planes were planned for an image of the shape {_text(self.shape)}, got one "
                f"of the shape {_text(tuple(image.shape))}."
            )
        if len(index) != len(self.output_shape) - 2:
            raise InputError(
                f"An index of {len(self.output_shape) - 2} numbers is needed for a plane of "
                f"'{self.output_axes}', got {index}."
            )
        position = dict(zip(self.output_axes[:-2], index, strict=True))
        wanted = {**position, "Y": window[0], "X": window[1]}
        plane = np.asarray(image[tuple(wanted.get(axis, slice(None)) for axis in self.axes)])
        left = [axis for axis in self.axes if axis not in position]
        if len(left) == 2:
            return plane[..., np.newaxis]
        channel = next(axis for axis in left if axis in CHANNEL_AXES)
        return np.moveaxis(plane, left.index(channel), -1)


def plan_planes(shape: Sequence[int], axes: str) -> Planes:
    """Plan the walk over the YX planes of an image.

    Parameters
    ----------
    shape : sequence of int
        Shape of the image.
    axes : str
        Its axes; C may stand anywhere.

    Returns
    -------
    Planes

    Raises
    ------
    InputError
        If the axes do not fit the shape, or Y and X are not, in this order, the last two apart from
        C and S.
    """
    planes = Planes(resolve_axes(shape, axes), tuple(int(size) for size in shape))
    _check_rows_last(planes.axes)
    return planes


def _text(shape: Sequence[int]) -> str:
    """Return a shape as people write it, e.g. ``10 x 512 x 512``."""
    return " x ".join(str(size) for size in shape) or "()"
