"""Where the encoder starts from: a file, Keras' download, or one clear sentence."""

import urllib.error
import urllib.request
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from napari_nucseg.errors import ModelError
from napari_nucseg.model.config import NetworkConfig
from napari_nucseg.model.export import export_network
from napari_nucseg.model.folder import open_model
from napari_nucseg.model.network import build_network, encoder_layers, load_network
from napari_nucseg.training import encoder_weights as imagenet
from napari_nucseg.training.encoder_weights import load_encoder_weights


@pytest.fixture(scope="module")
def network():
    return build_network(NetworkConfig(decoder_widths=(8, 8, 8, 8, 8)))


def test_the_encoder_takes_the_files_weights(network, encoder_weights):
    source = keras.applications.MobileNetV2(
        include_top=False, weights=None, input_shape=(None, None, 3)
    )
    source.load_weights(encoder_weights)

    load_encoder_weights(network, encoder_weights)

    for layer in encoder_layers(network):
        for found, expected in zip(
            layer.get_weights(),
            source.get_layer(layer.name).get_weights() if layer.weights else [],
            strict=True,
        ):
            np.testing.assert_array_equal(found, expected)


def test_the_encoder_of_another_model_is_taken(network, small_parent):
    source = load_network(open_model(small_parent))

    load_encoder_weights(network, small_parent)

    for layer in encoder_layers(network):
        for found, expected in zip(
            layer.get_weights(), source.get_layer(layer.name).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(found, expected)


def test_a_longer_encoder_serves_a_shorter_one_but_not_the_reverse(network, small_parent, tmp_path):
    short = NetworkConfig(decoder_widths=(8, 8, 8, 8))
    config = open_model(small_parent).config.model_copy(update={"network": short})
    other = build_network(short)

    load_encoder_weights(other, small_parent)
    export_network(other, config, tmp_path / "short")

    with pytest.raises(ModelError, match=r"encoder of .*short ends before 'block_13_depthwise"):
        load_encoder_weights(network, tmp_path / "short")


def _write_nothing(path: Path) -> None:
    del path


def _write_text(path: Path) -> None:
    path.write_text("these are no weights")


def _write_empty_h5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["a"] = 1


def _write_other_network(path: Path) -> None:
    keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)]).save_weights(path)


@pytest.mark.filterwarnings("ignore:Skipping nested container")
@pytest.mark.parametrize("name", ["a.weights.h5", "a.h5"])
@pytest.mark.parametrize("write", [_write_nothing, _write_text, _write_empty_h5])
def test_a_file_without_these_weights_is_named(network, tmp_path, name, write):
    write(tmp_path / name)

    with pytest.raises(ModelError, match=rf"{name} does not hold MobileNetV2.*--encoder-weights"):
        load_encoder_weights(network, tmp_path / name)


@pytest.mark.filterwarnings("ignore:Skipping nested container")
def test_weights_of_another_network_are_refused(network, tmp_path):
    _write_other_network(tmp_path / "a.weights.h5")

    with pytest.raises(ModelError, match="does not hold MobileNetV2 weights"):
        load_encoder_weights(network, tmp_path / "a.weights.h5")


def test_a_file_of_another_format_is_refused(network, tmp_path):
    (tmp_path / "weights.pt").write_bytes(b"torch")

    with pytest.raises(ModelError, match=r"weights\.pt does not hold MobileNetV2 weights"):
        load_encoder_weights(network, tmp_path / "weights.pt")


def test_offline_the_message_says_what_to_pass(network, tmp_path, monkeypatch):
    def offline(*_args):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlretrieve", offline)

    with pytest.raises(ModelError, match=r"Name or service not known.*Pass --encoder-weights FILE"):
        load_encoder_weights(network, None)

    assert not list((tmp_path / "models").iterdir())


def test_the_download_is_kept_in_keras_cache(tmp_path, monkeypatch):
    calls = []

    def download(url, path):
        calls.append(url)
        Path(path).write_bytes(b"weights")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlretrieve", download)

    first, second = (
        imagenet._download_imagenet(),
        imagenet._download_imagenet(),
    )

    assert first == second == tmp_path / "models" / imagenet.IMAGENET_FILE
    assert first.read_bytes() == b"weights"
    assert calls == [imagenet.IMAGENET_URL + imagenet.IMAGENET_FILE]
