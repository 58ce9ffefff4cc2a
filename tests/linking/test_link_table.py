"""The table that is counted from labels."""

import numpy as np
import pytest
from drawn_stacks import draw, stack

from napari_nucseg.errors import Cancelled
from napari_nucseg.linking.assignment import assign
from napari_nucseg.linking.table import count_table, renumber, rows_at_border


@pytest.fixture
def three():
    """A square that moves by 2 rows from plane to plane, and one that is only in the second."""
    return stack([[(10, 10, 4)], [(12, 10, 4), (30, 20, 6)], [(14, 10, 4)]])


def test_rows_are_the_nuclei_of_each_step(three):
    table = count_table(three)
    assert table.steps.tolist() == [0, 1, 1, 2]
    assert table.ids.tolist() == [1, 1, 2, 1]
    assert table.areas.tolist() == [16, 16, 36, 16]
    assert table.centres.tolist() == [[11.5, 11.5], [13.5, 11.5], [32.5, 22.5], [15.5, 11.5]]
    assert [table.rows_of(step) for step in range(3)] == [slice(0, 1), slice(1, 3), slice(3, 4)]


def test_pairs_share_pixels(three):
    table = count_table(three)
    assert list(zip(table.first, table.second, table.shared, strict=True)) == [(0, 1, 8), (1, 3, 8)]
    assert table.ious().tolist() == [8 / 24, 8 / 24]
    assert table.gaps.tolist() == [1, 1]


def test_a_gap_adds_pairs_of_further_steps():
    labels = stack([[(10, 10, 4)], [], [(13, 10, 4)]])
    assert len(count_table(labels, gap=0).first) == 0
    table = count_table(labels, gap=1)
    assert (table.gaps.tolist(), table.shared.tolist()) == ([2], [4])


def test_ids_far_apart_count_the_same(three):
    numbers = np.array([0, 2**30, 7])
    far = numbers[three]
    near, table = count_table(three), count_table(far)
    assert table.ids.tolist() == [2**30, 7, 2**30, 2**30]
    assert sorted(table.shared.tolist()) == sorted(near.shared.tolist())
    assert table.areas.tolist() == [16, 36, 16, 16]


def test_volumes_are_counted_like_planes():
    volume = np.zeros((2, 4, 9, 9), np.int32)
    volume[0, 1:3, 2:5, 2:5] = 3
    volume[1, 1:4, 2:5, 2:5] = 5
    table = count_table(volume)
    assert (table.areas.tolist(), table.shared.tolist()) == ([18, 27], [18])
    assert table.centres.tolist() == [[1.5, 3, 3], [2, 3, 3]]
    assert table.diameters(2.0)[0] == pytest.approx((6 * 18 * 2 / np.pi) ** (1 / 3))


def test_nothing_to_count():
    table = count_table(np.zeros((3, 8, 8), np.int32), gap=2)
    assert len(table) == len(table.first) == 0


def test_cancelled_before_a_step(three):
    asked = iter([False, True])
    with pytest.raises(Cancelled):
        count_table(three, cancelled=lambda: next(asked))


def test_border_rows():
    labels = stack([[(0, 10, 4), (20, 20, 4)], [(20, 20, 4), (30, 56, 4)]])
    assert rows_at_border(labels, count_table(labels)).tolist() == [True, False, False, True]


def test_renumbered():
    plane = draw([(1, 1, 2), (5, 5, 2)], 9)
    new = renumber(plane, np.array([1, 2]), np.array([0, 9]))
    assert new.dtype == np.int32
    np.testing.assert_array_equal(new, np.where(plane == 2, 9, 0))


PAIRS = (np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([0.9, 0.3, 0.3]))


def test_the_best_sum_wins():
    assert assign(*PAIRS).tolist() == [0]  # 0.9 is more than 0.3 + 0.3


def test_most_pairs_win_if_asked_for():
    assert assign(*PAIRS, most_pairs=True).tolist() == [1, 2]


def test_the_best_sum_is_not_the_greedy_one():
    scores = np.array([0.9, 0.8, 0.8])
    assert assign(PAIRS[0], PAIRS[1], scores).tolist() == [1, 2]  # 1.6 is more than 0.9
