"""Planes of an array of any dimension, and windows in them."""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

from napari_nucseg._types import AnyArray, LabelArray
from napari_nucseg.errors import InputError

Plane: TypeAlias = tuple[int | None, ...]
"""One entry per axis: an index, or None for the two axes that span the plane."""

Window: TypeAlias = tuple[slice, ...]

_CHUNK = 1 << 20
"""Pixels compared at once when an id is searched: their result stays in the processor's cache."""


def view(labels: LabelArray, plane: Plane) -> LabelArray:
    """Return a plane of an array, without copying."""
    return labels[tuple(slice(None) if index is None else index for index in plane)]


def lift(plane: Plane, rows: AnyArray, columns: AnyArray) -> tuple[AnyArray, ...]:
    """Return the indices (n,) along each axis of the whole array of pixels (n,) of a plane."""
    inside = iter((rows, columns))
    return tuple(
        next(inside) if index is None else np.full(len(rows), index, np.intp) for index in plane
    )


def plane_indices(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Return the position of each plane of the last two axes."""
    yield from np.ndindex(*shape[:-2])


def find_window(labels: LabelArray, nucleus: int, where: str = "the labels") -> Window:
    """Return the smallest window that holds all of a nucleus.

    Parameters
    ----------
    labels : array, at least 1 axis
    nucleus : int
    where : str
        What `labels` is, for the message.

    Raises
    ------
    InputError
        There is no such nucleus.
    """
    first = last = -1
    step = max(1, _CHUNK * len(labels) // max(1, labels.size))
    others = tuple(range(1, labels.ndim))
    for start in range(0, len(labels), step):
        found = labels[start : start + step] == nucleus
        if found.any():
            rows = start + np.flatnonzero(found.any(axis=others))
            first, last = (int(rows[0]) if first < 0 else first), int(rows[-1])
    if nucleus == 0 or first < 0:
        raise InputError(f"There is no nucleus {nucleus} in {where}.")
    window = [slice(first, last + 1)]
    found = labels[window[0]] == nucleus
    for axis in others:
        hits = np.flatnonzero(found.any(axis=tuple(a for a in range(labels.ndim) if a != axis)))
        window.append(slice(int(hits[0]), int(hits[-1]) + 1))
    return tuple(window)
