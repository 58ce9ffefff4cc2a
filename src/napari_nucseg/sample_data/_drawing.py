"""Drawing nuclei into label and intensity arrays of axes ZYX."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_nucseg._types import FloatArray
from napari_nucseg.sample_data._nucleus import Local, Nucleus

Int32Array = npt.NDArray[np.int32]


class Region(NamedTuple):
    """The visible voxels of one nucleus; `inside` selects them in the box, as a flat list."""

    nucleus: Nucleus
    box: tuple[slice, slice, slice]
    inside: npt.NDArray[np.bool_]
    level: FloatArray
    local: Local


def _box(nucleus: Nucleus, shape: tuple[int, int, int]) -> tuple[slice, slice, slice]:
    depth = shape[0] if math.isinf(nucleus.half_depth) else nucleus.half_depth
    extents = (depth, nucleus.reach, nucleus.reach)
    z, y, x = (
        slice(max(0, math.floor(c - e)), max(0, min(size, math.ceil(c + e) + 1)))
        for c, e, size in zip(nucleus.centre, extents, shape, strict=True)
    )
    return z, y, x


def _offsets(
    nucleus: Nucleus, box: tuple[slice, slice, slice]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    grid = np.ogrid[box]
    z, y, x = np.broadcast_arrays(*(axis - c for axis, c in zip(grid, nucleus.centre, strict=True)))
    return z, y, x


def draw_labels(nuclei: Mapping[int, Nucleus], shape: tuple[int, int, int]) -> Int32Array:
    """Draw nuclei as labels.

    Parameters
    ----------
    nuclei : mapping of int to Nucleus
        By label.
    shape : tuple of int
        Z, Y, X.

    Returns
    -------
    numpy.ndarray of int32
        Axes ZYX. Voxels of two nuclei go to the one in which they lie deeper; each label is a
        single component connected by faces.
    """
    labels = np.zeros(shape, np.int32)
    best = np.full(shape, 1.0)
    for label, nucleus in nuclei.items():
        box = _box(nucleus, shape)
        level = nucleus.level(*_offsets(nucleus, box))
        wins = level < best[box]
        labels[box][wins] = label
        best[box][wins] = level[wins]
    _keep_largest_parts(labels)
    return labels


def _keep_largest_parts(labels: Int32Array) -> None:
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        mask = labels[box] == label
        parts, n_parts = ndimage.label(mask)
        if n_parts > 1:
            largest = 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
            labels[box][mask & (parts != largest)] = 0


def regions(nuclei: Mapping[int, Nucleus], labels: Int32Array) -> Iterator[Region]:
    """Yield the visible voxels of each nucleus of `labels` (axes ZYX)."""
    for label, nucleus in nuclei.items():
        box = _box(nucleus, (labels.shape[0], labels.shape[1], labels.shape[2]))
        inside = labels[box] == label
        dz, dy, dx = (offset[inside] for offset in _offsets(nucleus, box))
        yield Region(nucleus, box, inside, nucleus.level(dz, dy, dx), nucleus.local(dz, dy, dx))


def paint(
    nuclei: Mapping[int, Nucleus], labels: Int32Array, shade: Callable[[Region], FloatArray]
) -> npt.NDArray[np.float32]:
    """Fill each nucleus with the intensity `shade` gives it; zero elsewhere; axes ZYX."""
    signal = np.zeros(labels.shape, np.float32)
    for region in regions(nuclei, labels):
        signal[region.box][region.inside] = shade(region)
    return signal
