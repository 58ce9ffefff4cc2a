"""The temperature of a tuned model's foreground, and what keeps it from being used."""

import keras
import numpy as np
import pytest

from napari_nucseg.training.finetune.messages import Scores
from napari_nucseg.training.finetune.temperature import (
    MOST_LOST,
    TEMPERATURE,
    raise_temperature,
)


def scores_of(ap=0.5, f1=0.5):
    return Scores(f1=f1, ap=ap, mean_ap=0.5, true_nuclei=10, predicted_nuclei=10)


def raised(network, before, after, base):
    """Raise the temperature of a network with these scores before and after it."""
    return raise_temperature(network, before, lambda: after, base)


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


def test_logits_are_divided(network):
    assert raised(network, scores_of(), scores_of(), base=scores_of(ap=0.4)) == TEMPERATURE
    assert weights(network) == pytest.approx([2.0 / TEMPERATURE, 1.0 / TEMPERATURE])


@pytest.mark.parametrize(("ap", "used"), [(0.45, True), (0.35, False)])
def test_a_temperature_that_turns_the_verdict_is_not_used(network, ap, used):
    done = raised(network, scores_of(ap=0.5), scores_of(ap=ap), base=scores_of(ap=0.4))
    assert (done != 1.0) == used
    assert (weights(network) != [2.0, 1.0]) == used


def test_a_model_that_is_not_better_anyway_may_have_it(network):
    done = raised(network, scores_of(ap=0.4), scores_of(ap=0.39), base=scores_of(ap=0.5))
    assert done == TEMPERATURE


@pytest.mark.parametrize(("lost", "used"), [(MOST_LOST - 0.01, True), (MOST_LOST + 0.01, False)])
def test_a_temperature_that_loses_nuclei_is_not_used(network, lost, used):
    done = raised(network, scores_of(f1=0.7), scores_of(f1=0.7 - lost), base=scores_of(ap=0.0))
    assert (done != 1.0) == used
    assert (weights(network) != [2.0, 1.0]) == used
