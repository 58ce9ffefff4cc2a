"""Two numbers that scale the foreground of a tuned model, taken from the held-out areas."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from scipy.special import expit, logit

from napari_nucseg.training.calibration import reliability
from napari_nucseg.training.finetune.messages import Scores
from napari_nucseg.training.finetune.recalibration import HALF_TRUSTED, recalibrate, scaled

HEIGHT, WIDTH = 60, 80


def area_of(true, valid=None):
    targets = np.zeros((*true.shape, 6), np.float32)
    targets[..., 0] = true
    targets[..., 4] = 1 if valid is None else valid
    return SimpleNamespace(targets=targets)


def result_of(*probabilities, nuclei=1000, aps=(0.5, 0.5)):
    """Return a function that examines; the AP before and after can be given."""
    later = iter(aps)

    def examine():
        scores = Scores(
            f1=0.5, ap=next(later), mean_ap=0.5, true_nuclei=nuclei, predicted_nuclei=nuclei
        )
        return SimpleNamespace(maps=tuple(p[..., None] for p in probabilities), scores=scores)

    return examine


@pytest.fixture
def network():
    """A network with one layer: the foreground of one channel, weight 2 and bias 1."""
    image = keras.Input((None, None, 1))
    head = keras.layers.Conv2D(1, 1, activation="sigmoid", name="foreground")
    made = keras.Model(image, head(image))
    head.set_weights([np.full((1, 1, 1, 1), 2.0), np.ones(1)])
    return made


def weights(network):
    return [float(w.ravel()[0]) for w in network.get_layer("foreground").get_weights()]


def drawn(sharpness, seed=0):
    """Return truth drawn from known probabilities, and what a network too sure by so much says."""
    random = np.random.default_rng(seed)
    honest = random.uniform(0.05, 0.95, (HEIGHT, WIDTH))
    return random.random(honest.shape) < honest, expit(sharpness * logit(honest))


def test_a_network_that_is_too_sure_is_mended(network):
    true, said = drawn(3.0)

    text = recalibrate(network, [area_of(true)], result_of(said))

    slope, shift = weights(network)[0] / 2, weights(network)[1] - weights(network)[0] / 2
    assert slope == pytest.approx(1 / 3, abs=0.03)
    assert shift == pytest.approx(0, abs=0.1)
    errors = [
        reliability(p.ravel(), true.ravel()).error for p in (said, scaled(said, slope, shift))
    ]
    assert errors[1] < 0.03 < 0.1 < errors[0]
    assert text.startswith("Probabilities were calibrated on the held-out pixels")
    assert f"{errors[0]:.3f} before" in text


def test_few_nuclei_change_little(network):
    true, said = drawn(3.0)

    recalibrate(network, [area_of(true)], result_of(said, nuclei=HALF_TRUSTED))

    assert weights(network)[0] / 2 == pytest.approx((1 / 3) ** 0.5, abs=0.03)


def test_nuclei_matter_more_than_their_probabilities(network):
    true, said = drawn(3.0)

    assert recalibrate(network, [area_of(true)], result_of(said, aps=(0.5, 0.4))) == ""
    assert weights(network) == [2.0, 1.0]


def test_what_holds_for_one_half_only_changes_nothing(network):
    true, said = drawn(1.0)
    said[:, : WIDTH // 2] = 0.9  # of nothing but background
    true[:, : WIDTH // 2] = False
    true[0, 0] = True

    assert recalibrate(network, [area_of(true)], result_of(said)) == ""
    assert weights(network) == [2.0, 1.0]


@pytest.mark.parametrize("value", [False, True])
def test_pixels_of_one_kind_change_nothing(network, value):
    true = np.full((HEIGHT, WIDTH), value)

    assert recalibrate(network, [area_of(true)], result_of(drawn(1.0)[1])) == ""
    assert weights(network) == [2.0, 1.0]


def test_only_scored_pixels_count(network):
    true, said = drawn(3.0)
    spoiled_true, spoiled = true.copy(), said.copy()
    valid = np.ones(true.shape)
    valid[:20] = 0
    spoiled_true[:20], spoiled[:20] = True, 0.01

    recalibrate(network, [area_of(spoiled_true, valid)], result_of(spoiled))
    found = weights(network)
    network.get_layer("foreground").set_weights([np.full((1, 1, 1, 1), 2.0), np.ones(1)])
    recalibrate(network, [area_of(true[20:])], result_of(said[20:]))

    assert found == pytest.approx(weights(network))
