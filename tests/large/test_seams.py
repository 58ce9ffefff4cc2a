"""Seams, on labels that are drawn: answers that can be counted by hand."""

import itertools

import numpy as np
import pytest

from napari_nucseg.errors import Cancelled, InputError
from napari_nucseg.large import numbering
from napari_nucseg.large.nuclei import Nuclei
from napari_nucseg.large.numbering import number_nuclei
from napari_nucseg.large.seams import SeamCounts
from napari_nucseg.preprocessing.blocks import BlockGrid

GRID = BlockGrid((), (64, 64), 32, 16)
"""Four blocks of a plane."""


def see(grid, labels, tolerance=4.0):
    """Return what each block finds if it sees `labels`."""
    found = []
    for index in range(len(grid)):
        block = grid.at(index)
        window = labels[(*block.plane, *block.outer)]
        _, seen = np.unique(window, return_inverse=True)
        seen = seen.reshape(window.shape) + (0 if (window == 0).any() else 1)
        nuclei = Nuclei.of(seen, block.outer, grid.shape)
        found.append(nuclei.take(nuclei.owned_by(block.inner, tolerance)))
    return found


def draw(grid, found, numbering):
    """Return the plane that the blocks draw together."""
    canvas = np.zeros(grid.shape, np.uint32)
    for index, nuclei in enumerate(found):
        nuclei.paint(
            canvas, (slice(0, grid.shape[0]), slice(0, grid.shape[1])), numbering.of(index)
        )
    return canvas


def number(grid, found):
    return number_nuclei(grid, lambda index: found[index])


def square(labels, number, row, column, side=10):
    labels[row : row + side, column : column + side] = number


def test_blocks_cover_every_plane_once():
    grid = BlockGrid((2, 3), (70, 100), 32, 16)
    covered = np.zeros((2, 3, 70, 100), int)
    for index in range(len(grid)):
        block = grid.at(index)
        assert block.index == index
        covered[(*block.plane, *block.inner)] += 1
        for inner, outer, length in zip(block.inner, block.outer, grid.shape, strict=True):
            assert outer.start == max(0, inner.start - 16)
            assert outer.stop == min(length, inner.stop + 16)
            assert outer.start % 16 == 0
    assert (covered == 1).all()
    assert len(grid) == 2 * 3 * 3 * 4
    assert grid.around(0) == [0, 1, 4, 5]
    assert grid.around(17) == [12, 13, 14, 16, 17, 18, 20, 21, 22]


def test_a_nucleus_on_a_seam_is_one_nucleus():
    labels = np.zeros((64, 64), np.int32)
    square(labels, 1, 27, 10)  # across the lower seam of the first block
    square(labels, 2, 27, 27)  # where all four meet
    square(labels, 3, 50, 50)
    found = see(GRID, labels)
    assert sum(map(len, found)) > 3  # neighbours have seen the same
    numbering = number(GRID, found)
    assert numbering.count == 3
    drawn = draw(GRID, found, numbering)
    np.testing.assert_array_equal(drawn > 0, labels > 0)
    assert len(np.unique(drawn)) == 4


def test_centres_that_neighbours_see_differently_are_not_lost():
    left, right = (np.zeros((64, 64), np.int32) for _ in range(2))
    square(left, 1, 10, 28)  # centre 32.5: belongs to the right
    square(right, 1, 10, 26)  # centre 30.5: belongs to the left
    found = see(GRID, left)
    found[1], found[3] = see(GRID, right)[1], see(GRID, right)[3]
    assert len(found[0]) == len(found[1]) == 1
    assert number(GRID, found).count == 1
    strict = see(GRID, left, 0)
    strict[1] = see(GRID, right, 0)[1]
    assert number(GRID, strict).count == 0  # what the tolerance is for


def test_neighbours_that_touch_are_both_kept():
    labels = np.zeros((64, 64), np.int32)
    square(labels, 1, 10, 22)
    square(labels, 2, 10, 32)
    found = see(GRID, labels)
    numbering = number(GRID, found)
    assert numbering.count == 2
    np.testing.assert_array_equal(draw(GRID, found, numbering) > 0, labels > 0)


def test_the_earlier_block_decides_where_blocks_disagree():
    one, two = (np.zeros((64, 64), np.int32) for _ in range(2))
    one[10:20, 26:38] = 1  # the left block sees one nucleus, centre 31.5
    two[10:20, 26:32], two[10:20, 32:38] = 1, 2  # the right block sees two
    found = see(GRID, one)
    found[1] = see(GRID, two)[1]
    assert [len(n) for n in found[:2]] == [1, 2]
    numbering = number(GRID, found)
    assert numbering.count == 1
    np.testing.assert_array_equal(draw(GRID, found, numbering) > 0, one > 0)


