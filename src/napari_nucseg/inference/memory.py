"""The memory that an image takes at once, and what is said where it is lacking."""

import math
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import DTypeLike

from napari_nucseg._opencv import cv2
from napari_nucseg.errors import InputError
from napari_nucseg.inference.field_of_view import LARGEST, FieldOfView
from napari_nucseg.inference.job import SegmentJob

_PIXEL, _HALF = 4, 2
"""Bytes of int32 and float32, and of what the network predicts."""


@contextmanager
def memory_needed(
    job: SegmentJob,
    dtype: DTypeLike,
    window: tuple[int, int],
    raised: Collection[Exception] = (),
) -> Iterator[None]:
    """Turn the want of memory within into InputError: how much it takes, and what takes less.

    Parameters
    ----------
    job : SegmentJob
    dtype : dtype
        Of the image.
    window : tuple of int
        Height and width of what is looked at of a plane.
    raised : collection of Exception
        What the caller's own functions raised within, see `callbacks.noting`: it stays as it is.
    """

    def describe() -> str:
        size = " x ".join(str(length) for length in job.planes.output_shape)
        return (
            f": at once, its {size} pixels ({job.planes.output_axes}) take at least "
            f"{_amount(_bytes_at_once(job, dtype, window))}"
        )

    with _memory(describe, raised):
        yield


@contextmanager
def memory_to_begin(raised: Collection[Exception] = ()) -> Iterator[None]:
    """Do the same while the image is only measured, before it is known how much it will take."""
    with _memory(lambda: "", raised):
        yield


@contextmanager
def _memory(describe: Callable[[], str], raised: Collection[Exception]) -> Iterator[None]:
    try:
        yield
    except (MemoryError, cv2.error) as error:
        if error in raised or not _is_want_of_memory(error):
            raise
        raise InputError(
            f"The image does not fit into memory{describe()}; segment_large works in blocks (in "
            "the shell: segment --output NAME.ome.zarr)."
        ) from error


def _is_want_of_memory(error: Exception) -> bool:
    """Tell whether memory was lacking, for which OpenCV has an error of its own."""
    return isinstance(error, MemoryError) or getattr(error, "code", None) == cv2.Error.StsNoMem


def bytes_to_keep(job: SegmentJob, field_of_view: FieldOfView) -> int:
    """Return the bytes of the maps of all planes, and of the outlines if they are linked."""
    parts = field_of_view.parts(job)
    network = sum(math.prod(job.prepared.network_shape(part.shape)) for part in parts)
    maps = network * job.model.config.network.channels * _HALF * job.planes.n_planes
    linked = job.params.link_depth or job.params.link_time
    return maps + math.prod(job.planes.output_shape) * _PIXEL * linked


def _bytes_at_once(job: SegmentJob, dtype: DTypeLike, window: tuple[int, int]) -> int:
    """Return the bytes of the results, and of a window with the network's input and output.

    Not what is computed from these for a while, so that it is a lower bound.
    """
    shape = job.planes.output_shape
    results = 2 if job.params.probabilities else 1
    plane = math.prod(window) * job.planes.n_channels * np.dtype(dtype).itemsize
    network = min(math.prod(job.prepared.network_shape(window)), LARGEST)
    maps = job.model.config.network.channels
    return math.prod(shape) * _PIXEL * results + plane + network * (3 * _PIXEL + maps * _HALF)


def _amount(count: int) -> str:
    if count < 100e6:
        return f"{count / 1e6:.1f} MB"
    return f"{count / 1e9:,.0f} GB" if count >= 10e9 else f"{count / 1e9:.1f} GB"
