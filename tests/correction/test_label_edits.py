"""Edits of labels whose result can be counted by hand."""

import numpy as np
import pytest

from napari_nucseg.correction.edits import (
    delete,
    fill_holes,
    keep_outline,
    merge,
    nuclei_under,
    nucleus_inside,
    split_along,
)
from napari_nucseg.correction.ids import check_labels, next_free_ids
from napari_nucseg.correction.planes import find_window
from napari_nucseg.errors import InputError

YX = (None, None)


def disk(shape, centre, radius):
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= radius**2


@pytest.fixture
def touching():
    """Two disks of radius 10 that touch at column 31, as one nucleus 4, and a far nucleus 9."""
    labels = np.zeros((60, 80), np.int32)
    labels[disk(labels.shape, (30, 20), 10) | disk(labels.shape, (30, 41), 10)] = 4
    labels[2:6, 60:70] = 9
    return labels


def applied(labels, edit):
    """The labels after the edit, once undoing it was seen to restore them."""
    before = labels.copy()
    after = labels.copy()
    after[edit.indices] = edit.new
    again = after.copy()
    again[edit.indices] = edit.old
    np.testing.assert_array_equal(again, before)
    np.testing.assert_array_equal(labels, before)
    return after


def test_touching_disks_are_cut_where_they_touch(touching):
    line = [(15, 31), (45, 31)]  # between the disks lie no pixels, so nothing of them is on it
    edit = split_along(touching, 4, line, YX)
    after = applied(touching, edit)
    left, right = disk((60, 80), (30, 20), 10), disk((60, 80), (30, 41), 10)
    assert left.sum() == right.sum() == 317
    assert (after[left & (touching == 4)] == after[30, 20]).all()
    assert {int(after[30, 20]), int(after[30, 41])} == {4, 10}
    assert edit.nuclei == (4, 10)
    np.testing.assert_array_equal(after == 9, touching == 9)


@pytest.mark.parametrize(
    ("line", "areas"),
    [
        ([(0, 8), (30, 8)], {5: 20 * 8, 6: 20 * 3}),  # column 8 goes left: a tie of distances
        ([(4, 0), (4, 30)], {5: 17 * 11, 6: 3 * 11}),
    ],
)
def test_pixels_of_the_line_go_to_the_nearest_piece(line, areas):
    labels = np.zeros((30, 30), np.uint8)
    labels[2:22, 1:12] = 5
    after = applied(labels, split_along(labels, 5, line, YX))
    ids, counts = np.unique(after[after > 0], return_counts=True)
    assert counts.sum() == 20 * 11
    for nucleus, area in zip(ids.tolist(), counts.tolist(), strict=True):
        assert abs(area - areas[nucleus]) <= 20, (nucleus, area)
    assert set(ids.tolist()) == {5, 6}


def test_a_slanted_line_leaves_no_diagonal_bridge():
    labels = np.zeros((40, 40), np.int32)
    labels[5:35, 5:35] = 1
    after = applied(labels, split_along(labels, 1, [(0, 0), (39, 39)], YX))
    upper, lower = np.count_nonzero(after == 1), np.count_nonzero(after == 2)
    assert upper + lower == 900
    assert abs(upper - lower) <= 60  # the diagonal itself has 30 steps of two pixels


def test_a_bent_line_cuts_out_a_corner():
    labels = np.zeros((40, 40), np.int32)
    labels[10:30, 10:30] = 1
    after = applied(labels, split_along(labels, 1, [(5, 20), (20, 20), (20, 35)], YX))
    assert after[11, 28] == 2  # the corner is the smaller piece
    assert after[11, 11] == after[28, 28] == after[28, 11] == 1


def test_a_line_may_cut_into_three():
    labels = np.zeros((20, 40), np.int32)
    labels[5:15, 2:38] = 1
    line = [(0, 10), (19, 10), (19, 25), (0, 25)]
    edit = split_along(labels, 1, line, YX, reserved=20)
    after = applied(labels, edit)
    assert edit.nuclei == (1, 21, 22)
    assert {int(after[10, 3]), int(after[10, 18]), int(after[10, 36])} == {1, 21, 22}


@pytest.mark.parametrize("line", [[(30, 5), (30, 25)], [(30, 20), (31, 21)], [(0, 0), (5, 5)]])
def test_a_line_that_does_not_cut_is_refused(touching, line):
    with pytest.raises(InputError, match="does not cut nucleus 4 in two: begin and end it outside"):
        split_along(touching, 4, line, YX)


def test_a_crumb_is_no_piece():
    labels = np.zeros((40, 40), np.int32)
    labels[10:30, 10:30] = 1
    with pytest.raises(InputError, match="does not cut"):
        split_along(labels, 1, [(8, 11), (11, 11), (11, 8)], YX)  # one pixel of 400


def test_a_part_that_the_line_does_not_meet_keeps_the_id(touching):
    touching[50:55, 5:10] = 4
    after = applied(touching, split_along(touching, 4, [(15, 31), (45, 31)], YX))
    assert (after[50:55, 5:10] == 4).all()


def test_lines_name_the_nuclei_they_cross(touching):
    assert nuclei_under(touching, [(30, 0), (30, 79)], YX) == [4]
    assert nuclei_under(touching, [(-50, 65), (40, 65)], YX) == [9]
    assert nuclei_under(touching, [(58, 0), (58, 79)], YX) == []
    touching[0:2, 64:67] = 7
    assert nuclei_under(touching, [(0, 65), (20, 65)], YX) == [9, 7]


