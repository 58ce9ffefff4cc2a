"""Means of all weights of a network: over the steps of a training, and of two networks."""

from collections.abc import Sequence

import keras
import numpy as np

from napari_nucseg._types import FloatArray

INTERVAL = 5
"""Steps between updates; copying the weights on every step would cost time for nothing."""


def blend_weights(
    base: Sequence[FloatArray], tuned: Sequence[FloatArray], way: float
) -> list[FloatArray]:
    """Return weights that lie part of the way from one set to another; 1: all of it."""
    return [old + way * (new - old) for old, new in zip(base, tuned, strict=True)]


class WeightAverage:
    """Moving average of a network's weights, batch-norm statistics included.

    Averaged weights generalise better than the last ones (Izmailov et al., UAI 2018).

    Parameters
    ----------
    network : keras.Model
        Its weights are followed, never changed, except inside `swapped`.
    momentum : float
        Per training step; 0 switches the average off.
    """

    def __init__(self, network: keras.Model, momentum: float) -> None:
        self.network = network
        self.momentum = momentum
        self.weights: list[FloatArray] = network.get_weights()
        self.steps = 0

    def update(self) -> None:
        """Take note of one training step."""
        self.steps += 1
        if self.steps % INTERVAL or self.momentum == 0:
            return
        # Early on the average must not remember the random start.
        momentum = min(self.momentum, self.steps / (self.steps + 10.0)) ** INTERVAL
        for average, weight in zip(self.weights, self.network.get_weights(), strict=True):
            average += (1.0 - momentum) * (weight - average)  # exact for weights that stay

    def swap(self) -> None:
        """Exchange the network's weights and the average; call twice to restore."""
        if self.momentum == 0:
            return
        current = [np.array(w) for w in self.network.get_weights()]
        self.network.set_weights(self.weights)
        self.weights = current
