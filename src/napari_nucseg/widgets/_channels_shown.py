"""Which channel of an OME-Zarr a layer shows: readers make a layer of each."""

from typing import Any

import numpy as np

from napari_nucseg._types import AnyArray
from napari_nucseg.errors import NucsegError
from napari_nucseg.io.lazy import LazyArray, LazyImage, open_lazily

SIZE = 64
"""Height and width of the windows that are compared; the last ones reach to the edge."""

PLACES = (0.5, 0.25, 0.75, 0.0, 1.0)
"""Where they lie along Y and X; the next one counts where the ones before are all alike."""


def channels_shown(path: str, shown: Any) -> tuple[int, ...] | None:
    """Tell which channel of an image is the one whose pixels these are.

    Parameters
    ----------
    path : str
        OME-Zarr.
    shown : array (..., Y, X)
        Of a layer, without the axis C.

    Returns
    -------
    tuple of int or None
        The channel from 0; empty if the image has but one; None if it cannot be told.
    """
    try:
        image = open_lazily(path, rgb=False)
        count = image.array.shape[image.axes.index("C")] if "C" in image.axes else 1
        return () if count == 1 else _compare(image, LazyArray(shown, path), count)
    except NucsegError:  # the command will say what is wrong with the file
        return None


def axes_to_state(path: str) -> str | None:
    """Return the axes that make channels of what the file states to be colours; else None."""
    if "S" not in open_lazily(path).axes:
        return None
    return open_lazily(path, rgb=False).axes


def _compare(image: LazyImage, shown: Any, count: int) -> tuple[int, ...] | None:
    """Compare small windows of the middle plane until one channel is left."""
    sizes = dict(zip(image.axes, image.array.shape, strict=True))
    stack = [axis for axis in image.axes if axis not in "CYX"]
    lengths = [sizes[axis] for axis in stack]
    if _long(lengths) != _long(shown.shape[:-2]) or shown.shape[-2:] != (sizes["Y"], sizes["X"]):
        return None
    position = {axis: length // 2 for axis, length in zip(stack, lengths, strict=True)}
    middle = tuple(length // 2 for length in shown.shape[:-2])
    left = list(range(count))
    for place in PLACES:
        window = {axis: _window(sizes[axis], place) for axis in "YX"}
        seen = np.asarray(shown[(*middle, window["Y"], window["X"])])

        def read(channel: int, window: dict[str, slice] = window) -> AnyArray:
            parts: dict[str, int | slice] = {**position, "C": channel, **window}
            return np.asarray(image.array[tuple(parts[axis] for axis in image.axes)])

        left = [channel for channel in left if np.array_equal(read(channel), seen)]
        if len(left) < 2:
            break
    return (left[0],) if len(left) == 1 else None


def _long(lengths: Any) -> list[int]:
    """Return the lengths above 1: readers may drop the other axes."""
    return [int(length) for length in lengths if length > 1]


def _window(length: int, place: float) -> slice:
    # From a multiple of its size, as chunks are: one chunk is read, not the four around a corner.
    start = int(max(0, length - SIZE) * place) // SIZE * SIZE
    return slice(start, length if place == 1 else start + SIZE)
