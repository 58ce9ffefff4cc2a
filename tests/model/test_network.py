"""The networks of both recipes."""

import keras
import numpy as np
import pytest

from napari_nucseg.model.config import SKIP_LAYERS, NetworkConfig
from napari_nucseg.model.network import build_network, encoder_layers


def _image(height, width, batch=1):
    rng = np.random.default_rng(height + width)
    return rng.uniform(-1, 1, (batch, height, width, 3)).astype(np.float32)


def test_the_network_has_the_outputs_of_its_config(recipe_network):
    recipe, network = recipe_network
    size = recipe.model.fixed_size or 64

    maps = np.asarray(network(_image(size, size, batch=2), training=False))

    assert maps.shape == (2, size, size, recipe.model.network.channels)
    assert ((maps[..., 0] >= 0) & (maps[..., 0] <= 1)).all()


def test_the_baseline_has_one_output_and_the_standard_network_four(recipe_network):
    recipe, network = recipe_network

    assert network.output_shape[-1] == {"baseline": 1, "standard": 4}[recipe.name]


@pytest.mark.parametrize(("height", "width"), [(32, 32), (32, 96), (160, 64)])
def test_any_multiple_of_32_is_accepted(small_network, height, width):
    assert small_network(_image(height, width), training=False).shape == (1, height, width, 4)


def test_the_decoder_takes_the_skips_of_the_original_report(recipe_network):
    recipe, network = recipe_network
    size = recipe.model.fixed_size or 64
    skips = keras.Model(network.input, [network.get_layer(name).output for name in SKIP_LAYERS])

    strides = [size // skip.shape[1] for skip in skips(_image(size, size), training=False)]

    assert strides == [2, 4, 8, 16, 32]
    inside = {layer.name for layer in encoder_layers(network)}
    for name in SKIP_LAYERS:
        readers = [node.operation.name for node in network.get_layer(name)._outbound_nodes]
        assert any(reader not in inside for reader in readers), name


def test_encoder_layers_are_mobilenets_and_no_others(recipe_network):
    _, network = recipe_network
    mobilenet = keras.applications.MobileNetV2(
        include_top=False, weights=None, input_shape=(None, None, 3)
    )
    known = [layer.name for layer in mobilenet.layers if layer.weights]

    names = [layer.name for layer in encoder_layers(network) if layer.weights]

    # The report's deepest skip lies before its batch normalisation; nothing behind it is used.
    assert names == known[: len(names)]
    assert known[len(names) :] == ["block_16_project_BN", "Conv_1", "Conv_1_bn"]


def test_every_layer_outside_the_encoder_is_named_on_purpose(recipe_network):
    _, network = recipe_network
    encoder = {layer.name for layer in encoder_layers(network)}

    for layer in network.layers:
        if layer.name not in encoder and not isinstance(layer, keras.layers.InputLayer):
            assert layer.name.startswith(("decoder_", "foreground", "distance", "offset", "maps"))


def test_saved_weights_give_equal_output(small_network, small_config, tmp_path):
    image = _image(64, 64)
    small_network.save_weights(tmp_path / "a.weights.h5")
    other = build_network(small_config.network)
    before = np.asarray(other(image, training=False))

    other.load_weights(tmp_path / "a.weights.h5")

    expected = np.asarray(small_network(image, training=False))
    assert not np.allclose(before, expected)
    np.testing.assert_array_equal(np.asarray(other(image, training=False)), expected)


def test_a_decoder_of_four_levels_ends_the_encoder_at_stride_16():
    network = build_network(NetworkConfig(decoder_widths=(8, 8, 8, 8)))

    assert network(_image(64, 96), training=False).shape == (1, 64, 96, 4)
    names = [layer.name for layer in encoder_layers(network)]
    assert names[-1] == "block_13_expand_relu"
    assert "block_16_project" not in names
