"""From planes to nuclei in 3D."""

import numpy as np
import pytest
from drawn_stacks import centred, chains, stack

from napari_nucseg.linking import link_depth
from napari_nucseg.sample_data import z_stack


def linked(planes, **options):
    labels = stack(planes)
    return chains(labels, link_depth(labels, **options).labels)


def test_a_column_is_one_nucleus():
    labels = stack([[centred(10)]] * 4)
    result = link_depth(labels)
    np.testing.assert_array_equal(result.labels, labels)
    assert (result.count, result.parents) == (1, {})


def test_ids_are_consecutive_in_order_of_the_first_plane():
    later, sooner = centred(10, (10, 10)), centred(10, (40, 40))
    labels = stack([[sooner], [later, sooner], [later]])
    result = link_depth(labels)
    assert result.labels.dtype == np.int32
    assert [np.unique(plane).tolist() for plane in result.labels] == [[0, 1], [0, 1, 2], [0, 2]]


def test_what_lies_apart_is_not_linked():
    assert linked([[centred(10, (10, 10))], [centred(10, (40, 40))]]) == {(1, 0), (0, 1)}


# Squares of side 8 that are shifted by 4 share 32 of 96 pixels: an overlap of 1/3.
SHIFTED = [[(20, 20, 8)], [(24, 20, 8)]]


@pytest.mark.parametrize(("overlap", "one"), [(0.3, True), (0.5, False)])
def test_overlap_that_is_asked_for(overlap, one):
    assert linked(SHIFTED, overlap=overlap) == ({(1, 1)} if one else {(1, 0), (0, 1)})


def test_thick_steps_need_less_overlap():
    # The diameter is 9.03 pixels: a step of 3 asks for 0.4 * (1 - 3 / 9.03) = 0.27
    assert linked(SHIFTED, overlap=0.4, step=1.0) == {(1, 0), (0, 1)}
    assert linked(SHIFTED, overlap=0.4, step=3.0) == {(1, 1)}


def test_one_to_one_with_the_best_sum():
    # The upper square overlaps both lower ones, the left one more.
    lower = [(20, 18, 8), (20, 26, 8)]
    assert linked([[(20, 20, 8)], lower]) == {(1, 1), (0, 2)}


def test_two_nuclei_of_a_plane_never_become_one():
    rng = np.random.default_rng(3)
    planes = [
        [(*rng.integers(0, 48, 2), int(rng.integers(4, 12))) for _ in range(12)] for _ in range(8)
    ]
    labels = stack(planes)
    for gap in (0, 2):
        result = link_depth(labels, overlap=0.05, gap=gap)
        found = chains(labels, result.labels)  # asserts it
        assert result.count == len(found)
        assert (result.labels > 0).sum() == (labels > 0).sum()


@pytest.mark.parametrize(("missing", "gap", "count"), [(1, 0, 2), (1, 1, 1), (2, 1, 2), (2, 2, 1)])
def test_gaps_are_closed(missing, gap, count):
    planes = [[centred(10)]] * 2 + [[]] * missing + [[centred(10)]] * 2
    assert len(linked(planes, gap=gap)) == count


def test_a_gap_is_not_jumped_where_the_next_plane_has_a_partner():
    # 2 of the middle plane is 1 of the first; 1 of the last goes on from it.
    planes = [[centred(10)], [(0, 0, 6), centred(10)], [centred(10)]]
    assert linked(planes, gap=1) == {(1, 2, 1), (0, 1, 0)}


# Sides of two touching nuclei in a column, 12 pixels wide where they are thickest.
WAIST = [8, 12, 12, 12, 8, 6, 8, 12, 12, 12, 8]


def test_a_column_with_a_waist_is_two_nuclei():
    found = linked([[centred(side)] for side in WAIST])
    assert found == {(1,) * 5 + (0,) * 6, (0,) * 5 + (1,) * 6}


def test_a_column_with_two_waists_is_three_nuclei():
    assert len(linked([[centred(side)] for side in WAIST + WAIST[5:]])) == 3


def test_a_nucleus_that_gets_thicker_and_thinner_has_no_waist():
    assert len(linked([[centred(side)] for side in (4, 6, 8, 10, 12, 12, 10, 8, 6, 4)])) == 1


def test_a_dent_in_a_flat_column_is_no_waist():
    # 3 planes on each side are 3 pixels thick, the nucleus 12 wide: less than 0.35 of 13.5.
    flat = [12, 12, 12, 8, 12, 12, 12]
    assert len(linked([[centred(side)] for side in flat])) == 1
    assert len(linked([[centred(side)] for side in flat], step=2.0)) == 2  # now 6 pixels thick


def test_a_cap_joins_its_nucleus():
    # Of 144 pixels a cap of 16 shares all of its own, but only a ninth of both.
    assert linked([[centred(4)], [centred(12)], [centred(12)]]) == {(1, 1, 1)}


def test_a_thick_piece_is_no_cap():
    tall = [[centred(4)]] * 6 + [[centred(12)]] * 6
    assert len(linked(tall)) == 2


def test_nuclei_in_few_planes_are_removed():
    often, once = centred(10, (10, 10)), centred(10, (40, 40))
    labels = stack([[often], [often, once], [often]])
    result = link_depth(labels, min_planes=2)
    assert result.count == 1
    np.testing.assert_array_equal(result.labels, np.where(labels == 1, 1, 0))


def test_what_the_border_cuts_goes_as_a_whole():
    planes = [[(0, 20, 10), (40, 40, 10)], [(1, 20, 10), (40, 40, 10)]]
    assert linked(planes, drop_border=True) == {(2, 2)}
    assert linked(planes) == {(1, 1), (2, 2)}


def test_ids_before_do_not_matter():
    sample = z_stack((12, 96, 96), seed=5)
    step = sample.pixel_size["Z"] / sample.pixel_size["Y"]
    rng = np.random.default_rng(0)
    top = int(sample.labels.max())
    shuffled = np.stack(
        [np.concatenate([[0], 1 + rng.permutation(top)])[plane] for plane in sample.labels]
    )
    result = link_depth(shuffled, step=step)
    assert result.count == len(np.unique(sample.labels)) - 1
    pairs = np.unique(np.stack([sample.labels.ravel(), result.labels.ravel()]), axis=1)
    assert pairs.shape[1] == result.count + 1  # the true nuclei, under other ids


def test_nothing_to_link():
    result = link_depth(np.zeros((3, 16, 16), np.int32))
    assert (result.count, result.labels.any()) == (0, False)
