import math

import numpy as np
import pytest
from scipy.ndimage import label

from napari_nucseg.correction.doubt import BORDER, rank_nuclei
from napari_nucseg.correction.nuclei import mean_inside, measure_runs
from napari_nucseg.correction.parts import find_parts, separate_parts
from napari_nucseg.correction.runs import connected_parts, find_runs
from napari_nucseg.errors import Cancelled, InputError


@pytest.fixture
def squares():
    """Nine squares of 8 x 8, ids 1 to 9."""
    labels = np.zeros((60, 60), np.int32)
    for number in range(9):
        row, column = 5 + 18 * (number // 3), 5 + 18 * (number % 3)
        labels[row : row + 8, column : column + 8] = number + 1
    return labels


def test_measures_of_boxes():
    labels = np.zeros((3, 20, 30), np.int64)
    labels[0, 2:5, 4:10] = 7
    labels[1, 2:5, 4:10] = 7
    labels[2, 19, 29] = 3
    nuclei = measure_runs(find_runs(labels))
    assert nuclei.ids.tolist() == [3, 7]
    assert nuclei.areas.tolist() == [1, 36]
    assert nuclei.centres.tolist() == [[2, 19, 29], [0.5, 3, 6.5]]
    assert nuclei.window(1) == (slice(0, 2), slice(2, 5), slice(4, 10))
    image = np.zeros(labels.shape)
    image[1, 2:5, 4:10] = 0.5
    assert mean_inside(find_runs(labels), nuclei, image).tolist() == [0, 0.25]


def test_measures_equal_those_of_scikit_image():
    from skimage.measure import regionprops

    random = np.random.default_rng(4)
    labels = random.integers(0, 6, (4, 17, 23))
    nuclei = measure_runs(find_runs(labels))
    for number, region in enumerate(regionprops(labels)):
        assert nuclei.ids[number] == region.label
        assert nuclei.areas[number] == region.area
        np.testing.assert_allclose(nuclei.centres[number], region.centroid)
        assert nuclei.window(number) == region.slice


@pytest.mark.parametrize("shape", [(31, 37), (5, 19, 23), (2, 3, 11, 13)])
def test_connected_parts_equal_those_of_scipy(shape):
    labels = np.random.default_rng(7).integers(0, 4, shape)
    runs = find_runs(labels)
    found = np.zeros(shape, int)
    for nucleus in (1, 2, 3):
        parts, _ = label(labels == nucleus, np.ones([3] * len(shape)))
        found += np.where(parts, parts + 10_000 * nucleus, 0)
    expected = found.reshape(-1)[runs.starts]
    pairs = set(zip(connected_parts(runs).tolist(), expected.tolist(), strict=True))
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def test_no_nuclei():
    assert rank_nuclei(np.zeros((9, 9), int)) == ()
    assert len(measure_runs(find_runs(np.zeros((2, 9, 9), int)))) == 0
    assert find_parts(np.zeros((9, 9), int)).scattered() == []


def test_equal_convex_nuclei_raise_no_doubt(squares):
    ranked = rank_nuclei(squares)
    assert [doubt.nucleus for doubt in ranked] == list(range(1, 10))
    assert {(doubt.score, doubt.reason) for doubt in ranked} == {(0, "")}
    assert ranked[4].centre == (26.5, 26.5)
    assert ranked[4].window == (slice(23, 31), slice(23, 31))


def test_border_contact(squares):
    squares[30:38, 52:60] = 10
    first = rank_nuclei(squares)[0]
    assert (first.nucleus, first.reason) == (10, "cut by the border")
    assert first.score == pytest.approx(BORDER)


def test_what_is_odd_inside_comes_before_what_the_border_cuts(squares):
    squares[30:38, 56:60] = 10  # half of a square
    squares[squares == 5] = 0
    squares[23:31, 23:27] = 5
    inside, cut = rank_nuclei(squares)[:2]
    distance = math.log(2) / 0.1
    small = distance / (distance + 3)
    assert (inside.nucleus, cut.nucleus) == (5, 10)
    assert inside.score == pytest.approx(small)
    assert cut.score == pytest.approx(1 - (1 - small / 2) * (1 - BORDER))
    assert cut.reason == "small (0.5 x median), cut by the border"


def test_a_large_nucleus_is_as_odd_at_the_border(squares):
    squares[28:44, 44:60] = 10
    first = rank_nuclei(squares)[0]
    distance = math.log(4) / 0.1
    assert first.score == pytest.approx(1 - (1 - distance / (distance + 3)) * (1 - BORDER))


def test_odd_size(squares):
    squares[squares == 5] = 0
    squares[23:25, 23:31] = 5  # a quarter of 64 pixels
    first = rank_nuclei(squares)[0]
    assert (first.nucleus, first.reason) == (5, "small (0.25 x median)")
    distance = math.log(4) / 0.1
    assert first.score == pytest.approx(distance / (distance + 3))


def test_odd_shape(squares):
    squares[23:29, 25:31] = 0  # of 8 x 8 an L of width 2 remains
    first = rank_nuclei(squares)[0]
    assert first.nucleus == 5
    # hull: the square without the triangle beyond the line from (8, 2) to (2, 8)
    assert "ragged (fills 61% of its hull)" in first.reason
    assert round(28 / (64 - 6 * 6 / 2), 2) == 0.61


def test_low_probability_comes_first(squares):
    probability = np.where(squares == 7, 0.6, 1.0)
    first, second, *_ = rank_nuclei(squares, probability)
    assert (first.nucleus, first.reason) == (7, "faint (probability 0.60)")
    assert first.score == pytest.approx(0.8)
    assert second.score == 0


def test_a_nucleus_all_over_the_place(squares):
    wide = np.zeros((400, 400), np.int32)
    wide[:60, :60] = squares
    wide[390:398, 390:398] = 4
    reasons = {doubt.nucleus: doubt.reason for doubt in rank_nuclei(wide)}
    assert "in several places" in reasons[4]


def test_stacks_use_the_largest_plane(squares):
    ranked = rank_nuclei(np.stack([squares, squares * (squares == 5)]))
    assert ranked[0].nucleus == 5
    assert ranked[0].reason == "large (2 x median)"
    assert ranked[0].centre == (0, 26.5, 26.5)


def test_the_centre_lies_in_the_plane_with_most_of_it(squares):
    stack = np.stack([squares, squares, squares])
    stack[2, 23:25, 23:31] = 0  # 5 lies in the planes 0, 1 and less in 2
    stack[0][stack[0] == 4] = 0  # 4 lies in the planes 1 and 2
    stack[1, 23:31, 12] = 4
    centres = {doubt.nucleus: doubt.centre for doubt in rank_nuclei(stack)}
    assert centres[5] == (0, 26.5, 26.5)
    assert centres[4][0] == 1
    for nucleus, centre in centres.items():
        assert stack[tuple(int(index) for index in centre)] == nucleus


def test_each_frame_of_a_movie_is_looked_at_by_itself(squares):
    movie = np.stack([squares, squares, squares])
    movie[1][movie[1] == 5] = 0
    movie[1, 23:25, 23:31] = 5  # a quarter, in the middle frame only
    first, second, *_ = rank_nuclei(movie, time_axis=0)
    assert (first.nucleus, first.frame, first.reason) == (5, 1, "small (0.25 x median)")
    assert first.centre == (1, 23.5, 26.5)
    assert first.window == (slice(1, 2), slice(23, 25), slice(23, 31))
    assert second.score == 0
    assert len(rank_nuclei(movie, time_axis=0)) == 27
    assert len(rank_nuclei(movie)) == 9


def test_sizes_are_compared_within_a_frame(squares):
    grown = np.kron(squares, np.ones((2, 2), np.int32))
    small = np.zeros_like(grown)
    small[: squares.shape[0], : squares.shape[1]] = squares
    movie = np.stack([grown, small])
    assert {doubt.score for doubt in rank_nuclei(movie, time_axis=0)} == {0}
    few = movie.copy()
    few[1][few[1] > 3] = 0  # three nuclei tell little about their frame
    assert {d.frame for d in rank_nuclei(few, time_axis=0) if d.score > 0.5} == {1}


def test_ranking_can_be_cancelled(squares):
    with pytest.raises(Cancelled):
        rank_nuclei(squares, cancelled=lambda: True)


def test_ids_in_several_places_get_their_own(squares):
    squares[squares == 9] = 1
    squares[squares == 8] = 1
    parts = find_parts(squares)
    assert parts.scattered() == [1]
    edit = separate_parts(squares, gap=True, reserved=20)
    squares[edit.indices] = edit.new
    assert edit.nuclei == (21, 22)
    assert np.unique(squares).tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 21, 22]
    assert all(np.count_nonzero(squares == nucleus) == 64 for nucleus in (1, 21, 22))
    with pytest.raises(InputError, match="Every nucleus is in one place only"):
        separate_parts(squares, gap=True)


