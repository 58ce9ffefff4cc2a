"""From a trained Keras network to the files of a model folder."""

import tempfile
from pathlib import Path

import keras

from napari_nucseg.model.config import ModelConfig
from napari_nucseg.model.folder import LITERT, WEIGHTS, write_config, write_hashes
from napari_nucseg.model.network import build_network


def export_network(network: keras.Model, config: ModelConfig, folder: Path) -> dict[str, str]:
    """Write config, weights, `.tflite` and hashes of a trained network.

    The LiteRT file takes one tile (1, height, width, 3) of any size that is a multiple of 32.
    Needs TensorFlow, also where the network was trained with another Keras backend.

    Returns
    -------
    dict
        File name to sha256.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # A copy without optimizer state, and with any input size.
    plain = build_network(config.network)
    plain.set_weights(network.get_weights())
    plain.save_weights(folder / WEIGHTS)
    (folder / LITERT).write_bytes(to_litert(plain))
    write_config(folder, config)
    return write_hashes(folder)


def to_litert(network: keras.Model) -> bytes:
    """Convert a network that takes any size."""
    import tensorflow as tf

    signature = [keras.InputSpec(shape=(1, None, None, 3), dtype="float32", name="image")]
    with tempfile.TemporaryDirectory() as saved:
        network.export(saved, format="tf_saved_model", input_signature=signature, verbose=False)
        return bytes(tf.lite.TFLiteConverter.from_saved_model(saved).convert())
