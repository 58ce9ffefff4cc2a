"""The memory that an image takes at once, and what is said where it is lacking."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import DTypeLike

from napari_nucseg._opencv import cv2
from napari_nucseg.errors import InputError
from napari_nucseg.inference.job import SegmentJob

_PIXEL, _HALF = 4, 2
"""Bytes of int32 and float32, and of what the network predicts."""


def bytes_at_once(job: SegmentJob, dtype: DTypeLike) -> int:
    """Return the bytes of the results, and of a plane with the network's input and output.

    Not what is computed from these for a while, so that it is a lower bound.

    Parameters
    ----------
    job : SegmentJob
    dtype : dtype
        Of the image.
    """
    shape = job.planes.output_shape
    results = 2 if job.params.probabilities else 1
    plane = math.prod(shape[-2:]) * job.planes.n_channels * np.dtype(dtype).itemsize
    network = math.prod(job.prepared.network_shape(shape[-2:]))
    maps = job.model.config.network.channels
    return math.prod(shape) * _PIXEL * results + plane + network * (3 * _PIXEL + maps * _HALF)


@contextmanager
def memory_needed(job: SegmentJob, dtype: DTypeLike) -> Iterator[None]:
    """Turn the want of memory within into InputError: how much it takes, and what takes less.

    For the places only where results, or a whole plane with its maps, are allocated.

    Parameters
    ----------
    job : SegmentJob
    dtype : dtype
        Of the image.
    """
    try:
        yield
    except (MemoryError, cv2.error) as error:
        if isinstance(error, cv2.error) and error.code != cv2.Error.StsNoMem:
            raise
        size = " x ".join(str(length) for length in job.planes.output_shape)
        raise InputError(
            f"The image does not fit into memory: at once, its {size} pixels "
            f"({job.planes.output_axes}) take at least {_gigabytes(bytes_at_once(job, dtype))}; "
            "use segment_large, which works in blocks (in the shell: --output NAME.ome.zarr)."
        ) from error


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.0f} GB" if count >= 10e9 else f"{count / 1e9:.1f} GB"
