"""Calibrated probabilities, and how calibration is measured."""

import keras
import numpy as np
import pytest
from keras import layers
from scipy.special import expit, logit

from napari_nucseg.training.calibration import calibrate, fit_scaling, reliability


def _pixels(slope, shift, count=200_000):
    """Return probabilities that are off by a known scaling, and what is true."""
    rng = np.random.default_rng(0)
    right = rng.uniform(0.02, 0.98, count)
    return expit((logit(right) - shift) / slope), rng.random(count) < right


def test_reliability_counts_pixels_in_equal_steps():
    probability = np.array([0.05, 0.05, 0.05, 0.05, 0.95, 0.95])
    true = np.array([False, False, False, True, True, True])

    measured = reliability(probability, true)

    assert measured.observed[0] == pytest.approx(1 / 4)
    assert measured.observed[9] == pytest.approx(1.0)
    assert measured.predicted[[0, 9]] == pytest.approx([0.05, 0.95])
    assert np.isnan(measured.observed[1:9]).all()
    assert measured.share == pytest.approx([4 / 6, *[0] * 8, 2 / 6])
    assert measured.error == pytest.approx(4 / 6 * 0.2 + 2 / 6 * 0.05)


def test_a_probability_of_one_lies_in_the_last_step():
    assert reliability(np.array([1.0]), np.array([True])).share[-1] == 1


@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.5, 0.0), (0.7, -0.4), (2.0, 1.0)])
def test_a_known_scaling_is_found(slope, shift):
    probability, true = _pixels(slope, shift)

    assert fit_scaling(probability, true) == pytest.approx((slope, shift), abs=0.03)


def test_scaled_probabilities_are_reliable():
    probability, true = _pixels(0.6, -0.5)
    slope, shift = fit_scaling(probability, true)

    assert reliability(probability, true).error > 0.05
    assert reliability(expit(slope * logit(probability) + shift), true).error < 0.005


def _network():
    """Return a network whose foreground is the logistic of four times its input."""
    image = keras.Input((None, None, 3))
    output = layers.Conv2D(1, 1, activation="sigmoid", name="foreground")(image)
    network = keras.Model(image, output)
    network.get_layer("foreground").set_weights(
        [np.array([4.0, 0, 0], np.float32).reshape(1, 1, 3, 1), np.zeros(1, np.float32)]
    )
    return network


def test_calibration_goes_into_the_weights_of_the_foreground():
    rng = np.random.default_rng(1)
    windows = np.zeros((4, 64, 64, 3), np.float32)
    windows[..., 0] = rng.uniform(-1, 1, (4, 64, 64))
    targets = np.zeros((4, 64, 64, 6), np.float32)
    targets[..., 0] = rng.random((4, 64, 64)) < expit(2 * windows[..., 0] - 0.5)
    targets[..., 4] = 1
    targets[0, ..., 4] = 0  # carries no loss: what is wrong there must not count
    targets[0, ..., 0] = 1
    network = _network()

    calibrate(network, windows, targets)

    kernel, bias = network.get_layer("foreground").get_weights()
    assert kernel[0, 0, 0, 0] == pytest.approx(2, abs=0.15)
    assert bias[0] == pytest.approx(-0.5, abs=0.1)


@pytest.mark.parametrize("truth", [0, 1])
def test_without_two_kinds_of_pixels_nothing_changes(truth):
    targets = np.ones((1, 32, 32, 6), np.float32)
    targets[..., 0] = truth
    network = _network()

    calibrate(network, np.zeros((1, 32, 32, 3), np.float32), targets)

    kernel, bias = network.get_layer("foreground").get_weights()
    assert kernel[0, 0, 0, 0] == 4
    assert bias[0] == 0
