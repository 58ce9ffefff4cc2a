"""A fingerprint of an image: whether it is the one that an unfinished run has begun with."""

import hashlib
import itertools
import os
from collections.abc import Sequence

import numpy as np

from napari_nucseg._types import CancelCheck
from napari_nucseg.axes import Planes
from napari_nucseg.errors import Cancelled, ReadError
from napari_nucseg.io.lazy import LazyImage
from napari_nucseg.large.geometry import Window

PLANES = 16
"""Planes that are looked at, evenly spread, the first and the last among them."""

SIDE, SIZE = 5, 64
"""Windows along each axis of an image of one plane, and their height and width."""

LEAST = 4
"""Windows of a plane, at least: `PLANES` times this are read of any image, at most."""


def take_fingerprint(image: LazyImage, cancelled: CancelCheck | None = None) -> tuple[str, ...]:
    """Return what can be known of an image at bounded cost.

    Parameters
    ----------
    image : LazyImage
    cancelled : callable, optional
        Asked before every window.

    Returns
    -------
    tuple of str
        Size of the file, if it is one; then hashes of small windows, evenly spread over
        the image and its planes. Empty for what cannot be read: whoever needs it will say so.

    Raises
    ------
    Cancelled
    """
    planes = Planes(image.axes, tuple(image.array.shape))
    found = [_stamp(image.path)]
    for index, window in _places(planes):
        if cancelled is not None and cancelled():
            raise Cancelled("Segmenting was cancelled.")
        try:
            pixels = np.ascontiguousarray(planes.read(image.array, index, window))
        except ReadError:
            found.append("")
        else:
            found.append(hashlib.sha256(pixels.tobytes()).hexdigest()[:16])
    return tuple(found)


def differ(first: Sequence[str], second: Sequence[str]) -> bool:
    """Tell whether fingerprints of images of one shape are those of two images."""
    return any(a != b for a, b in zip(first, second, strict=False) if a and b)


def _places(planes: Planes) -> list[tuple[tuple[int, ...], Window]]:
    """Return which windows are read: the more planes, the fewer in each, at different places."""
    rows, columns = (
        [i * max(0, length - SIZE) // (SIDE - 1) for i in range(SIDE)]
        for length in planes.output_shape[-2:]
    )
    grid = list(itertools.product(rows, columns))
    stack = planes.output_shape[:-2]
    count = min(planes.n_planes, PLANES)
    each = max(LEAST, len(grid) // count)
    places = {
        (int(plane), grid[(number + i * len(grid) // each) % len(grid)])
        for number, plane in enumerate(np.linspace(0, planes.n_planes - 1, count).round())
        for i in range(each)
    }
    return [
        (
            tuple(map(int, np.unravel_index(plane, stack))),
            (slice(row, row + SIZE), slice(column, column + SIZE)),
        )
        for plane, (row, column) in sorted(places)  # those of small planes coincide
    ]


def _stamp(path: str | None) -> str:
    """Return the size of a file; a folder has none, and a time changes with every copy."""
    if path is None or not os.path.isfile(path):
        return ""
    return f"{os.stat(path).st_size} bytes"
