"""Size and place of every nucleus."""

from dataclasses import dataclass

import numpy as np

from napari_nucseg._types import AnyArray, FloatArray, LabelArray
from napari_nucseg.correction.planes import Window, plane_indices
from napari_nucseg.correction.runs import Runs


@dataclass(frozen=True, eq=False)
class Nuclei:
    """All nuclei of a label array, by ascending id.

    Attributes
    ----------
    ids : array (n,)
    areas : array (n,), int64
        Pixels, over all planes.
    centres : array (n, ndim), float
        Mean index along each axis.
    low, high : arrays (n, ndim), int64
        First and last index along each axis.
    """

    ids: LabelArray
    areas: AnyArray
    centres: FloatArray
    low: AnyArray
    high: AnyArray

    def __len__(self) -> int:
        return len(self.ids)

    def window(self, number: int) -> Window:
        """Return the window that holds a nucleus, given by its place in the arrays."""
        pairs = zip(self.low[number].tolist(), self.high[number].tolist(), strict=True)
        return tuple(slice(low, high + 1) for low, high in pairs)


def measure_runs(runs: Runs, keys: AnyArray | None = None) -> Nuclei:
    """Measure groups of runs: nuclei, or what `keys` (one per run) holds instead of the ids."""
    keys = runs.ids if keys is None else keys
    order = np.argsort(keys, kind="stable")
    ids, first = np.unique(keys[order], return_index=True)
    if len(ids) == 0:
        nothing = np.zeros((0, len(runs.shape)))
        return Nuclei(ids, np.zeros(0, int), nothing, nothing.astype(int), nothing.astype(int))
    lengths = runs.lengths[order]
    areas = np.add.reduceat(lengths, first)
    *rows, columns = (part[order] for part in runs.coordinates())
    last = columns + lengths - 1
    centres = [np.add.reduceat(row * lengths, first) / areas for row in rows]
    centres.append(np.add.reduceat((columns + last) * lengths, first) / (2 * areas))
    low = [np.minimum.reduceat(part, first) for part in (*rows, columns)]
    high = [np.maximum.reduceat(part, first) for part in (*rows, last)]
    return Nuclei(ids, areas, *(np.column_stack(part) for part in (centres, low, high)))


def mean_inside(runs: Runs, nuclei: Nuclei, image: AnyArray) -> FloatArray:
    """Return the mean of an image of the same shape in each nucleus, float64."""
    size = runs.plane_size
    sums = np.zeros(len(nuclei))
    numbers = np.searchsorted(nuclei.ids, runs.ids)
    bounds = np.searchsorted(runs.starts, np.arange(0, size * runs.n_planes + 1, size))
    for number, index in enumerate(plane_indices(runs.shape)):
        part = slice(bounds[number], bounds[number + 1])
        begin = runs.starts[part] - number * size
        total = np.zeros(size + 1)
        np.cumsum(np.asarray(image[index], float).reshape(-1), out=total[1:])
        np.add.at(sums, numbers[part], total[begin + runs.lengths[part]] - total[begin])
    return sums / np.maximum(nuclei.areas, 1)
