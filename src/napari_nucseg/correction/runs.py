"""Nuclei as runs: stretches of one row with one id. Far fewer than pixels, so quick to count."""

import math
from dataclasses import dataclass
from itertools import product

import numpy as np

from napari_nucseg._types import AnyArray, LabelArray
from napari_nucseg.correction.planes import plane_indices


@dataclass(frozen=True, eq=False)
class Runs:
    """All runs of an array, in its order; background is left out.

    Attributes
    ----------
    shape : tuple of int
        Of the array.
    starts, lengths : arrays (n,), int64
        First pixel in the flattened array, and number of pixels.
    ids : array (n,)
    """

    shape: tuple[int, ...]
    starts: AnyArray
    lengths: AnyArray
    ids: LabelArray

    @property
    def plane_size(self) -> int:
        """Pixels of a plane (Y, X)."""
        return self.shape[-2] * self.shape[-1]

    @property
    def n_planes(self) -> int:
        """Number of planes (Y, X); at least 1."""
        return math.prod(self.shape[:-2])

    def coordinates(self) -> list[AnyArray]:
        """Return the index of the first pixel of each run along each axis."""
        return list(np.unravel_index(self.starts, self.shape))


def find_runs(labels: LabelArray) -> Runs:
    """Return the runs of an array with at least two axes."""
    width = labels.shape[-1]
    size = labels.shape[-2] * width
    starts, lengths, ids = [], [], []
    for number, index in enumerate(plane_indices(labels.shape)):
        flat = np.ascontiguousarray(labels[index]).reshape(-1)
        begins = np.empty(size, bool)
        np.not_equal(flat[1:], flat[:-1], out=begins[1:])
        begins[::width] = True  # a run ends with its row
        first = np.flatnonzero(begins)
        run_ids = flat[first]
        run_lengths = np.diff(first, append=size)
        inside = run_ids != 0
        starts.append(first[inside] + number * size)
        lengths.append(run_lengths[inside])
        ids.append(run_ids[inside])
    return Runs(labels.shape, *map(np.concatenate, (starts, lengths, ids)))


def connected_parts(runs: Runs, apart: tuple[int, ...] = ()) -> AnyArray:
    """Return to which connected part each run belongs, counted from 0.

    Pixels of one id that touch by a side, edge or corner belong together.

    Parameters
    ----------
    runs : Runs
    apart : tuple of int
        Axes along which nothing is connected, such as time.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = [_touching(runs, offset) for offset in _offsets(len(runs.shape), apart)]
    first, second = (np.concatenate(part) for part in zip(*pairs, strict=True))
    count = len(runs.ids)
    graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1])


def _offsets(ndim: int, apart: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return the steps to half of the rows around a row; the other half is their mirror image."""
    steps = [(0,) if axis in apart else (-1, 0, 1) for axis in range(ndim - 1)]
    return [offset for offset in product(*steps) if offset > (0,) * (ndim - 1)]


def _touching(runs: Runs, offset: tuple[int, ...]) -> tuple[AnyArray, AnyArray]:
    """Return the pairs of runs with one id that touch, the second in the row `offset` away."""
    width = runs.shape[-1]
    *rows, columns = runs.coordinates()
    targets = [row + step for row, step in zip(rows, offset, strict=True)]
    there = np.ones(len(runs.ids), bool)
    for target, size in zip(targets, runs.shape[:-1], strict=True):
        there &= (target >= 0) & (target < size)
    source = np.flatnonzero(there)
    line = np.ravel_multi_index([t[source] for t in targets], runs.shape[:-1]) * width
    low = line + np.maximum(columns[source] - 1, 0)
    high = line + np.minimum(columns[source] + runs.lengths[source], width - 1)
    begin = np.searchsorted(runs.starts + runs.lengths - 1, low)
    end = np.searchsorted(runs.starts, high, side="right")
    counts = np.maximum(end - begin, 0)
    first = np.repeat(source, counts)
    within = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
    second = np.repeat(begin, counts) + within
    same = runs.ids[first] == runs.ids[second]
    return first[same], second[same]
