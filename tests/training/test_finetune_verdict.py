"""Better, not better, or cannot be told: on nuclei of one row of pixels, computed by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from napari_nucseg.evaluation.scores import score_image
from napari_nucseg.training.finetune.examination import _pooled
from napari_nucseg.training.finetune.messages import Verdict
from napari_nucseg.training.finetune.verdict import judge, more_mistakes

NUCLEI, PLACES = 20, 40
"""True nuclei fill the first places; nothing is true at the others."""

ALL = range(NUCLEI)


def labels(*places, shift=0, width=6):
    """Return nuclei, of six pixels in ten, at these places (from 0), with ids from 1."""
    drawn = np.zeros(10 * PLACES, np.int32)
    for place in places:
        start = 10 * place + shift
        drawn[start : start + width] = place + 1
    return drawn


TRUE = labels(*ALL)


def without(*missing):
    return labels(*(set(ALL) - set(missing)))


def more(new, old):
    """Return where the new labels have more mistakes at IoU 0.5 (positive) or fewer."""
    found = more_mistakes(TRUE, old, new, (0.5,))
    return {place: count for place, count in found.items() if count}


def result_of(*found):
    scores = _pooled([score_image(TRUE, one) for one in found])
    return SimpleNamespace(scores=scores, scored=found)


def verdict(new, old):
    area = SimpleNamespace(labels=TRUE, mask=np.ones(TRUE.shape, bool))
    return judge([area], result_of(old), result_of(new))


def test_a_nucleus_that_is_lost_counts_at_its_place():
    assert more(without(3), TRUE) == {4: 1}
    assert more(TRUE, without(3)) == {4: -1}


def test_a_bad_outline_is_missed_and_wrong_at_one_place():
    bad = labels(3, shift=3)  # 3 of 9 pixels are shared

    assert more(without(3) + bad, TRUE) == {4: 2}


def test_what_is_wrong_beside_a_nucleus_that_is_found_counts_there():
    halves = labels(3, width=4) + np.roll(labels(39, width=2), 10 * (3 - 39) + 4)

    assert more(without(3) + halves, TRUE) == {4: 1}


def test_what_both_see_off_the_true_nuclei_is_one_place():
    old, new = TRUE + labels(30, 31), TRUE + labels(31, 32, shift=2)

    found = more(new, old)

    assert sorted(found.values()) == [-1, 1]  # at 30 and 32
    assert not set(found) & set(TRUE)


@pytest.mark.parametrize(
    ("lost", "won", "expected"),
    [
        (0, 0, Verdict.UNTOLD),
        (4, 0, Verdict.UNTOLD),  # 1 / 16
        (5, 0, Verdict.NOT_BETTER),  # 1 / 32
        (7, 1, Verdict.NOT_BETTER),  # (1 + 8) / 256
        (7, 2, Verdict.UNTOLD),  # (1 + 9 + 36) / 512
        (1, 2, Verdict.BETTER),
        (0, 1, Verdict.BETTER),
    ],
)
def test_the_verdict_follows_from_the_nuclei_lost_and_won(lost, won, expected):
    new, old = without(*range(lost)), without(*range(10, 10 + won))

    assert verdict(new, old) is expected


@pytest.mark.parametrize(("wrong", "expected"), [(4, Verdict.UNTOLD), (5, Verdict.NOT_BETTER)])
def test_wrong_nuclei_count_as_lost_ones_do(wrong, expected):
    assert verdict(TRUE + labels(*range(30, 30 + wrong)), TRUE) is expected


def test_bad_outlines_do_not_count_twice():
    bad = labels(0, 1, 2, 3, shift=3)

    assert verdict(without(0, 1, 2, 3) + bad, TRUE) is Verdict.UNTOLD


@pytest.mark.parametrize(("worse", "expected"), [(4, Verdict.UNTOLD), (5, Verdict.NOT_BETTER)])
def test_where_as_many_are_found_the_outlines_decide(worse, expected):
    narrow = labels(*range(worse), width=4)  # IoU 0.67

    assert verdict(without(*range(worse)) + narrow, TRUE) is expected


def test_all_areas_count_and_one_without_scored_pixels_does_not_matter():
    area = SimpleNamespace(labels=TRUE, mask=np.ones(TRUE.shape, bool))
    empty = SimpleNamespace(labels=TRUE, mask=np.zeros(TRUE.shape, bool))
    before, after = result_of(TRUE, TRUE), result_of(without(0, 1, 2), without(0, 1))
    nothing = TRUE[:0]
    for result in (before, after):
        result.scored = (result.scored[0], nothing, result.scored[1])

    assert judge([area, empty, area], before, after) is Verdict.NOT_BETTER
