"""Two numbers that scale the foreground of a tuned model, taken from the held-out areas."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from scipy.special import expit, logit

from napari_nucseg.params import SegmentParams
from napari_nucseg.training.calibration import reliability
from napari_nucseg.training.finetune import recalibration
from napari_nucseg.training.finetune.messages import Scores
from napari_nucseg.training.finetune.recalibration import (
    CERTAIN,
    HALF_TRUSTED,
    MOST_LOST,
    TEMPERATURE,
    recalibrate,
    scaled,
)

HEIGHT, WIDTH = 60, 80


def area_of(true, valid=None):
    targets = np.zeros((*true.shape, 6), np.float32)
    targets[..., 0] = true
    targets[..., 4] = 1 if valid is None else valid
    return SimpleNamespace(targets=targets)


def result_of(*probabilities, nuclei=1000, aps=(0.5,), f1s=(0.5,)):
    """Return a function that examines; AP and F1 of each time can be given, the last one stays."""
    calls = iter(range(100))

    def examine():
        call = next(calls)
        ap, f1 = aps[min(call, len(aps) - 1)], f1s[min(call, len(f1s) - 1)]
        scores = Scores(f1=f1, ap=ap, mean_ap=0.5, true_nuclei=nuclei, predicted_nuclei=nuclei)
        return SimpleNamespace(maps=tuple(p[..., None] for p in probabilities), scores=scores)

    return examine


def scores_of(ap):
    return Scores(f1=0.5, ap=ap, mean_ap=0.5, true_nuclei=10, predicted_nuclei=10)


def recalibrated(network, area, examine, base=0.0):
    """Recalibrate on one area, after a base model of that AP, and say what was done.

    The numbers returned are those that were put into the weights, which were 2 and 1.
    """
    done = recalibrate(network, [area], examine, scores_of(base))
    slope, shift = done.slope / done.temperature, done.shift / done.temperature
    assert weights(network) == pytest.approx([2.0 * slope, slope + shift], rel=1e-5)
    return done.describe()


@pytest.fixture
def no_temperature(monkeypatch):
    monkeypatch.setattr(recalibration, "TEMPERATURE", 1.0)


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


@pytest.mark.usefixtures("no_temperature")
def test_a_network_that_is_too_sure_is_mended(network):
    true, said = drawn(3.0)

    text = recalibrated(network, area_of(true), result_of(said))

    slope, shift = weights(network)[0] / 2, weights(network)[1] - weights(network)[0] / 2
    assert slope == pytest.approx(1 / 3, abs=0.03)
    assert shift == pytest.approx(0, abs=0.1)
    errors = [
        reliability(p.ravel(), true.ravel()).error for p in (said, scaled(said, slope, shift))
    ]
    assert errors[1] < 0.03 < 0.1 < errors[0]
    assert text.startswith("Probabilities were calibrated on the held-out pixels")


@pytest.mark.usefixtures("no_temperature")
def test_few_nuclei_change_little(network):
    true, said = drawn(3.0)

    recalibrated(network, area_of(true), result_of(said, nuclei=HALF_TRUSTED))

    assert weights(network)[0] / 2 == pytest.approx((1 / 3) ** 0.5, abs=0.03)


TEMPERED = "Probabilities were brought nearer to 0.5 for other images."


def is_tempered_only(network):
    return weights(network) == pytest.approx([2.0 / TEMPERATURE, 1.0 / TEMPERATURE])


def test_nuclei_matter_more_than_their_probabilities(network):
    true, said = drawn(3.0)

    assert recalibrated(network, area_of(true), result_of(said, aps=(0.5, 0.4))) == TEMPERED
    assert is_tempered_only(network)


def test_what_holds_for_one_half_only_calibrates_nothing(network):
    true, said = drawn(1.0)
    said[:, : WIDTH // 2] = 0.9  # of nothing but background
    true[:, : WIDTH // 2] = False
    true[0, 0] = True

    assert recalibrated(network, area_of(true), result_of(said)) == TEMPERED
    assert is_tempered_only(network)


@pytest.mark.parametrize(("ap", "used"), [(0.45, True), (0.35, False)])
def test_a_temperature_that_turns_the_verdict_is_not_used(network, ap, used):
    true = np.zeros((HEIGHT, WIDTH), bool)  # so that nothing is calibrated

    recalibrated(network, area_of(true), result_of(drawn(1.0)[1], aps=(0.5, ap)), base=0.4)

    assert is_tempered_only(network) == used


@pytest.mark.parametrize("value", [False, True])
def test_pixels_of_one_kind_calibrate_nothing(network, value):
    true = np.full((HEIGHT, WIDTH), value)

    assert recalibrated(network, area_of(true), result_of(drawn(1.0)[1])) == TEMPERED
    assert is_tempered_only(network)


def test_the_temperature_comes_after_the_calibration(network):
    true, said = drawn(1.2)

    text = recalibrated(network, area_of(true), result_of(said))

    assert weights(network)[0] / 2 == pytest.approx(1 / 1.2 / TEMPERATURE, abs=0.04)
    assert "calibrated on the held-out pixels and brought nearer to 0.5" in text


def test_no_temperature_where_all_nuclei_were_made_less_certain_already(network):
    true, said = drawn(3.0)

    text = recalibrated(network, area_of(true), result_of(said))

    assert weights(network)[0] / 2 == pytest.approx(1 / 3, abs=0.03)
    assert text == "Probabilities were calibrated on the held-out pixels."


@pytest.mark.parametrize("shift", [-0.8, -0.65, -0.55])
def test_a_temperature_goes_as_far_as_what_is_certain_stays_certain(network, shift):
    random = np.random.default_rng(3)
    said = random.uniform(0.05, 0.95, (200, 200))
    true = random.random(said.shape) < expit(logit(said) + shift)

    done = recalibrate(network, [area_of(true)], result_of(said), scores_of(0.0))

    assert done.shift == pytest.approx(shift, abs=0.06)
    assert 1.0 < done.temperature < TEMPERATURE
    at_the_limit = done.slope * logit(CERTAIN) + done.shift
    certainty = SegmentParams().certainty
    assert expit(at_the_limit / done.temperature) == pytest.approx(certainty, abs=1e-6)


@pytest.mark.parametrize(("lost", "used"), [(MOST_LOST - 0.01, True), (MOST_LOST + 0.01, False)])
def test_a_temperature_that_loses_nuclei_is_not_used(network, lost, used):
    true = np.zeros((HEIGHT, WIDTH), bool)  # so that nothing is calibrated

    examine = result_of(drawn(1.0)[1], f1s=(0.7, 0.7 - lost))
    text = recalibrated(network, area_of(true), examine)

    assert is_tempered_only(network) == used
    assert text == (TEMPERED if used else "")
    assert used or weights(network) == [2.0, 1.0]


def test_only_scored_pixels_count(network):
    true, said = drawn(3.0)
    spoiled_true, spoiled = true.copy(), said.copy()
    valid = np.ones(true.shape)
    valid[:20] = 0
    spoiled_true[:20], spoiled[:20] = True, 0.01

    recalibrated(network, area_of(spoiled_true, valid), result_of(spoiled))
    found = weights(network)
    assert found != [2.0, 1.0]
    network.get_layer("foreground").set_weights([np.full((1, 1, 1, 1), 2.0), np.ones(1)])
    recalibrated(network, area_of(true[20:]), result_of(said[20:]))

    assert found == pytest.approx(weights(network))
