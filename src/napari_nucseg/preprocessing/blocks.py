"""Block geometry: pure arithmetic on the planes of an image."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from napari_nucseg._types import Window


@dataclass(frozen=True)
class Block:
    """One block.

    ::

        +-- outer ------------+
        |  overlap            |
        |   +-- inner ----+   |     outer: what is read and what the network sees
        |   |             |   |     inner: nuclei whose centre lies here belong to the block; the
        |   +-------------+   |            inner windows of all blocks cover the image once
        +---------------------+

    Attributes
    ----------
    index : int
        Its place in the order of blocks.
    plane : tuple of int
        Index of its plane, see `axes.Planes.iterate`.
    inner, outer : tuple of slice (Y, X)
        In pixels of the plane.
    """

    index: int
    plane: tuple[int, ...]
    inner: Window
    outer: Window


@dataclass(frozen=True)
class BlockGrid:
    """Blocks of all planes of an image, in C order.

    Attributes
    ----------
    stack : tuple of int
        Lengths of the axes before Y and X.
    shape : tuple of int
        Height and width of a plane.
    block : int
        Height and width of an inner window, except at the lower and right edge.
    overlap : int
        How far an outer window reaches beyond the inner one, at most `block`; both are multiples of
        the grain, see `preprocessing.tiling.grain`.
    """

    stack: tuple[int, ...]
    shape: tuple[int, int]
    block: int
    overlap: int

    @property
    def rows(self) -> int:
        """Number of blocks along Y."""
        return -(-self.shape[0] // self.block)

    @property
    def columns(self) -> int:
        """Number of blocks along X."""
        return -(-self.shape[1] // self.block)

    def __len__(self) -> int:
        return math.prod(self.stack) * self.rows * self.columns

    def at(self, index: int) -> Block:
        """Return a block by its place in the order."""
        plane, row, column = self._place(index)
        inner = (self._inner(row, 0), self._inner(column, 1))
        outer = (self._outer(inner[0], 0), self._outer(inner[1], 1))
        position = []
        for length in reversed(self.stack):
            plane, rest = divmod(plane, length)
            position.append(rest)
        return Block(index, tuple(reversed(position)), inner, outer)

    def around(self, index: int, reach: int = 1) -> list[int]:
        """Return a block and those that are at most `reach` away in its plane, in order."""
        plane, row, column = self._place(index)
        rows = range(max(0, row - reach), min(self.rows, row + reach + 1))
        columns = range(max(0, column - reach), min(self.columns, column + reach + 1))
        first = plane * self.rows * self.columns
        return [first + r * self.columns + c for r, c in itertools.product(rows, columns)]

    def _place(self, index: int) -> tuple[int, int, int]:
        """Return number of the plane, row and column of a block."""
        plane, rest = divmod(index, self.rows * self.columns)
        return plane, *divmod(rest, self.columns)

    def _inner(self, number: int, dim: int) -> slice:
        return slice(number * self.block, min((number + 1) * self.block, self.shape[dim]))

    def _outer(self, inner: slice, dim: int) -> slice:
        return slice(
            max(0, inner.start - self.overlap), min(inner.stop + self.overlap, self.shape[dim])
        )


def common(first: Window, second: Window) -> Window | None:
    """Return what two windows have in common, None if that is nothing."""
    starts = [max(a.start, b.start) for a, b in zip(first, second, strict=True)]
    stops = [min(a.stop, b.stop) for a, b in zip(first, second, strict=True)]
    if any(start >= stop for start, stop in zip(starts, stops, strict=True)):
        return None
    return slice(starts[0], stops[0]), slice(starts[1], stops[1])


def within(window: Window, frame: Window) -> Window:
    """Return a window counted from the corner of a frame."""
    rows, columns = (
        slice(part.start - whole.start, part.stop - whole.start)
        for part, whole in zip(window, frame, strict=True)
    )
    return rows, columns


def size(window: Window) -> tuple[int, int]:
    """Return height and width of a window."""
    return window[0].stop - window[0].start, window[1].stop - window[1].start


def describe_place(plane: Sequence[int], axes: str, window: Window) -> str:
    """Return where a window lies, such as ``Z 3, Y 0-2560, X 2560-5120``.

    Parameters
    ----------
    plane : sequence of int
    axes : str
        Axes of the labels.
    window : tuple of slice
    """
    words = [f"{axis} {i}" for axis, i in zip(axes, plane, strict=False)]
    words += [f"{axis} {part.start}-{part.stop}" for axis, part in zip("YX", window, strict=True)]
    return ", ".join(words)
