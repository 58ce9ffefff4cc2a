"""From Keras to LiteRT, and both engines on one model."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from napari_nucseg.errors import EngineError, ModelError
from napari_nucseg.inference.engine import LiteRTEngine, TensorFlowEngine, make_engine
from napari_nucseg.model.config import OFFSET_UNIT, ModelConfig, NetworkConfig
from napari_nucseg.model.export import export_network
from napari_nucseg.model.folder import CONFIG, HASHES, LITERT, WEIGHTS, ModelFolder, open_model
from napari_nucseg.model.network import build_network
from napari_nucseg.registry import find_model
from napari_nucseg.training.generated import GeneratedFields


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
    """In eight bits as in float: a few pixels in a thousand lie on the other side of 0.5."""
    model = find_model("nuclei")
    rng = np.random.default_rng(seed)
    tile = GeneratedFields(model.config, seed).view(256, 1.0, rng)

    litert, tensorflow = make_engine(model, "litert"), make_engine(model, "tensorflow")

    assert (litert.name, tensorflow.name) == ("litert", "tensorflow")
    found, expected = litert.predict(tile), tensorflow.predict(tile)
    nuclei = expected[..., 0] > 0.5
    assert 0.02 < nuclei.mean() < 0.9
    assert np.mean((found[..., 0] > 0.5) != nuclei) < 0.01
    assert np.abs(found[..., 0] - expected[..., 0]).mean() < 0.01
    assert OFFSET_UNIT * np.abs(found - expected)[nuclei][:, 2:].mean() < 1.0  # pixels


@pytest.fixture(scope="module")
def quantized(small_network, small_config, tmp_path_factory):
    """Return the folder of an exported network that computes in eight bits."""
    folder = tmp_path_factory.mktemp("quantized") / "small"
    samples = np.stack([_tile(64, 64), _tile(96, 96)[:64, :64]])
    export_network(small_network, small_config, folder, samples)
    return folder


def _types(folder):
    """Return the type of what each step of a LiteRT file makes, and the name of it."""
    model = schema.Model.GetRootAs((folder / LITERT).read_bytes(), 0)
    graph = model.Subgraphs(0)
    made = [graph.Operators(i).Outputs(0) for i in range(graph.OperatorsLength())]
    tensors = [graph.Tensors(i) for i in made]
    return {tensor.Name().decode(): tensor.Type() for tensor in tensors}


def test_with_samples_all_but_the_first_and_last_steps_are_in_eight_bits(exported, quantized):
    assert set(_types(exported).values()) == {schema.TensorType.FLOAT32}

    types = _types(quantized)

    decoder = {kind for name, kind in types.items() if "/decoder_" in name}
    first = {kind for name, kind in types.items() if "/Conv1" in name}
    assert decoder == {schema.TensorType.INT8}
    assert first == {schema.TensorType.FLOAT32}
    assert list(types.values()).count(schema.TensorType.INT8) > 0.8 * len(types)
    smaller = (quantized / LITERT).stat().st_size
    assert smaller < 0.4 * (exported / LITERT).stat().st_size


@pytest.mark.parametrize(("height", "width"), [(64, 64), (96, 160)])
def test_eight_bits_predict_about_what_keras_predicts(quantized, small_network, height, width):
    tile = _tile(height, width)

    found = LiteRTEngine(open_model(quantized)).predict(tile)

    expected = np.asarray(small_network(tile[None], training=False))[0]
    assert found.shape == expected.shape
    error, spread = np.abs(found - expected).mean(axis=(0, 1)), expected.std(axis=(0, 1))
    assert (error < 0.2 * spread).all()


def test_a_network_of_the_original_system_stays_in_float(tmp_path):
    config = NetworkConfig(
        decoder="transposed", decoder_widths=(8, 8, 8, 8, 8), outputs=("foreground",)
    )
    model = ModelConfig(name="old", network=config, diameter=10.0, diameter_range=(1.0, 1000.0))

    export_network(build_network(config), model, tmp_path, np.stack([_tile(64, 64)]))

    assert schema.TensorType.INT8 not in _types(tmp_path).values()


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
