"""From Keras to LiteRT, and both engines on one model."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from napari_nucseg.errors import EngineError, ModelError
from napari_nucseg.inference.engine import LiteRTEngine, TensorFlowEngine, make_engine
from napari_nucseg.model.folder import CONFIG, HASHES, LITERT, WEIGHTS, ModelFolder, open_model
from napari_nucseg.registry import find_model


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


def test_both_engines_agree_on_the_bundled_model():
    model = find_model("nuclei")
    tile = _tile(128, 160)

    litert, tensorflow = make_engine(model, "litert"), make_engine(model, "tensorflow")

    assert (litert.name, tensorflow.name) == ("litert", "tensorflow")
    np.testing.assert_allclose(litert.predict(tile), tensorflow.predict(tile), atol=1e-3)


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
