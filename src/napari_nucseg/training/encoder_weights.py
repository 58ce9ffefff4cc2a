"""What the encoder starts from: ImageNet weights, or those of a trained model."""

import os
import urllib.request
from http.client import HTTPException
from pathlib import Path

import keras

from napari_nucseg.errors import ModelError, first_line
from napari_nucseg.model.folder import open_model
from napari_nucseg.model.network import encoder_layers, load_network

IMAGENET_URL = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/"
IMAGENET_FILE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
"""What `keras.applications.MobileNetV2(weights="imagenet")` downloads."""

EXPECTED_WEIGHTS = (
    "Pass --encoder-weights FILE with MobileNetV2 weights (no top, alpha 1.0), or a model folder"
)


def load_encoder_weights(network: keras.Model, path: Path | None) -> None:
    """Put trained weights into a network's encoder.

    Parameters
    ----------
    network : keras.Model
        From `build_network`.
    path : Path or None
        Weights of `keras.applications.MobileNetV2(include_top=False)`, or a model folder, whose
        decoder may be another; None downloads Keras' own ImageNet weights.

    Raises
    ------
    ModelError
        The file or model does not fit, or the download failed.
    """
    path = path or _download_imagenet()
    source = load_network(open_model(path)) if path.is_dir() else _imagenet_network(path)
    known = {layer.name for layer in source.layers}
    for layer in encoder_layers(network):
        if not layer.weights:
            continue
        if layer.name not in known:
            raise ModelError(
                f"The encoder of {path} ends before '{layer.name}', which this network has too. "
                f"{EXPECTED_WEIGHTS} with as long an encoder."
            )
        layer.set_weights(source.get_layer(layer.name).get_weights())


def _imagenet_network(path: Path) -> keras.Model:
    """Return MobileNetV2 with the weights in a file."""
    network = keras.applications.MobileNetV2(
        include_top=False, weights=None, input_shape=(None, None, 3)
    )
    try:
        network.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"{path} does not hold MobileNetV2 weights ({first_line(error)[:200]}). "
            f"{EXPECTED_WEIGHTS}."
        ) from error
    return network


def _download_imagenet() -> Path:
    """Return Keras' ImageNet weights, from its cache or the internet.

    Not `keras.utils.get_file`, which raises bare exceptions that cannot be told from a bug.
    """
    cache = Path(os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")) / "models"
    path = cache / IMAGENET_FILE
    if path.is_file():
        return path
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        urllib.request.urlretrieve(IMAGENET_URL + IMAGENET_FILE, partial)
        os.replace(partial, path)
    except (OSError, HTTPException) as error:
        partial.unlink(missing_ok=True)
        raise ModelError(
            f"Keras' ImageNet weights could not be downloaded from {IMAGENET_URL} "
            f"({first_line(error)[:200]}). {EXPECTED_WEIGHTS}."
        ) from error
    return path
