"""Which axes are linked, in which order, and the table of nuclei."""

import numpy as np
import pytest
from drawn_stacks import centred, chains, stack

from napari_nucseg.errors import InputError
from napari_nucseg.linking import link_depth, link_labels, link_time, plane_step
from napari_nucseg.linking.features import describe_labels, describe_nuclei, track_points
from napari_nucseg.params import SegmentParams

DEPTH, TIME = SegmentParams(link_depth=True), SegmentParams(link_time=True)
BOTH = SegmentParams(link_depth=True, link_time=True)


@pytest.fixture
def movie():
    """Labels (T, Z, Y, X), 3 x 2: a still nucleus in both planes, and one that divides."""
    still = centred(12, (10, 10))
    mother, daughters = centred(14, (40, 30)), [(35, 19, 10), (35, 31, 10)]
    before, after = stack([[still, mother]] * 2), stack([[*daughters, still]] * 2)
    return np.stack([before, after, after])


def test_depth_of_a_stack_and_time_of_a_movie():
    labels = stack([[centred(10)], [(0, 0, 6), centred(10)], [centred(10)]])
    for axes, params, link in (("ZYX", DEPTH, link_depth), ("TYX", TIME, link_time)):
        linked = link_labels(labels, axes, params)
        np.testing.assert_array_equal(linked.labels, link(labels).labels)


def test_settings_are_passed_on():
    labels = stack([[centred(10)], [], [centred(10)], [(0, 10, 8)]])
    params = DEPTH.model_copy(update={"link_gap": 0})
    assert link_labels(labels, "ZYX", DEPTH).count == 2
    assert link_labels(labels, "ZYX", params).count == 3
    at_border = DEPTH.model_copy(update={"drop_border": True})
    assert link_labels(labels, "ZYX", at_border).count == 1
    often = DEPTH.model_copy(update={"min_planes": 2})
    assert link_labels(labels, "ZYX", often).count == 1
    shifted = stack([[(20, 20, 8)], [(24, 20, 8)]])  # see test_link_depth
    assert link_labels(shifted, "ZYX", DEPTH, step=1.0).count == 2
    assert link_labels(shifted, "ZYX", DEPTH, step=3.0).count == 1


def test_a_movie_of_stacks_is_linked_in_both(movie):
    linked = link_labels(movie, "TZYX", BOTH)
    assert linked.count == 4
    assert linked.parents == {3: 2, 4: 2}
    for plane in (0, 1):
        found = chains(movie[:, plane], linked.labels[:, plane])
        assert found == {(1, 3, 3), (2, 0, 0), (0, 1, 1), (0, 2, 2)}


def test_a_movie_of_stacks_is_linked_in_depth_only(movie):
    linked = link_labels(movie, "TZYX", DEPTH)
    assert (linked.count, linked.parents) == (2 + 3 + 3, {})
    np.testing.assert_array_equal(linked.labels[:, 0], linked.labels[:, 1])
    assert [frame.max() for frame in linked.labels] == [2, 5, 8]


def test_a_movie_of_stacks_is_linked_in_time_only(movie):
    linked = link_labels(movie, "TZYX", TIME)
    assert linked.count == 8  # four tracks in each plane
    assert linked.parents == {3: 2, 4: 2, 7: 6, 8: 6}
    assert not set(np.unique(linked.labels[:, 0])[1:]) & set(np.unique(linked.labels[:, 1])[1:])


@pytest.mark.parametrize("params", [DEPTH, TIME, BOTH])
def test_axes_in_another_order_give_the_same(movie, params):
    linked = link_labels(movie, "TZYX", params)
    swapped = link_labels(movie.transpose(1, 0, 2, 3), "ZTYX", params)
    np.testing.assert_array_equal(swapped.labels.transpose(1, 0, 2, 3), linked.labels)
    assert swapped.parents == linked.parents


@pytest.mark.parametrize(
    ("axes", "params", "message"),
    [
        ("TYX", DEPTH, "link_depth needs an image with the axis Z .depth., got the axes TYX"),
        ("ZYX", TIME, "link_time needs an image with the axis T .time., got the axes ZYX"),
        ("ZYX", BOTH, "pass axes, such as 'TYX'"),
    ],
)
def test_an_axis_that_the_labels_have_not(axes, params, message):
    with pytest.raises(InputError, match=message):
        link_labels(np.zeros((2, 9, 9), np.int32), axes, params)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((9, 9), int), r"must have the axes ZYX and pixels, got shape \(9, 9\)"),
        (np.zeros((0, 9, 9), int), r"and pixels, got shape \(0, 9, 9\)"),
        (np.zeros((2, 9, 9)), "must be integers .* got dtype float64"),
        (np.full((2, 9, 9), -3), "ids below 0, got -3"),
    ],
)
def test_labels_that_cannot_be_used(labels, message):
    with pytest.raises(InputError, match=message):
        link_depth(labels)
    with pytest.raises(InputError, match=message.replace("ZYX", "TYX or TZYX")):
        link_time(labels)


@pytest.mark.parametrize(
    ("pixel_size", "step"),
    [
        (None, 1.0),
        ({}, 1.0),
        ({"Y": 0.5, "X": 0.5}, 1.0),
        ({"Z": 1.0, "Y": 0.5, "X": 0.5}, 2.0),
        ({"Z": 1.0, "Y": 0.2, "X": 0.8}, 2.5),
        ({"Z": 0.0, "Y": 0.5, "X": 0.5}, 1.0),
    ],
)
def test_step_between_planes(pixel_size, step):
    assert plane_step(pixel_size) == pytest.approx(step)


def test_table_of_a_movie_of_stacks(movie):
    table = describe_nuclei(link_labels(movie, "TZYX", BOTH).links, "TZYX")
    assert {name: column.tolist() for name, column in table.items()} == {
        "index": [1, 2, 3, 4],
        "first_frame": [0, 0, 1, 1],
        "last_frame": [2, 0, 2, 2],
        "frames": [3, 1, 2, 2],
        "first_plane": [0, 0, 0, 0],
        "last_plane": [1, 1, 1, 1],
        "planes": [2, 2, 2, 2],
        "parent": [0, 0, 2, 2],
    }


@pytest.mark.parametrize("axes", ["TZYX", "ZTYX"])
def test_table_of_labels_is_the_same(movie, axes):
    labels = movie if axes == "TZYX" else movie.transpose(1, 0, 2, 3)
    linked = link_labels(labels, axes, BOTH)
    expected = describe_nuclei(linked.links, axes)
    found = describe_labels(linked.labels, axes, linked.parents)
    assert list(found) == list(expected)
    for name, column in expected.items():
        np.testing.assert_array_equal(found[name], column)


def test_table_counts_gaps():
    labels = stack([[], [centred(10)], [], [centred(10)]])
    table = describe_nuclei(link_depth(labels).links, "ZYX")
    assert [table[name].tolist() for name in ("first_plane", "last_plane", "planes")] == [
        [1],
        [3],
        [2],
    ]


def test_points_of_tracks(movie):
    linked = link_labels(movie, "TZYX", BOTH)
    points = track_points(linked.labels)
    assert points[:, :2].tolist() == [
        [1, 0], [1, 1], [1, 2], [2, 0], [3, 1], [3, 2], [4, 1], [4, 2],
    ]  # fmt: skip
    assert points[3].tolist() == [2, 0, 0.5, 39.5, 29.5]
