"""From Keras to LiteRT, and both engines on one model."""

import hashlib
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from litert_steps import FLOAT32, INT8, step_types, types_of
from napari_nucseg.errors import EngineError, ModelError
from napari_nucseg.inference.engine import LiteRTEngine, TensorFlowEngine, make_engine
from napari_nucseg.model import litert
from napari_nucseg.model.config import OFFSET_UNIT, ModelConfig, NetworkConfig
from napari_nucseg.model.export import export_network
from napari_nucseg.model.folder import CONFIG, HASHES, LITERT, WEIGHTS, ModelFolder, open_model
from napari_nucseg.model.network import build_network
from napari_nucseg.registry import find_model
from napari_nucseg.training.generated import GeneratedFields
from random_networks import random_network


def _tile(height, width):
    rng = np.random.default_rng(height)
    return rng.uniform(-1, 1, (height, width, 3)).astype(np.float32)


def test_the_folder_holds_config_weights_model_and_their_hashes(exported, small_config):
    model = open_model(exported)

    assert model.config == small_config
    assert model.name == "small"
    stated = json.loads((exported / HASHES).read_text())
    for name in (WEIGHTS, LITERT):
        assert stated[name] == hashlib.sha256((exported / name).read_bytes()).hexdigest()
    assert {path.name for path in exported.iterdir()} == {CONFIG, HASHES, WEIGHTS, LITERT}


@pytest.mark.parametrize(("height", "width"), [(64, 64), (96, 160), (32, 64)])
def test_litert_predicts_what_keras_predicts(exported, small_network, height, width):
    tile = _tile(height, width)

    predicted = LiteRTEngine(open_model(exported)).predict(tile)

    expected = np.asarray(small_network(tile[None], training=False))[0]
    assert predicted.shape == (height, width, 4)
    np.testing.assert_allclose(predicted, expected, atol=1e-4)


def test_litert_remembers_nothing_between_tiles(exported):
    engine = LiteRTEngine(open_model(exported))
    first = engine.predict(_tile(64, 64)).copy()

    engine.predict(_tile(96, 96))

    np.testing.assert_array_equal(engine.predict(_tile(64, 64)), first)


def test_litert_names_the_tile_that_it_cannot_take_and_goes_on(exported):
    engine = LiteRTEngine(open_model(exported))
    first = engine.predict(_tile(64, 64))

    with pytest.raises(EngineError, match=r"LiteRT cannot run .* on a tile of 64 x 65 pixels"):
        engine.predict(_tile(64, 65))

    np.testing.assert_array_equal(engine.predict(_tile(64, 64)), first)


def test_both_engines_agree_on_the_exported_network(exported):
    model = open_model(exported)
    tile = _tile(64, 96)

    np.testing.assert_allclose(
        LiteRTEngine(model).predict(tile), TensorFlowEngine(model).predict(tile), atol=1e-4
    )


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_both_engines_agree_on_the_bundled_model(seed):
    """In eight bits as in float: one or two pixels in a thousand lie on the other side of 0.5."""
    model = find_model("nuclei")
    rng = np.random.default_rng(seed)
    tile = GeneratedFields(model.config, seed).view(256, 1.0, rng)

    engines = [make_engine(model, name) for name in ("litert", "tensorflow")]

    assert [engine.name for engine in engines] == ["litert", "tensorflow"]
    found, expected = (engine.predict(tile) for engine in engines)
    nuclei = expected[..., 0] > 0.5
    assert 0.02 < nuclei.mean() < 0.9
    assert np.mean((found[..., 0] > 0.5) != nuclei) < 0.004
    assert np.abs(found[..., 0] - expected[..., 0]).mean() < 0.006
    assert OFFSET_UNIT * np.abs(found - expected)[nuclei][:, 2:].mean() < 0.8  # pixels


OTHERS = {
    "standard": {},
    "shorter encoder": {"decoder_widths": (16, 16, 8, 8)},
    "one output": {"outputs": ("foreground",)},
}
"""Networks that are exported in eight bits: what distinguishes them from the small one."""


def _samples():
    """Return what steps of eight bits are found on: not the tiles that they are tested with."""
    rng = np.random.default_rng(1000)
    return rng.uniform(-1, 1, (2, 64, 64, 3)).astype(np.float32)


@pytest.fixture(scope="module", params=OTHERS)
def quantized(request, small_config, tmp_path_factory):
    """Return (folder, network) of an exported network that computes in eight bits."""
    changed = small_config.network.model_copy(update=OTHERS[request.param])
    config = small_config.model_copy(update={"network": changed})
    network = random_network(changed)
    folder = tmp_path_factory.mktemp("quantized") / "small"
    export_network(network, config, folder, _samples())
    return folder, network


def test_with_samples_all_but_the_first_and_last_steps_are_in_eight_bits(quantized):
    types = step_types(quantized[0])

    assert types_of(types, "/decoder_") == {INT8}
    assert types_of(types, "/block_") == {INT8}
    for first in ("Conv1", "expanded_conv"):
        assert types_of(types, f"/{first}") == {FLOAT32}
    *_, maps = types.values()
    assert maps == FLOAT32
    assert list(types.values()).count(FLOAT32) <= 8
    assert set(types.values()) == {INT8, FLOAT32}


