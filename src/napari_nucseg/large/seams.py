"""A measure of the seams between blocks: whether labels continue across them as elsewhere."""

from dataclasses import asdict, dataclass

import numpy as np

from napari_nucseg._types import AnyArray, Window

LINES = 16
"""Lines within a block, along each axis, that its seams are compared with."""


@dataclass(frozen=True)
class SeamCounts:
    """How labels continue across lines: seams, and for comparison lines within blocks.

    Where a nucleus is cut along a seam, its pixels end at the line. Elsewhere only those pixels
    do that happen to be its outline there, so both lines have the same share of them.

    Attributes
    ----------
    seam_pixels, seam_ends : int
        Pairs of pixels on both sides of a seam of which one at least is nucleus; those of them with
        different labels.
    inside_pixels, inside_ends : int
        The same at lines within blocks.
    """

    seam_pixels: int = 0
    seam_ends: int = 0
    inside_pixels: int = 0
    inside_ends: int = 0

    @classmethod
    def of(cls, canvas: AnyArray, window: Window, inner: Window) -> "SeamCounts":
        """Count at the upper and left edge of a block, and at lines within it.

        Parameters
        ----------
        canvas : array (Y, X)
            Labels of `window`.
        window : tuple of slice
            `inner` and one pixel above and to the left of it, unless the image ends there.
        inner : tuple of slice
        """
        seam, inside = np.zeros(2, int), np.zeros(2, int)
        for lines, part, seen in zip((canvas, canvas.T), inner, window, strict=True):
            if seen.start < part.start:
                seam += _ends(lines[0], lines[1])
            step = max(1, len(lines) // (LINES + 1))
            for i in range(step, len(lines), step):
                if i + seen.start != part.start:
                    inside += _ends(lines[i - 1], lines[i])
        return cls(*map(int, (*seam, *inside)))

    def __add__(self, other: "SeamCounts") -> "SeamCounts":
        return SeamCounts(
            *(a + b for a, b in zip(asdict(self).values(), asdict(other).values(), strict=True))
        )

    def to_json(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)

    @property
    def at_seams(self) -> float:
        """Share of nucleus pixels at seams that end there."""
        return self.seam_ends / max(1, self.seam_pixels)

    @property
    def inside(self) -> float:
        """Share of nucleus pixels at lines within blocks that end there."""
        return self.inside_ends / max(1, self.inside_pixels)


def _ends(before: AnyArray, after: AnyArray) -> tuple[int, int]:
    """Return how many pairs have a nucleus, and how many of them different labels."""
    some = (before > 0) | (after > 0)
    return int(some.sum()), int((some & (before != after)).sum())
