"""Stacks of squares whose linking can be told by hand."""

from collections.abc import Sequence

import numpy as np

SIZE = 60


def draw(squares: Sequence[tuple[float, float, float]], size: int = SIZE) -> np.ndarray:
    """Return labels (Y, X); each square (row, column, side) is a nucleus, numbered from 1."""
    plane = np.zeros((size, size), np.int32)
    for label, (row, column, side) in enumerate(squares, start=1):
        plane[round(row) : round(row + side), round(column) : round(column + side)] = label
    return plane


def stack(planes: Sequence[Sequence[tuple[float, float, float]]]) -> np.ndarray:
    """Return planes of squares as labels (steps, Y, X); ids begin anew in each."""
    return np.stack([draw(squares) for squares in planes])


def centred(side: int, at: tuple[int, int] = (30, 30)) -> tuple[int, int, int]:
    """Return the square of an even side around a point."""
    return at[0] - side // 2, at[1] - side // 2, side


def chains(labels: np.ndarray, linked: np.ndarray) -> set[tuple[int, ...]]:
    """Return what was linked: for each new id, the old ids by step, 0 where there is none."""
    found = set()
    for new in np.unique(linked[linked > 0]):
        old = [np.unique(plane[mask]) for plane, mask in zip(labels, linked == new, strict=True)]
        assert all(len(ids) <= 1 for ids in old), "two nuclei of one step became one"
        found.add(tuple(int(ids[0]) if len(ids) else 0 for ids in old))
    return found
