"""What is left out: chunks that are not stored, and all images of a file but the first."""

import asyncio
import math
from typing import Any

import numpy as np

PROBES = 100
"""Chunks that are looked at, at most: a listing of a store of terabytes takes minutes."""


def first_of(images: int) -> tuple[str, ...]:
    """Return a message if a file has so many images that others than the first are left out."""
    if images == 1:
        return ()
    return (f"The file has {images:,} images, of which the first was used.",)


def missing_chunks(array: Any) -> tuple[str, ...]:
    """Return a message if chunks are not stored, which zarr takes as empty.

    Of many chunks, a random sample is looked at.

    Parameters
    ----------
    array : zarr.Array
    """
    from zarr.core.sync import sync

    grid = [-(-n // c) for n, c in zip(array.shape, array.shards or array.chunks, strict=True)]
    total = math.prod(grid)
    chosen = range(total)
    if total > PROBES:  # evenly spread ones could all lie in one row
        chosen = np.random.default_rng(0).choice(total, PROBES, replace=False).tolist()
    places = [tuple(map(int, np.unravel_index(i, grid))) for i in chosen]

    async def look() -> list[bool]:
        keys = (array.metadata.encode_chunk_key(place) for place in places)
        return await asyncio.gather(*((array.store_path / key).exists() for key in keys))

    try:
        missing = sync(look()).count(False)
    except OSError:  # whoever reads the chunks will say so
        return ()
    if not missing:
        return ()
    looked = f"{total:,} chunks of the image"
    if total > PROBES:
        looked = f"{PROBES} chunks of the image that were looked at, of {total:,},"
    return (f"{missing:,} of {looked} are not stored and were taken as {array.fill_value}.",)