def test_without_samples_all_steps_are_in_float(exported):
    assert set(step_types(exported).values()) == {FLOAT32}


def test_eight_bits_make_the_file_smaller(quantized):
    folder, network = quantized
    in_float = 4 * network.count_params()  # bytes
    assert (folder / LITERT).stat().st_size < 0.4 * in_float


def _errors(folder, network, tile):
    """Return the mean error of each channel of a LiteRT file, as a part of how far it varies."""
    found = LiteRTEngine(open_model(folder)).predict(tile)
    expected = np.asarray(network(tile[None], training=False))[0]
    assert found.shape == expected.shape
    return np.abs(found - expected).mean(axis=(0, 1)) / expected.std(axis=(0, 1))


@pytest.mark.parametrize(("height", "width"), [(64, 64), (96, 160)])
def test_eight_bits_predict_about_what_keras_predicts(quantized, height, width):
    folder, network = quantized
    assert (_errors(folder, network, _tile(height, width)) < 0.15).all()


def test_channels_of_unlike_ranges_are_equalized_first(
    small_network, small_config, tmp_path, monkeypatch
):
    """The same function, but what the heads read differs a hundredfold from channel to channel."""
    network = build_network(small_config.network)
    network.set_weights(small_network.get_weights())
    normalisation = network.get_layer("decoder_4_separable_bn")
    gamma, beta, *statistics = normalisation.get_weights()
    factors = np.geomspace(0.1, 10, len(gamma)).astype(np.float32)
    normalisation.set_weights([gamma * factors, beta * factors, *statistics])
    for name in small_config.network.outputs:
        kernel, bias = network.get_layer(name).get_weights()
        network.get_layer(name).set_weights([kernel / factors[:, None], bias])
    tile, offset = _tile(64, 64), small_config.network.first_channel("offset")

    export_network(network, small_config, tmp_path / "equal", _samples())
    monkeypatch.setattr(litert, "equalize", lambda *args: None)
    export_network(network, small_config, tmp_path / "unlike", _samples())

    equal, unlike = (_errors(tmp_path / name, small_network, tile) for name in ("equal", "unlike"))
    assert (equal < 0.15).all()
    assert (unlike[offset:] > 2 * equal[offset:]).all()


def test_eight_bits_run_where_values_nearly_vanish(small_config, tmp_path):
    """As in a network that has hardly been trained, or whose encoder fits nothing it sees."""
    keras.utils.set_random_seed(0)
    network = build_network(small_config.network)
    depthwise, pointwise = network.get_layer("decoder_0_separable_1").get_weights()
    network.get_layer("decoder_0_separable_1").set_weights([depthwise * 1e-6, pointwise])

    export_network(network, small_config, tmp_path, _samples())

    assert INT8 in step_types(tmp_path).values()
    assert (_errors(tmp_path, network, _tile(64, 64)) < 0.15).all()


def test_what_litert_cannot_run_in_eight_bits_stays_in_float(
    small_network, small_config, tmp_path, monkeypatch
):
    refused = []
    monkeypatch.setattr(litert, "equalize", _spoil)
    runs = litert._runs
    monkeypatch.setattr(litert, "_runs", lambda content: refused.append(runs(content)))

    export_network(small_network, small_config, tmp_path, _samples())

    assert refused == [False]
    assert set(step_types(tmp_path).values()) == {FLOAT32}
    assert LiteRTEngine(open_model(tmp_path)).predict(_tile(64, 64)).shape == (64, 64, 4)


def _spoil(folded, config, samples):
    """Make a tensor so small that what follows must enlarge it more than LiteRT can."""
    del config, samples
    for name, factor in (("decoder_0_depthwise_1", 1e-13), ("decoder_0_pointwise_1", 1e13)):
        layer = folded.get_layer(name)
        kernel, *bias = layer.get_weights()
        layer.set_weights([kernel * factor, *bias])


def test_a_network_of_the_original_system_stays_in_float(tmp_path):
    config = NetworkConfig(
        decoder="transposed", decoder_widths=(8, 8, 8, 8, 8), outputs=("foreground",)
    )
    model = ModelConfig(name="old", network=config, diameter=10.0, diameter_range=(1.0, 1000.0))

    export_network(build_network(config), model, tmp_path, np.stack([_tile(64, 64)]))

    assert INT8 not in step_types(tmp_path).values()


def test_engines_stay_loaded_and_auto_is_litert(exported):
    model = open_model(exported)

    assert make_engine(model) is make_engine(model, "litert")


def test_a_file_that_is_no_litert_model_is_named(exported, tmp_path):
    (tmp_path / LITERT).write_bytes(b"this is no flatbuffer at all, but it is long enough")
    digest = hashlib.sha256((tmp_path / LITERT).read_bytes()).hexdigest()
    model = ModelFolder(tmp_path, open_model(exported).config, {LITERT: digest})

    with pytest.raises(ModelError, match=f"{LITERT} is not a LiteRT model"):
        LiteRTEngine(model)


def test_the_bundled_model_is_complete():
    folder = Path(find_model("nuclei").path)

    model = open_model(folder)

    assert model.weights.is_file()
    assert model.litert.is_file()
