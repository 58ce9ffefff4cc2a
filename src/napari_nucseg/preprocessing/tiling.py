"""Tile geometry: pure arithmetic on one plane."""

import itertools
from dataclasses import dataclass

from napari_nucseg._types import Window

STRIDE = 32
"""Height and width of a tile are multiples of this, the network's coarsest stride."""


def grain(scale: float) -> int:
    """Return how many image pixels become `STRIDE` network pixels.

    Scales are always `STRIDE` divided by a whole number, the grain: a window that starts at a
    multiple of it is resized, and seen by the network's strides, exactly as in the whole image.

    Parameters
    ----------
    scale : float
        Network pixels per image pixel.
    """
    return max(1, round(STRIDE / scale))


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
        In pixels of the plane, `local` in pixels of the tile. The outer window starts at a multiple
        of 32, so that the network's strides fall on the same pixels in every tile as in the whole
        plane; so it may reach up to 31 pixels beyond the plane's lower and right edge.
    """

    outer: Window
    inner: Window
    local: Window


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


def plan_tiles(shape: tuple[int, int], tile: int, halo: int) -> TilePlan:
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
        `tile` is not a multiple of 32 or leaves less than 32 pixels between the halos.
    """
    if tile % STRIDE or _step(tile, halo) < STRIDE:
        raise ValueError(
            f"tile must be a multiple of {STRIDE}, at least {2 * halo + STRIDE}, got {tile}."
        )
    (height, rows), (width, columns) = (_plan_axis(length, tile, halo) for length in shape)
    tiles = tuple(
        Tile((row[0], column[0]), (row[1], column[1]), (row[2], column[2]))
        for row in rows
        for column in columns
    )
    return TilePlan((height, width), tiles)


def _plan_axis(length: int, tile: int, halo: int) -> tuple[int, list[tuple[slice, slice, slice]]]:
    """Return the tiles' length along one axis and (outer, inner, local) of each."""
    padded = _round_up(length)
    if length <= tile:
        whole = slice(0, length)
        return padded, [(slice(0, padded), whole, whole)]
    count = 1 - (tile - length) // _step(tile, halo)
    lengths = range(_round_up(2 * halo) + STRIDE, tile + 1, STRIDE)
    outer = next(n for n in lengths if n + (count - 1) * _step(n, halo) >= length)
    strides = (padded - outer) // STRIDE
    starts = [i * strides // (count - 1) * STRIDE for i in range(count)]
    inside = [(before + after + outer) // 2 for before, after in itertools.pairwise(starts)]
    edges = [0, *inside, length]  # each in the middle of where two tiles overlap
    windows = [
        (slice(first, first + outer), slice(start, stop), slice(start - first, stop - first))
        for first, start, stop in zip(starts, edges, edges[1:], strict=False)
    ]
    return outer, windows


def _step(outer: int, halo: int) -> int:
    """Return how far apart two tiles may be: whole strides, and both halos overlap."""
    return (outer - 2 * halo) // STRIDE * STRIDE


def _round_up(length: int) -> int:
    return -(-length // STRIDE) * STRIDE
