"""The part of an image that a user has looked at."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from napari_nucseg._types import AnyArray, FloatArray
from napari_nucseg.correction.drawing import polygon_pixels
from napari_nucseg.correction.planes import plane_indices
from napari_nucseg.errors import InputError

Position = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Reviewed:
    """Reviewed pixels of a label array, kept as whole planes and as bits of others.

    Attributes
    ----------
    shape : tuple of int
        Of the labels.
    bits : mapping
        From the position of a plane along the leading axes to its mask, packed by
        `numpy.packbits`, or to None if all of it was reviewed.
    """

    shape: tuple[int, ...]
    bits: Mapping[Position, AnyArray | None] = field(default_factory=dict)

    @property
    def plane_shape(self) -> tuple[int, int]:
        """Y and X."""
        return self.shape[-2], self.shape[-1]

    def with_all(self) -> "Reviewed":
        """Return the whole image as reviewed."""
        return Reviewed(self.shape, dict.fromkeys(plane_indices(self.shape)))

    def with_plane(self, position: Position) -> "Reviewed":
        """Return the region with a whole plane added."""
        return Reviewed(self.shape, {**self.bits, self._checked(position): None})

    def with_polygons(self, polygons: Iterable[tuple[Position, AnyArray]]) -> "Reviewed":
        """Return the region with polygons added, each given by its plane and vertices (n, 2).

        Raises
        ------
        InputError
            None of them holds a pixel of the image.
        """
        bits = dict(self.bits)
        added = False
        for position, vertices in polygons:
            try:
                position = self._checked(position)
                window, inside = polygon_pixels(vertices, self.plane_shape)
            except InputError:
                continue  # beside the image; the others may lie on it
            mask = Reviewed(self.shape, bits).plane(position)
            mask[window] |= inside
            bits[position] = _packed(mask)
            added = True
        if not added:
            raise InputError(
                "The reviewed region is empty: draw a rectangle or a polygon on the image."
            )
        return Reviewed(self.shape, bits)

    def with_region(self, other: "Reviewed") -> "Reviewed":
        """Return this region with another one of the same labels added."""
        bits = dict(self.bits)
        for position in other.bits:
            mask = self.plane(position) | other.plane(position)
            bits[position] = _packed(mask)
        return Reviewed(self.shape, bits)

    def plane(self, position: Position) -> AnyArray:
        """Return the mask (Y, X) of a plane, bool."""
        if position not in self.bits:
            return np.zeros(self.plane_shape, bool)
        bits = self.bits[position]
        if bits is None:
            return np.ones(self.plane_shape, bool)
        size = self.plane_shape[0] * self.plane_shape[1]
        return np.unpackbits(bits, count=size).astype(bool).reshape(self.plane_shape)

    def mask(self) -> AnyArray:
        """Return the mask of the whole array, bool."""
        mask = np.zeros(self.shape, bool)
        for position in self.bits:
            mask[position] = self.plane(position)
        return mask

    @property
    def area(self) -> int:
        """Number of reviewed pixels."""
        whole = self.plane_shape[0] * self.plane_shape[1]
        ones = np.array([bin(byte).count("1") for byte in range(256)])
        areas = (whole if bits is None else int(ones[bits].sum()) for bits in self.bits.values())
        return sum(areas)

    @property
    def fraction(self) -> float:
        """Share of the whole array."""
        return self.area / float(np.prod(self.shape, dtype=float))

    def contains(self, points: FloatArray) -> AnyArray:
        """Return which points (n, ndim), in pixels, lie in the region."""
        pixels = np.rint(points).astype(int)
        result = np.zeros(len(pixels), bool)
        if not self.bits or len(pixels) == 0:
            return result
        by_plane: dict[Position, list[int]] = {}
        for row, position in enumerate(pixels[:, :-2].tolist()):
            by_plane.setdefault(tuple(position), []).append(row)
        for where in by_plane.keys() & self.bits.keys():
            here = by_plane[where]
            result[here] = self.plane(where)[tuple(pixels[here, -2:].T)]
        return result

    def _checked(self, position: Position) -> Position:
        position = tuple(int(index) for index in position)
        leading = self.shape[:-2]
        fits = len(position) == len(leading) and all(
            0 <= index < size for index, size in zip(position, leading, strict=True)
        )
        if not fits:
            raise InputError(f"There is no plane {position} in labels of shape {self.shape}.")
        return position


def pack(reviewed: Reviewed) -> dict[str, AnyArray]:
    """Return a region as arrays that can be saved."""
    leading = len(reviewed.shape) - 2
    bits = [part for part in reviewed.bits.values() if part is not None]
    size = (reviewed.plane_shape[0] * reviewed.plane_shape[1] + 7) // 8
    return {
        "positions": np.array(list(reviewed.bits), np.int64).reshape(len(reviewed.bits), leading),
        "whole": np.array([part is None for part in reviewed.bits.values()], bool),
        "bits": np.array(bits, np.uint8).reshape(len(bits), size),
    }


def unpack(shape: tuple[int, ...], arrays: Mapping[str, AnyArray]) -> Reviewed:
    """Return the region that `pack` made arrays of.

    Raises
    ------
    ValueError
        The arrays do not fit together.
    """
    parts = iter(arrays["bits"])
    bits: dict[Position, AnyArray | None] = {}
    rows = arrays["positions"].tolist()
    for position, whole in zip(rows, arrays["whole"].tolist(), strict=True):
        part = None if whole else next(parts, None)
        if not whole and part is None:
            raise ValueError("a reviewed plane has no mask")
        bits[tuple(position)] = part
    return Reviewed(shape, bits)


def _packed(mask: AnyArray) -> AnyArray | None:
    """Return the bits of a plane's mask; None if all of it was reviewed."""
    return None if mask.all() else np.packbits(mask)