def test_a_crumb_beside_a_nucleus_is_not_another_place(squares):
    squares[15, 9] = 1  # two pixels below; the diameter is 9
    assert find_parts(squares).scattered() == []
    assert find_parts(squares, gap=False).scattered() == [1]
    edit = separate_parts(squares, 1)
    assert (edit.size, edit.nuclei) == (1, (1, 10))
    assert [int(i[0]) for i in edit.indices] == [15, 9]
    with pytest.raises(InputError, match="Nucleus 2 is in one place only"):
        separate_parts(squares, 2)


def test_in_volumes_near_means_nearer_than_the_diameter_of_a_ball():
    volume = np.zeros((20, 30, 60), np.int32)
    volume[:, :20, :20] = 1  # 8000 voxels: a ball of diameter 24.8, a disk of 100.9
    volume[5, 5, 19 + 24] = 1
    assert find_parts(volume).scattered() == []
    volume[5, 5, 19 + 24] = 0
    volume[5, 5, 19 + 26] = 1
    assert find_parts(volume).scattered() == [1]


def test_tracks_keep_their_id(squares):
    squares = np.pad(squares, ((0, 0), (0, 20)))
    movie = np.stack([squares, np.roll(squares, 18, axis=1)])  # 1 moved to where 2 was
    assert set(find_parts(movie).scattered()) == set(range(1, 10))
    assert find_parts(movie, time_axis=0).scattered() == []
    movie[1][movie[1] == 6] = 4  # two places in the second frame
    assert find_parts(movie, time_axis=0).scattered() == [4]
    edit = separate_parts(movie, 4, time_axis=0)
    assert edit.size == 64
    assert set(edit.indices[0].tolist()) == {1}
