"""What is held out: whole areas, never a nucleus on both sides, never nothing."""

import numpy as np
import pytest
from finetune_data import SPACING, disks, reviewed_row

from napari_nucseg.errors import DatasetError
from napari_nucseg.training.finetune import split as split_module
from napari_nucseg.training.finetune.split import (
    MIN_HELD_OUT,
    MIN_TRAINING,
    nuclei_inside,
    plan_split,
)


def blocks(shape, *boxes):
    """Return a mask (Y, X) that is true in boxes (top, left, bottom, right) in units of disks."""
    mask = np.zeros(shape, bool)
    for box in boxes:
        top, left, bottom, right = (SPACING * edge for edge in box)
        mask[top:bottom, left:right] = True
    return mask


def check_apart(rows, split):
    """Check that training and held-out pixels are reviewed and share no nucleus."""
    for row, training, held_out in zip(rows, split.training, split.held_out, strict=True):
        assert not (training & held_out).any()
        assert not ((training | held_out) & ~row.reviewed).any()
        both = np.intersect1d(row.labels[training], row.labels[held_out])
        assert not both[both > 0].size


def test_a_single_region_is_cut_across_its_longer_side():
    row = reviewed_row(rows=4, columns=10)

    split = plan_split([row])

    (area,) = split.areas
    top, left, bottom, right = area.box
    assert (top, bottom) == (0, 4 * SPACING)
    assert right == 10 * SPACING
    assert left in range(8 * SPACING - 2, 8 * SPACING + 2)  # between two columns
    assert split.held_out_nuclei == 8
    assert split.training_nuclei == 32
    check_apart([row], split)


def test_a_tall_region_is_cut_across_its_height():
    row = reviewed_row(rows=10, columns=4)

    (area,) = plan_split([row]).areas

    assert (area.box[1], area.box[3]) == (0, 4 * SPACING)
    assert area.box[0] > 7 * SPACING


def test_of_several_regions_a_whole_one_is_held_out():
    mask = blocks((240, 480), (0, 0, 4, 6), (6, 0, 10, 6), (1, 8, 4, 12))
    row = reviewed_row(rows=10, columns=20, reviewed=mask)

    split = plan_split([row])

    (area,) = split.areas  # 12 of 60 nuclei
    assert area.box == (SPACING, 8 * SPACING, 4 * SPACING, 12 * SPACING)
    assert area.nuclei == 12
    assert split.training_nuclei == 48
    np.testing.assert_array_equal(split.held_out[0], mask & (np.arange(480) >= 8 * SPACING))
    assert str(area) == "'a' rows 24 to 95, columns 192 to 287 (12 nuclei)"


def test_of_two_images_one_is_held_out_whole():
    rows = [reviewed_row("a", columns=12), reviewed_row("b", columns=3)]

    split = plan_split(rows)

    assert [area.image for area in split.areas] == ["b"]
    assert split.held_out[1].all()
    assert not split.held_out[0].any()
    assert (split.training_nuclei, split.held_out_nuclei) == (48, 12)


def test_a_whole_image_of_two_alike_would_be_too_much():
    rows = [reviewed_row("a"), reviewed_row("b", columns=4)]  # 16 of 40 nuclei would be 40 %

    split = plan_split(rows)

    (area,) = split.areas
    assert area.image == "a"
    assert area.nuclei == 8  # the last two columns of the larger one
    assert not split.held_out[1].any()
    check_apart(rows, split)


def test_many_small_regions_are_collected():
    boxes = [(2 * i, 2 * j, 2 * i + 1, 2 * j + 1) for i in range(5) for j in range(8)]
    row = reviewed_row(rows=10, columns=16, reviewed=blocks((240, 384), *boxes))

    split = plan_split([row])

    assert len(split.areas) == split.held_out_nuclei == 9  # 22 % of 40
    assert split.training_nuclei == 31
    check_apart([row], split)


def test_a_region_that_holds_nearly_everything_is_cut():
    mask = blocks((240, 480), (0, 0, 10, 10), (0, 19, 1, 20))
    row = reviewed_row(rows=10, columns=20, reviewed=mask)

    split = plan_split([row])

    assert split.held_out_nuclei == 20
    check_apart([row], split)


def test_of_huge_regions_a_part_is_enough(monkeypatch):
    monkeypatch.setattr(split_module, "MOST_HELD_OUT", 10)
    rows = [reviewed_row("a", rows=5), reviewed_row("b", rows=6)]

    split = plan_split(rows)

    (area,) = split.areas
    assert area.image == "b"
    assert area.nuclei == 12  # two columns of six, as 10 would cut through nuclei
    check_apart(rows, split)


def test_regions_that_nearly_touch_share_no_nucleus():
    mask = np.ones((96, 288), bool)
    mask[:, 60] = False  # through the middle of a column of nuclei
    row = reviewed_row(rows=4, columns=12, reviewed=mask)

    split = plan_split([row])

    (area,) = split.areas
    assert (area.box[1], area.box[3]) == (0, 60)  # the whole left one
    assert split.held_out_nuclei >= 8
    check_apart([row], split)


def test_the_split_depends_on_the_rows_alone():
    first, second = (plan_split([reviewed_row(columns=8)]) for _ in range(2))

    assert first.areas == second.areas
    np.testing.assert_array_equal(first.training[0], second.training[0])


def test_a_nucleus_counts_where_half_of_it_lies():
    labels = disks(1, 3)
    mask = np.zeros(labels.shape, bool)
    mask[:, :37] = True  # all of the first nucleus, a little more than half of the second

    np.testing.assert_array_equal(nuclei_inside(labels, mask), [1, 2])
    np.testing.assert_array_equal(nuclei_inside(labels, np.roll(mask, -2, axis=1)), [1])


@pytest.mark.parametrize(
    ("rows", "columns", "reviewed", "message"),
    [
        (4, 6, [], "Nothing is marked as reviewed in 'a'"),
        (1, 1, [(0, 0, 1, 1)], "reviewed regions of 'a' hold 1 nucleus; at least 8 are needed"),
        (4, 6, [(0, 0, 1, 7)], "hold 6 nuclei; at least 8 are needed, 5 to learn from and 3 to"),
        (2, 4, [(0, 0, 2, 4)], "apart from the strip between them, 4 and 2 lie"),
    ],
)
def test_too_little_is_explained(rows, columns, reviewed, message):
    row = reviewed_row(rows=rows, columns=columns)
    mask = blocks(row.labels.shape, *reviewed)

    with pytest.raises(DatasetError, match=message):
        plan_split([reviewed_row(rows=rows, columns=columns, reviewed=mask)])


def test_background_alone_is_too_little():
    row = reviewed_row()
    mask = blocks(row.labels.shape, (0, 0, 4, 6)) & (row.labels == 0)

    with pytest.raises(DatasetError, match="hold no nucleus; at least 8 are needed"):
        plan_split([reviewed_row(reviewed=mask)])


def test_there_is_always_something_to_score_with():
    for columns in range(1, 12):
        for rows in (1, 2, 5):
            try:
                split = plan_split([reviewed_row(rows=rows, columns=columns)])
            except DatasetError:
                continue
            assert split.held_out_nuclei >= MIN_HELD_OUT
            assert split.training_nuclei >= MIN_TRAINING
