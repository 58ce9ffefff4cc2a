"""Matching of instances; the expected numbers are counted by hand."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from napari_nucseg.errors import InputError
from napari_nucseg.evaluation import match, overlap_matrix


def square(left: int, label: int = 1) -> np.ndarray:
    """Return an image with a 10x10 square."""
    image = np.zeros((20, 40), np.int32)
    image[5:15, left : left + 10] = label
    return image


def disk(column: int, radius: int) -> np.ndarray:
    """Return an image with a disk: 5 pixels for radius 1, 13 pixels for radius 2."""
    y, x = np.mgrid[:11, :11]
    return ((y - 5) ** 2 + (x - column) ** 2 <= radius**2).astype(np.uint8)


def line(*labels: int) -> np.ndarray:
    return np.array(labels, np.int32)


@pytest.mark.parametrize(
    ("true", "predicted", "iou"),
    [
        (square(5), square(5), 1),
        (square(5), square(7), 80 / 120),
        (square(5), square(10), 50 / 150),
        (disk(5, 1), disk(6, 1), 2 / 8),
        (disk(5, 2), disk(5, 1), 5 / 13),
    ],
)
def test_iou_of_shifted_shapes(true, predicted, iou):
    assert overlap_matrix(true, predicted).ious()[2].tolist() == [iou]
    result = match(true, predicted, threshold=0.2)
    assert result.pairs == ((1, 1),)
    assert result.ious == (iou,)


def test_overlap_counts_and_areas():
    overlaps = overlap_matrix(line(0, 7, 7, 7, 9, 0), line(4, 4, 2, 2, 2, 0))
    assert overlaps.true_ids.tolist() == [7, 9]
    assert overlaps.predicted_ids.tolist() == [2, 4]
    assert overlaps.true_areas.tolist() == [3, 1]
    assert overlaps.predicted_areas.tolist() == [3, 2]
    assert overlaps.matrix.toarray().tolist() == [[2, 1], [1, 0]]
    assert overlaps.n_pixels == 6


def test_threshold_itself_is_a_match():
    true, predicted = line(1, 1, 1, 1, 1), line(1, 1, 1, 0, 0)  # IoU 3/5
    assert match(true, predicted, 0.6).true_positives == 1
    above = match(true, predicted, np.nextafter(0.6, 1))
    assert (above.true_positives, above.false_positives, above.false_negatives) == (0, 1, 1)
    assert match(true, true, 1.0).true_positives == 1


def test_two_halves_at_one_half_give_one_match():
    result = match(line(1, 1), line(1, 2), 0.5)  # both IoU 1/2
    assert (result.true_positives, result.false_positives, result.false_negatives) == (1, 1, 0)


@pytest.mark.parametrize(("threshold", "expected"), [(0.5, (1, 0, 1)), (0.6, (0, 1, 2))])
def test_merged_nuclei(threshold, expected):
    true = square(5, label=3) + square(15, label=8)
    merged = (true > 0).astype(np.uint16)
    result = match(true, merged, threshold)
    assert (result.true_positives, result.false_positives, result.false_negatives) == expected
    split = match(merged, true, threshold)
    tp, fp, fn = expected
    assert (split.true_positives, split.false_positives, split.false_negatives) == (tp, fn, fp)


def test_most_matches_win_over_the_best_single_pair():
    true = line(1, 1, 1, 1, 1, 1, 2, 2, 2)
    predicted = line(1, 1, 2, 2, 2, 2, 2, 2, 2)
    # IoU (1,1) 2/6, (1,2) 4/9, (2,2) 3/7: the best pair (1,2) would leave the others alone
    result = match(true, predicted, 0.3)
    assert result.pairs == ((1, 1), (2, 2))
    assert result.ious == (2 / 6, 3 / 7)
    assert match(true, predicted, 0.44).pairs == ((1, 2),)


def test_larger_iou_wins_among_equal_numbers_of_matches():
    assert match(line(1, 1, 1, 1), line(5, 6, 6, 6), 0.2).pairs == ((1, 6),)


@pytest.mark.parametrize("threshold", [0.05, 0.2, 0.5, 0.6])
def test_groups_give_the_same_as_one_dense_assignment(threshold):
    rng = np.random.default_rng(3)
    true = rng.integers(0, 12, (9, 9)).repeat(3, 0).repeat(3, 1)
    predicted = np.where(rng.random(true.shape) < 0.3, rng.integers(0, 14, true.shape), true)
    predicted = np.roll(predicted, 1, axis=1)
    masks = [true == i for i in range(1, 12)], [predicted == i for i in range(1, 14)]
    iou = np.array([[(a & b).sum() / (a | b).sum() for b in masks[1]] for a in masks[0]])
    gain = (iou >= threshold) * (1 + iou / 22)
    rows, columns = linear_sum_assignment(gain, maximize=True)
    kept = gain[rows, columns] > 0
    result = match(true, predicted, threshold)
    assert result.true_positives == kept.sum()
    assert sum(result.ious) == pytest.approx(iou[rows, columns][kept].sum())
    assert len({i for i, _ in result.pairs}) == len({j for _, j in result.pairs}) == kept.sum()


def test_ids_may_be_any_and_dtypes_may_differ():
    true = square(5).astype(np.uint64) * np.uint64(2**63 + 5)
    true[0, :3] = 17
    predicted = square(7).astype(np.int8) * 100
    result = match(true, predicted, 0.5)
    assert result.pairs == ((2**63 + 5, 100),)
    assert (result.false_positives, result.false_negatives) == (0, 1)


def test_renumbering_changes_nothing():
    rng = np.random.default_rng(0)
    true, predicted = rng.integers(0, 6, (2, 8, 8))
    names = np.array([0, 90, 4, 1000, 17, 2])
    plain, renamed = match(true, predicted, 0.1), match(names[true], predicted, 0.1)
    assert sorted(renamed.ious) == sorted(plain.ious)


def test_memory_order_and_dimensions():
    true = np.zeros((3, 4, 5), int)
    true[0, 1:3, 2] = 1
    true[2, :, 4] = 6
    assert match(np.asfortranarray(true), true, 1.0).pairs == ((1, 1), (6, 6))
    assert match(true[::-1], true, 0.5).true_positives == 0


def test_image_without_background():
    assert match(line(1, 1, 2, 2), line(3, 3, 4, 4), 0.9).pairs == ((1, 3), (2, 4))


def test_scores_of_counts():
    true = line(1, 0, 2, 0, 3, 0, 0)
    predicted = line(1, 0, 0, 0, 3, 0, 4)
    result = match(true, predicted, 0.5)
    assert (result.true_positives, result.false_positives, result.false_negatives) == (2, 1, 1)
    assert result.precision == result.recall == result.f1 == 2 / 3
    assert result.average_precision == 2 / 4


@pytest.mark.parametrize("threshold", [0.5, 0.7])
def test_without_nuclei(threshold):
    nothing, something = line(0, 0, 0), line(0, 1, 2)
    both = match(nothing, nothing, threshold)
    assert (both.average_precision, both.precision, both.recall, both.f1) == (1, 1, 1, 1)
    extra = match(nothing, something, threshold)
    assert (extra.false_positives, extra.average_precision) == (2, 0)
    assert (extra.precision, extra.recall, extra.f1) == (0, 0, 0)
    missing = match(something, nothing, threshold)
    assert (missing.false_negatives, missing.average_precision) == (2, 0)
    assert (missing.precision, missing.recall, missing.f1) == (0, 0, 0)


@pytest.mark.parametrize(
    ("true", "predicted", "message"),
    [
        (np.zeros((2, 3), int), np.zeros((3, 2), int), r"same shape.*\(2, 3\).*\(3, 2\)"),
        (np.zeros(3), np.zeros(3, int), "true labels must be integers.*float64"),
        (np.zeros(3, int), np.zeros(3, bool), "predicted labels must be integers.*bool"),
        (line(0, -4), line(0, 1), "true labels must not be negative.*-4"),
        (np.zeros((0, 3), int), np.zeros((0, 3), int), r"no pixels.*\(0, 3\)"),
    ],
)
def test_labels_that_cannot_be_used(true, predicted, message):
    with pytest.raises(InputError, match=message):
        match(true, predicted)


@pytest.mark.parametrize("threshold", [0, -1, 1.01, float("nan")])
def test_threshold_that_cannot_be_used(threshold):
    with pytest.raises(InputError, match="above 0 and at most 1, received"):
        match(line(1), line(1), threshold)
