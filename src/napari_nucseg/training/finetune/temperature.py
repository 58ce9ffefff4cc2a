"""Foreground probabilities of a tuned model that hold on other images.

On images that it has not learned from, a tuned model is surer of doubtful nuclei than the base
model is, and they would pass Certainty. A temperature brings all probabilities nearer to 0.5. Slope
and shift fitted on the held-out pixels, as after a training (`training.calibration`), do no good
here: on other patients they cost 0.02 to 0.03 of AP (see `docs/finetune.md`).
"""

from collections.abc import Callable

import keras

from napari_nucseg.training.calibration import scale_foreground
from napari_nucseg.training.finetune.messages import Scores

TEMPERATURE = 1.5
"""What the logits are divided by (after Guo et al., ICML 2017). Eleven of twelve tuned models did
better on other animals and patients by it (see `docs/finetune.md`)."""

MOST_LOST = 0.05
"""The temperature is not used if F1 on the held-out areas falls by more than this, or if a model
that is better than the base model there would not be any more."""


def raise_temperature(
    network: keras.Model, found: Scores, examine: Callable[[], Scores], base: Scores
) -> float:
    """Divide the logit of a network's foreground in place, as far as the held-out areas allow.

    Parameters
    ----------
    network : keras.Model
    found : Scores
        Of the network on the held-out areas.
    examine : callable
        Returns its scores there now.
    base : Scores
        Of the base model.

    Returns
    -------
    float
        What it was divided by: `TEMPERATURE`, or 1 if nothing was done.
    """
    weights = network.get_weights()
    scale_foreground(network, 1 / TEMPERATURE, 0.0)
    now = examine()
    turned = found.better_than(base) and not now.better_than(base)
    if turned or now.f1 < found.f1 - MOST_LOST:
        network.set_weights(weights)
        return 1.0
    return TEMPERATURE
