"""A fingerprint of an image: whether it is the one that an unfinished run has begun with."""

import hashlib
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from napari_nucseg._types import CancelCheck, Window
from napari_nucseg.axes import Planes
from napari_nucseg.cancelling import check_cancelled
from napari_nucseg.errors import ReadError
from napari_nucseg.io.lazy import LazyImage
from napari_nucseg.io.ngff import read_multiscale
from napari_nucseg.io.plate import V3_METADATA, is_zarr, read_ome

PLANES = 16
"""Planes that are looked at, evenly spread, the first and the last among them."""

SIDE, SIZE = 5, 64
"""Windows along each axis of an image of one plane, and their height and width."""

LEAST = 4
"""Windows of a plane, at least: `PLANES` times this are read of any image, at most."""

CHUNK_FILES = 100_000
"""Chunks of a Zarr whose sizes are compared, at most."""


def take_fingerprint(image: LazyImage, cancelled: CancelCheck | None = None) -> tuple[str, ...]:
    """Return what can be known of an image at bounded cost.

    Parameters
    ----------
    image : LazyImage
    cancelled : callable, optional
        Asked before every window and chunk file.

    Returns
    -------
    tuple of str
        Size of the file, or hash of the sizes of the chunk files of a local Zarr; then hashes of
        small windows, evenly spread over the image and its planes. Empty for what cannot be read:
        whoever needs it will say so.

    Raises
    ------
    Cancelled
    """
    planes = Planes(image.axes, tuple(image.array.shape))
    found = ["" if image.path is None else _stamp(Path(image.path), cancelled)]
    for index, window in _places(planes):
        check_cancelled(cancelled)
        try:
            pixels = np.ascontiguousarray(planes.read(image.array, index, window))
        except ReadError:
            found.append("")
        else:
            found.append(hashlib.sha256(pixels.tobytes()).hexdigest()[:16])
    return tuple(found)


def differ(first: Sequence[str], second: Sequence[str]) -> bool:
    """Tell whether fingerprints of images of one shape are those of two images."""
    return any(a != b for a, b in zip(first, second, strict=False) if a and b)


def _places(planes: Planes) -> list[tuple[tuple[int, ...], Window]]:
    """Return which windows are read: the more planes, the fewer in each, at different places."""
    rows, columns = (
        [i * max(0, length - SIZE) // (SIDE - 1) for i in range(SIDE)]
        for length in planes.output_shape[-2:]
    )
    grid = list(itertools.product(rows, columns))
    stack = planes.output_shape[:-2]
    count = min(planes.n_planes, PLANES)
    each = max(LEAST, len(grid) // count)
    places = {
        (int(plane), grid[(number + i * len(grid) // each) % len(grid)])
        for number, plane in enumerate(np.linspace(0, planes.n_planes - 1, count).round())
        for i in range(each)
    }
    return [
        (
            tuple(map(int, np.unravel_index(plane, stack))),
            (slice(row, row + SIZE), slice(column, column + SIZE)),
        )
        for plane, (row, column) in sorted(places)  # those of small planes coincide
    ]


def _stamp(path: Path, cancelled: CancelCheck | None) -> str:
    """Return what the file system tells of an image but its time, which changes with every copy."""
    try:
        if path.is_file():
            return f"{path.stat().st_size} bytes"
        sizes: list[tuple[str, int]] = []
        for entry in _chunk_files(_chunk_folder(path)) if is_zarr(path) else ():
            check_cancelled(cancelled)
            if len(sizes) == CHUNK_FILES:
                return ""
            sizes.append((Path(entry.path).relative_to(path).as_posix(), entry.stat().st_size))
    except OSError:
        return ""
    return hashlib.sha256(repr(sorted(sizes)).encode()).hexdigest()[:16] if sizes else ""


def _chunk_folder(path: Path) -> Path:
    """Return the array of a local Zarr that is read."""
    try:
        return path / read_multiscale(read_ome(path), str(path)).datasets[0].path
    except ReadError:  # it is an array itself
        return path


def _chunk_files(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Return the files in the folders of an array, but for its metadata."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name == V3_METADATA:
                continue
            if entry.is_dir():
                yield from _chunk_files(Path(entry.path))
            else:
                yield entry
