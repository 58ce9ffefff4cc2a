"""Scores of one image and of many; the expected numbers are counted by hand."""

import json

import numpy as np
import pytest

from napari_nucseg.errors import InputError
from napari_nucseg.evaluation import THRESHOLDS, evaluate, score_image, summarize


def line(*labels: int) -> np.ndarray:
    return np.array(labels, np.uint16)


FOUND = line(1, 0, 0, 0)
THREE = line(1, 2, 3, 0)
NOTHING = line(0, 0, 0, 0)


def test_default_thresholds():
    assert THRESHOLDS == (0.5, 0.6, 0.7, 0.8, 0.9)


def test_average_precision_over_thresholds():
    # IoU 7/10 and 1: the first nucleus is found at 0.5, 0.6 and 0.7
    true, predicted = line(*[1] * 10, 0, 2), line(*[1] * 7, 0, 0, 0, 0, 2)
    score = score_image(true, predicted)
    assert [counts.average_precision for counts in score.counts] == [1, 1, 1, 1 / 3, 1 / 3]
    assert score.mean_average_precision == pytest.approx((3 + 2 / 3) / 5)
    assert score.detection.f1 == 1
    assert score.count_error == 0


def test_foreground_of_shifted_rows():
    true, predicted = np.zeros((2, 10, 10), int)
    true[2:4] = 1
    predicted[3:5] = 1  # 20 pixels each, 10 of them shared
    pixels = score_image(true, predicted).pixels
    assert (pixels.n_true, pixels.n_predicted, pixels.n_both) == (20, 20, 10)
    assert pixels.accuracy == 0.8
    assert pixels.dice == 0.5
    assert pixels.iou == 1 / 3


def test_foreground_ignores_which_nucleus():
    pixels = score_image(line(1, 1, 2, 2, 0), line(5, 6, 5, 6, 0)).pixels
    assert (pixels.accuracy, pixels.dice, pixels.iou) == (1, 1, 1)


def test_empty_against_empty_is_right():
    score = score_image(NOTHING, NOTHING)
    assert score.mean_average_precision == 1
    assert (score.pixels.accuracy, score.pixels.dice, score.pixels.iou) == (1, 1, 1)


def test_empty_against_something_is_wrong():
    score = score_image(NOTHING, THREE)
    assert score.mean_average_precision == 0
    assert (score.pixels.accuracy, score.pixels.dice, score.pixels.iou) == (0.25, 0, 0)
    assert score.count_error == 3


def test_mean_of_images_and_pooled_differ():
    # AP 1 with one nucleus, AP 0 with three missed nuclei
    summary = evaluate([FOUND, THREE], [FOUND, NOTHING])
    for average in (*summary.average_precision, summary.mean_average_precision):
        assert average.per_image == 1 / 2
        assert average.pooled == 1 / 4
    assert (summary.recall.per_image, summary.recall.pooled) == (1 / 2, 1 / 4)
    assert (summary.precision.per_image, summary.precision.pooled) == (1 / 2, 1)
    assert (summary.f1.per_image, summary.f1.pooled) == (1 / 2, 2 / 5)
    # pixels: all four right, then one of four right
    assert (summary.pixel_accuracy.per_image, summary.pixel_accuracy.pooled) == (5 / 8, 5 / 8)
    assert (summary.dice.per_image, summary.dice.pooled) == (1 / 2, 2 / 5)
    assert (summary.iou.per_image, summary.iou.pooled) == (1 / 2, 1 / 4)
    assert [counts.false_negatives for counts in summary.counts] == [3] * 5


def test_count_errors_cancel_only_in_total():
    summary = evaluate([THREE, FOUND], [FOUND, THREE])
    assert (summary.n_true, summary.n_predicted, summary.count_error) == (4, 4, 0)
    assert summary.mean_absolute_count_error == 2


def test_detection_is_at_one_half_whatever_the_thresholds():
    score = score_image(line(1, 1, 1, 1, 1), line(1, 1, 1, 0, 0), thresholds=[0.75])
    assert score.counts[0].true_positives == 0
    assert score.detection.true_positives == 1


def test_array_is_one_image():
    stack = np.stack([FOUND, THREE])  # nucleus 1 of both planes is the same nucleus
    assert len(evaluate(stack, stack).images) == 1
    assert evaluate(stack, stack).n_true == 3
    assert evaluate(list(stack), list(stack)).n_true == 4


def test_dictionary_survives_json():
    summary = evaluate([FOUND, THREE], [FOUND, NOTHING])
    data = summary.to_dict()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert data["thresholds"][0]["average_precision"] == {"per_image": 0.5, "pooled": 0.25}
    assert data["mean_average_precision"] == {"per_image": 0.5, "pooled": 0.25}
    assert data["at_iou_0.5"]["recall"] == {"per_image": 0.5, "pooled": 0.25}
    assert (data["n_images"], data["n_true"], data["n_predicted"]) == (2, 4, 1)
    assert data["images"][1]["thresholds"][4]["false_negatives"] == 3
    assert data["images"][1]["count_error"] == -3


def test_errors_say_which_image():
    with pytest.raises(InputError, match=r"Image 1: .*same shape"):
        evaluate([FOUND, THREE], [FOUND, line(1)])
    with pytest.raises(InputError, match="2 label arrays and 1 predictions"):
        evaluate([FOUND, THREE], [FOUND])


def test_nothing_to_summarize():
    with pytest.raises(InputError, match="At least one image"):
        evaluate([], [])
    with pytest.raises(InputError, match="At least one IoU threshold"):
        score_image(FOUND, FOUND, thresholds=[])


def test_summary_needs_equal_thresholds():
    scores = [
        score_image(FOUND, FOUND, thresholds=[t], name=n) for t, n in [(0.5, "a"), (0.6, "b")]
    ]
    with pytest.raises(InputError, match=r"\(0.5,\) for 'a' and \(0.6,\) for 'b'"):
        summarize(scores)
