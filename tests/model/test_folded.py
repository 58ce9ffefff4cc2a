"""The network as it is run: folded, its channels of one range, and still the same function."""

import keras
import numpy as np
import pytest

from napari_nucseg.model.config import NetworkConfig
from napari_nucseg.model.equalize import BESIDE_IMAGE, LEAST, equalize
from napari_nucseg.model.folded import LOGIT_LIMIT, fold_network
from napari_nucseg.model.network import build_network


def _images(count=3, size=64):
    rng = np.random.default_rng(1)
    return rng.uniform(-1.5, 1.5, (count, size, size, 3)).astype(np.float32)


def _ranges(network, name):
    look = keras.Model(network.input, network.get_layer(name).output)
    return np.abs(look.predict(_images(), verbose=0)).max(axis=(0, 1, 2))


@pytest.fixture(scope="module")
def equalized(small_network, small_config):
    network = fold_network(small_network, small_config.network)
    equalize(network, small_config.network, _images())
    return network


def test_a_folded_network_has_no_normalisation_and_predicts_the_same(small_network, small_config):
    folded = fold_network(small_network, small_config.network)

    left = [n for n in (layer.name for layer in folded.layers) if "_bn" in n and "decoder" in n]
    assert left == []
    expected = small_network.predict(_images(), verbose=0)
    assert np.ptp(expected[..., 0]) > 0.1
    np.testing.assert_allclose(folded.predict(_images(), verbose=0), expected, atol=2e-4)


@pytest.mark.parametrize("outputs", [("foreground",), ("foreground", "offset")])
def test_other_outputs_and_a_shorter_encoder_are_folded_too(outputs):
    config = NetworkConfig(decoder_widths=(16, 8, 8, 8), outputs=outputs)
    network = build_network(config)

    folded = fold_network(network, config)

    expected = network.predict(_images(1), verbose=0)
    np.testing.assert_allclose(folded.predict(_images(1), verbose=0), expected, atol=2e-4)


@pytest.mark.parametrize("logit", [-20.0, -7.0, 0.0, 3.0, 20.0])
def test_probabilities_are_limited_only_where_they_are_certain(small_config, logit):
    network = build_network(small_config.network)
    head = network.get_layer("foreground")
    kernel, bias = head.get_weights()
    head.set_weights([0 * kernel, 0 * bias + logit])

    found = fold_network(network, small_config.network).predict(_images(1), verbose=0)

    limited = np.clip(logit, -LOGIT_LIMIT, LOGIT_LIMIT)
    np.testing.assert_allclose(found[..., 0], 1 / (1 + np.exp(-limited)), atol=1e-5)


def test_equal_ranges_do_not_change_what_is_predicted(equalized, small_network):
    expected = small_network.predict(_images(), verbose=0)
    np.testing.assert_allclose(equalized.predict(_images(), verbose=0), expected, atol=2e-4)


def test_channels_that_a_depthwise_convolution_reads_have_one_range(
    equalized, small_network, small_config
):
    before = fold_network(small_network, small_config.network)
    joined = [_ranges(before, f"decoder_0_{name}project") for name in ("", "skip_")]
    live = np.concatenate(joined) > LEAST * np.concatenate(joined).max()
    assert np.ptp(np.concatenate(joined)[live]) > 0.1

    after = np.concatenate([_ranges(equalized, f"decoder_0_{n}project") for n in ("", "skip_")])

    np.testing.assert_allclose(after[live], 1.0, rtol=1e-4)
    assert (after[~live] < 1.0).all()


def test_channels_beside_the_image_have_twice_its_range(equalized):
    width = 8
    after = _ranges(equalized, "decoder_4_project").reshape(4, width).max(axis=0)
    assert (after < BESIDE_IMAGE * 1.001).all()
    assert np.isclose(after, BESIDE_IMAGE, rtol=1e-4).sum() >= width // 2
