"""What the network learns, on drawn nuclei."""

import numpy as np
import pytest

from napari_nucseg.model.config import OFFSET_UNIT
from napari_nucseg.training.targets import make_targets, touching


def _disk(shape, row, column, radius):
    rows, columns = np.indices(shape)
    return ((rows - row) ** 2 + (columns - column) ** 2 <= radius**2).astype(np.int32)


def _targets(labels, valid=None):
    valid = np.ones(labels.shape, bool) if valid is None else valid
    return make_targets(labels, valid)


def test_foreground_is_every_nucleus():
    labels = _disk((40, 40), 12, 12, 5) + 7 * _disk((40, 40), 30, 28, 6)

    np.testing.assert_array_equal(_targets(labels)[..., 0], labels > 0)


def test_distance_is_one_at_the_centre_of_a_disk_and_falls_to_its_border():
    distance = _targets(_disk((41, 41), 20, 20, 12))[..., 1]

    assert distance[20, 20] == 1.0
    assert distance.max() == 1.0
    assert (distance[20, 20:33] > 0).all()
    assert (np.diff(distance[20, 20:34]) < 0).all()
    # 13 pixels from the centre to the first one outside: about a straight line.
    np.testing.assert_allclose(distance[20, 20:34], 1 - np.arange(14) / 13, atol=0.06)


def test_offsets_point_exactly_to_the_centroid():
    labels = _disk((50, 60), 21, 33, 11)
    labels[:, :30] = 0  # no longer symmetric
    rows, columns = np.nonzero(labels)

    targets = _targets(labels)[rows, columns]

    np.testing.assert_allclose(rows + targets[:, 2] * OFFSET_UNIT, rows.mean(), atol=1e-4)
    np.testing.assert_allclose(columns + targets[:, 3] * OFFSET_UNIT, columns.mean(), atol=1e-4)


def test_every_nucleus_has_its_own_centre():
    labels = np.zeros((20, 40), np.int32)
    labels[5:14, 5:14] = 1
    labels[5:14, 14:35] = 2  # they touch

    targets = _targets(labels)

    np.testing.assert_allclose(targets[9, [5, 9, 13], 3] * OFFSET_UNIT, [4, 0, -4])
    np.testing.assert_allclose(targets[9, [14, 24, 34], 3] * OFFSET_UNIT, [10, 0, -10])


def test_background_has_no_distance_offset_or_offset_weight():
    labels = _disk((30, 30), 15, 15, 6)

    background = _targets(labels)[labels == 0]

    assert not background[:, [0, 1, 2, 3, 5]].any()
    assert (background[:, 4] == 1).all()


def test_touching_nuclei_weigh_more_in_the_offset_loss_as_wholes():
    labels = (
        _disk((30, 60), 15, 10, 8) + 2 * _disk((30, 60), 15, 27, 8) + 3 * _disk((30, 60), 15, 48, 8)
    )
    valid = np.ones(labels.shape, bool)
    valid[:, :5] = False

    usual = make_targets(labels, valid)[..., 5]
    moved = make_targets(labels, valid, touching_offset=3.0)[..., 5]

    touch = (labels == 1) | (labels == 2)  # one pixel lies between them
    np.testing.assert_allclose(moved[touch], 4 * usual[touch])
    np.testing.assert_array_equal(moved[~touch], usual[~touch])
    assert (moved[:, :5] == 0).all()


def test_pixels_between_touching_nuclei_weigh_more():
    labels = np.zeros((20, 30), np.int32)
    labels[4:16, 5:14] = 1
    labels[4:16, 15:25] = 2  # one pixel of background, column 14, between them

    weight = make_targets(labels, np.ones(labels.shape, bool), touching_weight=4.0)[..., 4]

    assert (weight[10, 13:16] == 5).all()
    assert (weight[10, :12] == 1).all()
    assert (weight[10, 18:] == 1).all()


def test_a_single_nucleus_touches_none():
    assert not touching(_disk((30, 30), 15, 15, 8)).any()
    assert not touching(np.zeros((8, 8), np.int32)).any()
    assert not touching(np.ones((8, 8), np.int32)).any()


def test_offsets_of_all_nuclei_weigh_by_their_diameter():
    labels = _disk((80, 80), 20, 20, 8) + 2 * _disk((80, 80), 55, 55, 16)

    weight = _targets(labels)[..., 5]

    totals = [weight[labels == label].sum() for label in (1, 2)]
    areas = [(labels == label).sum() for label in (1, 2)]
    # area x unit / diameter, diameter = sqrt(4 area / pi)
    expected = [OFFSET_UNIT * np.sqrt(np.pi * area / 4) for area in areas]
    np.testing.assert_allclose(totals, expected, rtol=1e-5)


def test_invalid_pixels_have_no_weight():
    labels = _disk((30, 30), 15, 15, 8)
    valid = np.zeros(labels.shape, bool)
    valid[:, :15] = True

    targets = _targets(labels, valid)

    assert not targets[:, 15:, 4:].any()
    assert (targets[:, :15, 4] > 0).all()


def test_labels_may_have_gaps_and_planes_may_be_empty():
    labels = 9 * _disk((30, 30), 15, 15, 4)

    np.testing.assert_array_equal(_targets(labels), _targets(labels // 9))
    assert not _targets(np.zeros((8, 8), np.int32))[..., [0, 1, 2, 3, 5]].any()


@pytest.mark.parametrize("pixels", [[(0, 0)], [(3, 3), (3, 4)]])
def test_a_nucleus_of_a_pixel_or_two_is_finite(pixels):
    labels = np.zeros((6, 6), np.int32)
    for pixel in pixels:
        labels[pixel] = 1

    targets = _targets(labels)

    assert np.isfinite(targets).all()
    assert targets[..., 1].max() == 1.0
