"""Labels as they were: kept small, and recognised again."""

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from napari_nucseg._types import AnyArray, LabelArray
from napari_nucseg.correction.planes import plane_indices

MAX_RAW = 256_000_000
"""Bytes up to which labels are kept as they are."""


def fingerprint(data: AnyArray) -> str:
    """Return a hash of an array's shape, dtype and content."""
    indices = plane_indices(data.shape) if data.ndim > 2 else [()]
    # One by one: no copy of an array that is not contiguous.
    return _fingerprint(data.shape, data.dtype, (data[index] for index in indices))


def _fingerprint(shape: tuple[int, ...], dtype: np.dtype, planes: Iterable[AnyArray]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for plane in planes:
        digest.update(np.ascontiguousarray(plane).view(np.uint8).reshape(-1).data)
    return f"{shape} {dtype} {digest.hexdigest()}"


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A copy of labels, plane by plane, compressed where it would be large.

    Attributes
    ----------
    shape, dtype
        Of the labels.
    fingerprint : str
    top : int
        Largest id.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[np.integer]
    fingerprint: str
    top: int
    _planes: tuple[AnyArray | bytes, ...]

    @classmethod
    def of(cls, labels: LabelArray, max_raw: int = MAX_RAW) -> "Snapshot":
        """Copy labels; up to `max_raw` bytes as they are."""
        compressed = labels.nbytes > max_raw
        planes: list[AnyArray | bytes] = []
        for index in plane_indices(labels.shape):
            plane = np.array(labels[index], order="C")
            planes.append(zlib.compress(plane.tobytes(), 1) if compressed else plane)
        made = cls(labels.shape, labels.dtype, "", 0, tuple(planes))
        tops = [int(plane.max()) for plane in made.planes()]
        content = _fingerprint(labels.shape, labels.dtype, made.planes())
        return cls(labels.shape, labels.dtype, content, max(tops, default=0), made._planes)

    @property
    def nbytes(self) -> int:
        """Memory that the copy takes."""
        return sum(len(p) if isinstance(p, bytes) else p.nbytes for p in self._planes)

    def planes(self) -> Iterator[LabelArray]:
        """Return the planes (Y, X) in order; not to be written to."""
        for plane in self._planes:
            if isinstance(plane, bytes):
                plane = np.frombuffer(zlib.decompress(plane), self.dtype).reshape(self.shape[-2:])
            yield plane

    def array(self) -> LabelArray:
        """Return the labels as a new array."""
        return np.stack(list(self.planes())).reshape(self.shape)
