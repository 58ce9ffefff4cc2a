"""Networks with random weights."""

import keras
import numpy as np

from napari_nucseg.model.network import build_network


def random_network(config, seed=0):
    """Build a network with random weights and batch-norm statistics that are not trivial.

    With variances of 1, what its layers make would vanish from one to the next.
    """
    keras.utils.set_random_seed(seed)
    network = build_network(config)
    rng = np.random.default_rng(seed)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(rng.normal(0, 0.1, layer.moving_mean.shape))
            layer.moving_variance.assign(rng.uniform(0.2, 1.0, layer.moving_variance.shape))
    return network
