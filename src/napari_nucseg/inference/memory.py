"""The memory that an image takes at once, and what is said where it is lacking."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import DTypeLike

from napari_nucseg.errors import InputError
from napari_nucseg.inference.job import SegmentJob

_PIXEL, _HALF = 4, 2
"""Bytes of int32 and float32, and of what the network predicts."""


@contextmanager
def memory_needed(job: SegmentJob, dtype: DTypeLike, window: tuple[int, int]) -> Iterator[None]:
    """Turn the want of memory within into InputError: how much it takes, and what takes less.

    For the places only where results are allocated or a plane is read: not around callbacks, whose
    errors are their own.

    Parameters
    ----------
    job : SegmentJob
    dtype : dtype
        Of the image.
    window : tuple of int
        Height and width of what is read of a plane.
    """
    try:
        yield
    except MemoryError as error:
        size = " x ".join(str(length) for length in job.planes.output_shape)
        raise InputError(
            f"The image does not fit into memory: at once, its {size} pixels "
            f"({job.planes.output_axes}) take at least "
            f"{_gigabytes(_bytes_at_once(job, dtype, window))}; segment_large works in blocks "
            "(in the shell: segment --output NAME.ome.zarr)."
        ) from error


def _bytes_at_once(job: SegmentJob, dtype: DTypeLike, window: tuple[int, int]) -> int:
    """Return the bytes of the results, and of a window with the network's input and output.

    Not what is computed from these for a while, so that it is a lower bound.
    """
    shape = job.planes.output_shape
    results = 2 if job.params.probabilities else 1
    plane = math.prod(window) * job.planes.n_channels * np.dtype(dtype).itemsize
    network = math.prod(job.prepared.network_shape(window))
    maps = job.model.config.network.channels
    return math.prod(shape) * _PIXEL * results + plane + network * (3 * _PIXEL + maps * _HALF)


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.0f} GB" if count >= 10e9 else f"{count / 1e9:.1f} GB"