@pytest.mark.parametrize(
    ("plane", "slab"),
    [((2, None, None), np.s_[2]), ((None, 3, None), np.s_[:, 3]), ((None, None, 4), np.s_[..., 4])],
)
def test_splitting_acts_in_one_plane_only(plane, slab):
    labels = np.full((8, 9, 10), 3, np.int32)
    rows = labels[slab].shape[0]
    edit = split_along(labels, 3, [(-1, 5), (rows, 5)], plane)
    after = applied(labels, edit)
    assert set(np.unique(after[slab]).tolist()) == {3, 4}
    assert np.count_nonzero(after == 4) == np.count_nonzero(after[slab] == 4)


def test_merge_takes_over_all_planes():
    labels = np.zeros((3, 20, 20), np.uint16)
    labels[:, 2:6, 2:6] = 1
    labels[1:, 2:6, 6:10] = 2
    edit = merge(labels, 1, 2)
    after = applied(labels, edit)
    assert edit.size == 2 * 16
    assert np.count_nonzero(after == 1) == 3 * 16 + 2 * 16
    assert 2 not in after


def test_merge_needs_two_nuclei(touching):
    with pytest.raises(InputError, match="Nucleus 4 was clicked twice"):
        merge(touching, 4, 4)
    with pytest.raises(InputError, match="There is no nucleus 5 in the labels"):
        merge(touching, 4, 5)


def test_delete_removes_all_of_it(touching):
    after = applied(touching, delete(touching, 4))
    assert set(np.unique(after).tolist()) == {0, 9}
    with pytest.raises(InputError, match="There is no nucleus 0"):
        delete(touching, 0)


def test_the_outline_becomes_the_nucleus(touching):
    box = [(20, 10), (20, 55), (39, 55), (39, 10)]
    touching[20:25, 50:60] = 8
    after = applied(touching, keep_outline(touching, 4, box, YX))
    assert np.count_nonzero(after == 4) == 20 * 46 - 5 * 6
    np.testing.assert_array_equal(after == 8, touching == 8)
    assert (after[40, 20], touching[40, 20]) == (0, 4)  # was outside, is background


def test_the_outline_may_reach_beyond_the_image(touching):
    after = applied(touching, keep_outline(touching, 9, [(-9, 58), (-9, 99), (3, 99), (3, 58)], YX))
    assert np.count_nonzero(after == 9) == 4 * (80 - 58)


def test_the_outlined_nucleus_is_the_one_with_most_pixels_inside(touching):
    box = np.array([(0, 30), (0, 79), (59, 79), (59, 30)])
    assert nucleus_inside(touching, box, YX) == 4
    assert nucleus_inside(touching, [*box[:2].tolist(), (10, 79), (10, 30)], YX) == 9
    with pytest.raises(InputError, match="holds no nucleus; to add one"):
        nucleus_inside(touching, [(50, 70), (50, 79), (59, 79)], YX)
    with pytest.raises(InputError, match="holds no pixel"):
        nucleus_inside(touching, [(90, 90), (90, 99), (99, 99)], YX)
    with pytest.raises(InputError, match="a click has no inside"):
        nucleus_inside(touching, [(5, 5), (5, 5)], YX)


def test_holes_are_filled_and_other_nuclei_in_them_kept():
    labels = np.zeros((2, 30, 30), np.int32)
    labels[:, 5:25, 5:25] = 1
    labels[:, 10:15, 10:15] = 0
    labels[:, 12, 12] = 2
    labels[:, 20, 3:9] = 0  # a bay, open to the outside
    after = applied(labels, fill_holes(labels, 1, (1, None, None)))
    assert np.count_nonzero(after[1] == 1) == 400 - 1 - 4
    np.testing.assert_array_equal(after[0], labels[0])
    with pytest.raises(InputError, match="Nucleus 1 has no hole in this plane"):
        fill_holes(after, 1, (1, None, None))


def test_ids_are_not_used_twice(touching):
    assert next_free_ids(touching) == [10]
    assert next_free_ids(touching, 2, reserved=40) == [41, 42]


def test_gaps_are_used_where_the_dtype_ends():
    labels = np.zeros((20, 20), np.uint8)
    labels[0, :3] = [1, 3, 255]
    assert next_free_ids(labels, 3) == [2, 4, 5]
    labels.reshape(-1)[:256] = np.arange(256)
    with pytest.raises(InputError, match="dtype uint8 have no free id: convert the layer"):
        next_free_ids(labels)


@pytest.mark.parametrize("shape", [(50, 70), (3, 50, 70), (2, 3, 50, 70)])
def test_windows_are_tight(shape):
    labels = np.zeros(shape, np.int32)
    labels[..., 10:13, 20:27] = 5
    expected = [slice(0, size) for size in shape[:-2]] + [slice(10, 13), slice(20, 27)]
    assert find_window(labels, 5) == tuple(expected)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((5, 5)), "must be integers .* received dtype float64"),
        (np.full((5, 5), -3), "must not have negative ids, received -3"),
        (np.zeros(5, int), "must have pixels in Y and X, received shape"),
        (np.zeros((0, 5), int), "must have pixels in Y and X"),
    ],
)
def test_labels_that_cannot_be_corrected(labels, message):
    with pytest.raises(InputError, match=message):
        check_labels(labels)
