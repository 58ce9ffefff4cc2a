"""Tile geometry: pure arithmetic on one plane."""

import itertools
import math
from dataclasses import dataclass

STRIDE = 32
"""Height and width of a tile are multiples of this, the network's coarsest stride."""


@dataclass(frozen=True)
class Tile:
    """One window of the network.

    ::

        +-- outer ------------+
        |  halo               |
        |   +-- inner ----+   |     outer: what the network sees
        |   |             |   |     inner: what is kept; the inner windows of all tiles
        |   +-------------+   |            cover the plane once
        |                     |     local: inner, counted from outer's corner
        +---------------------+

    Attributes
    ----------
    outer, inner, local : tuple of slice (Y, X)
        In pixels of the plane, `local` in pixels of the tile. The outer window reaches beyond the
        plane only where the plane is smaller than the tile.
    """

    outer: tuple[slice, slice]
    inner: tuple[slice, slice]
    local: tuple[slice, slice]


@dataclass(frozen=True)
class TilePlan:
    """Tiles of one plane, all of the same shape.

    Attributes
    ----------
    shape : tuple of int
        Height and width of every tile's outer window, multiples of 32.
    tiles : tuple of Tile
        In row-major order.
    """

    shape: tuple[int, int]
    tiles: tuple[Tile, ...]


def plan_tiles(shape: tuple[int, int], tile: int = 1024, halo: int = 64) -> TilePlan:
    """Cover a plane with as few, equally large tiles as possible.

    Parameters
    ----------
    shape : tuple of int
        Height and width of the plane in pixels.
    tile : int
        Largest height and width of a tile's outer window, a multiple of 32.
    halo : int
        Width of the margin whose predictions are thrown away.

    Raises
    ------
    ValueError
        `tile` is not a multiple of 32 or leaves nothing between the halos.
    """
    if tile % STRIDE or tile <= 2 * halo:
        raise ValueError(f"tile must be a multiple of {STRIDE} above {2 * halo}, got {tile}.")
    (height, rows), (width, columns) = (_plan_axis(length, tile, halo) for length in shape)
    tiles = tuple(
        Tile((row[0], column[0]), (row[1], column[1]), (row[2], column[2]))
        for row in rows
        for column in columns
    )
    return TilePlan((height, width), tiles)


def _plan_axis(length: int, tile: int, halo: int) -> tuple[int, list[tuple[slice, slice, slice]]]:
    """Return the tiles' length along one axis and (outer, inner, local) of each."""
    if length <= tile:
        outer = _round_up(length)
        whole = slice(0, length)
        return outer, [(slice(0, outer), whole, whole)]
    count = math.ceil(length / (tile - 2 * halo))
    outer = min(tile, _round_up(math.ceil(length / count) + 2 * halo))
    edges = [round(i * length / count) for i in range(count + 1)]
    windows = []
    for start, stop in itertools.pairwise(edges):
        # Centred on the inner window, moved inside the plane: context instead of padding.
        first = min(max(0, (start + stop - outer) // 2), length - outer)
        windows.append(
            (slice(first, first + outer), slice(start, stop), slice(start - first, stop - first))
        )
    return outer, windows


def _round_up(length: int) -> int:
    return -(-length // STRIDE) * STRIDE
