"""One-to-one matching of predicted nuclei to true nuclei by intersection over union (IoU)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_nucseg._types import AnyArray, LabelArray
from napari_nucseg.errors import InputError
from napari_nucseg.evaluation.counts import Counts
from napari_nucseg.linking.assignment import assign

_Integers = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Overlaps:
    """Which true and predicted nuclei share how many pixels; background is left out.

    Parameters
    ----------
    true_ids, predicted_ids
        Ids in ascending order, shapes (n_true,) and (n_predicted,), dtype of the label arrays.
    true_areas, predicted_areas
        Pixels of each nucleus, int64, same shapes.
    matrix
        `scipy.sparse.csr_array` of shape (n_true, n_predicted), int64: shared pixels.
    n_pixels
        Pixels of the whole array, with background.
    """

    true_ids: LabelArray
    predicted_ids: LabelArray
    true_areas: _Integers
    predicted_areas: _Integers
    matrix: Any
    n_pixels: int

    def ious(self) -> tuple[_Integers, _Integers, _Floats]:
        """Return row, column and IoU of each pair that shares a pixel, in order of the rows."""
        pairs = self.matrix.tocoo()
        rows, columns, shared = pairs.row.astype(np.int64), pairs.col.astype(np.int64), pairs.data
        union = self.true_areas[rows] + self.predicted_areas[columns] - shared
        return rows, columns, shared / union


@dataclass(frozen=True)
class Matching(Counts):
    """Result of a matching at one IoU threshold.

    Parameters
    ----------
    threshold
        A pair counts if its IoU is at least this.
    pairs
        (true id, predicted id) of each match, by ascending true id.
    ious
        IoU of each match, in the order of `pairs`.
    """

    threshold: float
    pairs: tuple[tuple[int, int], ...]
    ious: tuple[float, ...]


def overlap_matrix(true: LabelArray, predicted: LabelArray) -> Overlaps:
    """Count the pixels shared by true and predicted nuclei.

    Counts runs of constant labels rather than pixels, so that only few numbers need sorting.

    Parameters
    ----------
    true, predicted
        Label arrays of the same shape, any number of dimensions, any integer dtype; 0 is
        background, other ids need not be consecutive.

    Raises
    ------
    InputError
        For different shapes, an empty array, a dtype that is not integer, or negative ids.
    """
    from scipy.sparse import coo_array

    true, predicted = _checked(true, "true"), _checked(predicted, "predicted")
    if true.shape != predicted.shape:
        raise InputError(
            "True and predicted labels must have the same shape, "
            f"received {true.shape} (true) and {predicted.shape} (predicted)."
        )
    true_runs, predicted_runs, lengths = _runs(true.reshape(-1), predicted.reshape(-1))
    true_ids, rows, true_areas = _nuclei(true_runs, lengths)
    predicted_ids, columns, predicted_areas = _nuclei(predicted_runs, lengths)
    both = (rows >= 0) & (columns >= 0)
    matrix = coo_array(
        (lengths[both], (rows[both], columns[both])), shape=(len(true_ids), len(predicted_ids))
    ).tocsr()  # adds up the runs of the same pair
    return Overlaps(true_ids, predicted_ids, true_areas, predicted_areas, matrix, true.size)


def match(true: LabelArray, predicted: LabelArray, threshold: float = 0.5) -> Matching:
    """Match predicted nuclei to true nuclei, one to one, with IoU >= `threshold`.

    The threshold itself counts as a match, as in StarDist. Above 0.5 a nucleus can have only one
    partner. At or below 0.5 the assignment with most matches is taken, and among these the one with
    the largest sum of IoU (linear sum assignment, as in StarDist).

    Parameters
    ----------
    true, predicted
        Label arrays as for `overlap_matrix`.
    threshold
        IoU, above 0 and at most 1.

    Raises
    ------
    InputError
        For label arrays or a threshold that cannot be used.
    """
    return match_overlaps(overlap_matrix(true, predicted), threshold)


def match_overlaps(overlaps: Overlaps, threshold: float) -> Matching:
    """Match as `match` does, from overlaps counted before (for several thresholds)."""
    check_threshold(threshold)
    rows, columns, ious = overlaps.ious()
    kept = np.flatnonzero(ious >= threshold)
    if threshold <= 0.5:  # several partners are possible
        kept = kept[assign(rows[kept], columns[kept], ious[kept], most_pairs=True)]
    n_true, n_predicted = overlaps.matrix.shape
    true_ids: list[int] = overlaps.true_ids[rows[kept]].tolist()
    predicted_ids: list[int] = overlaps.predicted_ids[columns[kept]].tolist()
    return Matching(
        true_positives=len(kept),
        false_positives=n_predicted - len(kept),
        false_negatives=n_true - len(kept),
        threshold=float(threshold),
        pairs=tuple(zip(true_ids, predicted_ids, strict=True)),
        ious=tuple(ious[kept].tolist()),
    )


def check_threshold(threshold: float) -> None:
    """Raise InputError unless the IoU threshold is above 0 and at most 1."""
    if not 0 < threshold <= 1:
        raise InputError(f"An IoU threshold must be above 0 and at most 1, received {threshold!r}.")


def _checked(labels: AnyArray, which: str) -> LabelArray:
    """Return `labels` as an array that can be counted, or raise InputError."""
    labels = np.asarray(labels)
    if not np.issubdtype(labels.dtype, np.integer):
        raise InputError(
            f"The {which} labels must be integers (0 for background, one id per nucleus), "
            f"received dtype {labels.dtype}."
        )
    if labels.size == 0:
        raise InputError(f"The {which} labels have no pixels, received shape {labels.shape}.")
    if labels.dtype.kind == "i" and labels.min() < 0:
        raise InputError(
            f"The {which} labels must not be negative, received an id of {labels.min()}."
        )
    return labels


def _runs(true: LabelArray, predicted: LabelArray) -> tuple[LabelArray, LabelArray, _Integers]:
    """Return both labels and the length of each stretch where neither of them changes."""
    changes = (true[1:] != true[:-1]) | (predicted[1:] != predicted[:-1])
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1])
    return true[starts], predicted[starts], np.diff(starts, append=true.size)


def _nuclei(runs: LabelArray, lengths: _Integers) -> tuple[LabelArray, _Integers, _Integers]:
    """Return the ids without background, the index of each run (-1 is background), the areas."""
    ids, indices = np.unique(runs, return_inverse=True)
    # float64 weights are exact up to 2**53 pixels
    areas = np.bincount(indices, weights=lengths).astype(np.int64)
    background = int(ids[0] == 0)
    return ids[background:], indices - background, areas[background:]
