"""When an image is segmented in blocks, onto disk, rather than at once, in memory."""

import math
from typing import Any

import numpy as np

LAZY_PLANE, LAZY_TOTAL = 64_000_000, 500_000_000
"""Pixels of a plane, and of all planes, up to which an image on disk is segmented at once."""

MEMORY_PLANE, MEMORY_TOTAL = 256_000_000, 1_000_000_000
"""The same for an image that is in memory already; its labels take four bytes per pixel."""


def reason_for_blocks(image: Any, axes: str) -> str | None:
    """Return why an image is segmented in blocks; None if it is segmented at once.

    Parameters
    ----------
    image : array
        At full resolution: numpy, or lazy (memory-mapped, dask, zarr).
    axes : str
        Its axes.
    """
    in_memory = isinstance(image, np.ndarray) and not isinstance(image, np.memmap)
    plane_limit = MEMORY_PLANE if in_memory else LAZY_PLANE
    total_limit = MEMORY_TOTAL if in_memory else LAZY_TOTAL
    sizes = {axis: int(size) for axis, size in zip(axes, image.shape, strict=True)}
    plane = sizes["Y"] * sizes["X"]
    total = plane * math.prod(size for axis, size in sizes.items() if axis in "TZ")
    where = "" if in_memory else " on disk"
    if plane > plane_limit:
        return f"a plane{where} has {_million(plane)} pixels, more than {_million(plane_limit)}"
    if total > total_limit:
        return f"its planes{where} have {_million(total)} pixels, more than {_million(total_limit)}"
    return None


def _million(pixels: int) -> str:
    """Return a number as people say it."""
    return f"{pixels / 1e6:,.0f} million" if pixels >= 1e6 else f"{pixels:,}"
