"""Losses and metrics on tensors small enough for a pocket calculator."""

import math

import keras
import numpy as np
import pytest

from napari_nucseg.model.losses import MapsLoss, offset_error, pixel_accuracy

ALL = ("foreground", "distance", "offset")


def _target(foreground, distance=0.0, offset=(0.0, 0.0), weight=1.0, offset_weight=0.0):
    """Return one pixel's six target channels."""
    return [foreground, distance, *offset, weight, offset_weight]


def _row(*pixels):
    """Return (1, 1, X, channels)."""
    return np.array(pixels, np.float32)[None, None]


def test_cross_entropy_is_the_mean_over_the_weights():
    true = _row(_target(1, weight=1), _target(0, weight=3))
    predicted = _row([0.8], [0.4])

    loss = MapsLoss(("foreground",), dice=0.0)(true, predicted)

    expected = (1 * -math.log(0.8) + 3 * -math.log(0.6)) / 4
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_dice_is_one_minus_the_overlap():
    true = _row(_target(1), _target(0))
    predicted = _row([0.8], [0.4])
    only = [float(MapsLoss(("foreground",), dice=dice)(true, predicted)) for dice in (0.0, 1.0)]

    # (2 x 0.8 + 1) / (1 + 1.2 + 1)
    assert only[1] - only[0] == pytest.approx(1 - 2.6 / 3.2, rel=1e-5)


def test_distance_is_the_absolute_error_over_the_weights():
    true = _row(_target(1, distance=1.0, weight=1), _target(1, distance=0.5, weight=3))
    predicted = _row([1, 0.8], [1, 0.4])
    without = MapsLoss(("foreground",))(true, predicted[..., :1])

    loss = MapsLoss(("foreground", "distance"), distance=2.0)(true, predicted)

    assert float(loss) - float(without) == pytest.approx(2 * (0.2 + 3 * 0.1) / 4, rel=1e-4)


def test_offsets_count_inside_nuclei_by_their_own_weight():
    true = _row(
        _target(1, offset=(1, -1), offset_weight=1),
        _target(1, offset=(0, 0), offset_weight=3),
        _target(0, offset=(0, 0), offset_weight=0),
    )
    predicted = _row([1, 0.5, -1], [1, 0, 0.2], [0, 50, 50])
    without = MapsLoss(("foreground",))(true, predicted[..., :1])

    loss = MapsLoss(("foreground", "offset"), offset=2.0)(true, predicted)

    # (0.5 + 0) / 2 of weight 1, (0 + 0.2) / 2 of weight 3, background of weight 0
    expected = 2 * (0.25 * 1 + 0.1 * 3) / 4
    assert float(loss) - float(without) == pytest.approx(expected, rel=1e-4)


def test_pixels_of_weight_zero_carry_no_loss():
    rng = np.random.default_rng(0)
    true = rng.uniform(0, 1, (2, 4, 4, 6)).astype(np.float32)
    true[..., 0] = np.round(true[..., 0])
    true[:, 2:, :, 4:] = 0.0
    predicted = rng.uniform(0.1, 0.9, (2, 4, 4, 4)).astype(np.float32)
    changed = predicted.copy()
    changed[:, 2:] = 1 - changed[:, 2:]
    loss = MapsLoss(ALL)

    assert float(loss(true, changed)) == float(loss(true, predicted))
    assert float(pixel_accuracy(true, changed)) == float(pixel_accuracy(true, predicted))
    assert float(offset_error(true, changed)) == float(offset_error(true, predicted))


def test_a_perfect_prediction_has_almost_no_loss():
    true = _row(_target(1, distance=1.0, offset=(0.3, -2), offset_weight=1), _target(0), _target(1))

    assert float(MapsLoss(ALL)(true, true[..., :4])) == pytest.approx(0.0, abs=1e-4)


def test_all_background_is_finite():
    true = np.zeros((1, 2, 2, 6), np.float32)

    assert np.isfinite(float(MapsLoss(ALL)(true, np.zeros((1, 2, 2, 4), np.float32))))


def test_pixel_accuracy_counts_valid_pixels_alike():
    true = _row(
        _target(1, weight=5), _target(1, weight=1), _target(0, weight=1), _target(0, weight=0)
    )
    predicted = _row([0.9], [0.2], [0.1], [0.9])

    assert float(pixel_accuracy(true, predicted)) == pytest.approx(2 / 3, rel=1e-5)


def test_offset_error_is_in_diameters():
    # Weight 16 px / 32 px: an error of (1, 0) units is 16 px, half a diameter; halved by the mean.
    true = _row(_target(1, offset=(0, 0), offset_weight=0.5), _target(0))

    assert float(offset_error(true, _row([1, 0, 1, 0], [0, 0, 9, 9]))) == pytest.approx(
        0.25, rel=1e-4
    )


def test_the_loss_survives_its_config():
    loss = MapsLoss(("foreground", "distance"), dice=0.5, distance=3.0)
    true = _row(_target(1, distance=1.0), _target(0))
    predicted = _row([0.8, 0.7], [0.4, 0.1])

    again = keras.losses.deserialize(keras.losses.serialize(loss))

    assert float(again(true, predicted)) == float(loss(true, predicted))