def test_ids_do_not_depend_on_the_order_in_which_blocks_are_drawn():
    labels = np.zeros((64, 64), np.int32)
    for number_, (row, column) in enumerate(itertools.product(range(3, 55, 13), repeat=2), 1):
        square(labels, number_, row, column, 11)
    found = see(GRID, labels)
    numbering = number(GRID, found)
    assert numbering.count == 16
    expected = draw(GRID, found, numbering)
    canvas = np.zeros(GRID.shape, np.uint32)
    for index in (3, 1, 0, 2):
        whole = (slice(0, 64), slice(0, 64))
        found[index].paint(canvas, whole, numbering.of(index))
    np.testing.assert_array_equal(canvas, expected)


def test_what_reaches_beyond_a_block_is_known():
    labels = np.zeros((64, 64), np.int32)
    labels[20:24, 4:50] = 1  # centre 27: the first block sees it up to column 48
    square(labels, 2, 0, 0)  # at the border of the image
    found = see(GRID, labels)
    assert found[0].cut.tolist() == [False, True] or found[0].cut.tolist() == [True, False]
    assert found[0].box(int(np.argmax(found[0].cut)))[1] == slice(4, 48)


def test_too_many_nuclei(monkeypatch):
    labels = np.zeros((64, 64), np.int32)
    square(labels, 1, 0, 0)
    square(labels, 2, 40, 40)
    monkeypatch.setattr(numbering, "LARGEST_ID", 1)
    with pytest.raises(InputError, match="2 nuclei; at most 1 ids"):
        number(GRID, see(GRID, labels))


def test_numbering_can_be_cancelled():
    found = see(GRID, np.zeros((64, 64), np.int32))
    with pytest.raises(Cancelled):
        number_nuclei(GRID, lambda index: found[index], lambda: True)


def test_nuclei_survive_the_disk(tmp_path):
    labels = np.zeros((64, 64), np.int32)
    labels[3, 3] = 1
    labels[10:20, 24:40] = np.tri(10, 16, dtype=int) * 2
    nuclei = see(GRID, labels)[0]
    nuclei.write(tmp_path / "n.npz")
    again = Nuclei.read(tmp_path / "n.npz")
    assert len(again) == len(nuclei) == 2
    for i in range(2):
        assert again.box(i) == nuclei.box(i)
        np.testing.assert_array_equal(again.mask(i), nuclei.mask(i))


def test_counts_at_seams():
    canvas = np.zeros((35, 34), np.uint32)
    window, inner = (slice(31, 66), slice(31, 65)), (slice(32, 66), slice(32, 65))
    canvas[0:4, 5:15] = 1  # 10 pairs across the upper seam continue
    canvas[1:4, 20:26] = 2  # 6 end there
    counts = SeamCounts.of(canvas, window, inner)
    assert (counts.seam_pixels, counts.seam_ends) == (16, 6)
    assert counts.at_seams == 6 / 16
    # At the border of the image there is no seam.
    border = SeamCounts.of(canvas, (slice(0, 35), slice(0, 34)), (slice(0, 35), slice(0, 34)))
    assert (border.seam_pixels, border.seam_ends) == (0, 0)
    assert counts + border == SeamCounts(
        16, 6, counts.inside_pixels + border.inside_pixels, counts.inside_ends + border.inside_ends
    )


def test_a_nucleus_that_others_cover_has_no_id():
    """Three nuclei of earlier blocks cover a fourth one, none of them by more than half."""
    seen = [np.zeros((64, 64), np.int32) for _ in range(4)]
    square(seen[3], 1, 30, 30, 8)  # centre 33.5: of the last block
    square(seen[3], 2, 45, 45)
    square(seen[0], 1, 26, 26, 8)  # the upper left quarter
    seen[1][26:34, 34:42] = 1  # the upper right one
    seen[2][34:38, 26:38] = 1  # the lower half
    found = [see(GRID, labels)[index] for index, labels in enumerate(seen)]
    assert [len(nuclei) for nuclei in found] == [1, 1, 1, 2]
    numbering = number(GRID, found)
    assert numbering.of(3).tolist() == [0, 4]
    drawn = draw(GRID, found, numbering)
    assert np.unique(drawn).tolist() == list(range(numbering.count + 1)) == [0, 1, 2, 3, 4]
    found[2] = found[2].take(np.zeros(1, bool))
    assert number(GRID, found).of(3).tolist() == [3, 4]  # its lower half is seen


def test_a_nucleus_covered_from_two_blocks_away():
    grid = BlockGrid((), (32, 96), 32, 32)
    first, second, third = (np.zeros((32, 96), np.int32) for _ in range(3))
    first[10:20, 20:42] = 1  # centre 30.5
    second[10:20, 50:62] = 1  # centre 55.5
    third[10:20, 34:90] = 1
    third[10:20, 42:90] = 0
    found = [see(grid, labels, 30)[i] for i, labels in enumerate((first, second, third))]
    assert [len(nuclei) for nuclei in found] == [1, 1, 1]
    assert number(grid, found).ids.tolist() == [1, 2, 0]
