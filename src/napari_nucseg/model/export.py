"""From a trained Keras network to the files of a model folder."""

from pathlib import Path

import keras

from napari_nucseg._types import FloatArray
from napari_nucseg.model.config import ModelConfig
from napari_nucseg.model.folder import LITERT, WEIGHTS, write_config, write_hashes
from napari_nucseg.model.litert import convert, quantize
from napari_nucseg.model.network import build_network


def export_network(
    network: keras.Model, config: ModelConfig, folder: Path, samples: FloatArray | None = None
) -> dict[str, str]:
    """Write config, weights, `.tflite` and hashes of a trained network.

    The LiteRT file takes one tile (1, height, width, 3) of any size that is a multiple of 32.
    Needs TensorFlow, also where the network was trained with another Keras backend.

    Parameters
    ----------
    network : keras.Model
    config : ModelConfig
    folder : Path
    samples : array (n, Y, X, 3), float32, optional
        Normalised images such as the network will see. With them the LiteRT file of a network
        with a ``separable`` decoder computes in eight bits, see `quantize`; else in float32.

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
    if samples is not None and config.network.in_eight_bits:
        content = quantize(plain, config.network, samples)
    else:
        content = convert(plain)
    (folder / LITERT).write_bytes(content)
    write_config(folder, config)
    return write_hashes(folder)
