"""Conversion of a network to a `.tflite` file, in float32 or in eight bits.

In eight bits the bundled network was three times as fast on an AMD EPYC, and as accurate:
`docs/model.md` says what each part of it brings. Weights have a step for each output channel,
activations one for each tensor, which is found on samples (Jacob et al., "Quantization and Training
of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018). The steps do not
depend on the image, so tiles give what the whole gives, but for roundings that carry on what lies
beyond their halo.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from napari_nucseg._types import FloatArray
from napari_nucseg.errors import ModelError
from napari_nucseg.model.config import NetworkConfig
from napari_nucseg.model.equalize import equalize
from napari_nucseg.model.folded import fold_network
from napari_nucseg.preprocessing.tiling import STRIDE

FLOAT_LAYERS = ("Conv1", "expanded_conv")
"""Beginnings of the names of the first layers, which stay in float32: a few percent of the work,
and more than a third of the error that they would make in eight bits is gone."""


def convert(network: keras.Model) -> bytes:
    """Return the `.tflite` file, in float32, of a network that takes any size."""
    with _quiet():
        return bytes(_converter(network).convert())


def quantize(network: keras.Model, config: NetworkConfig, samples: FloatArray) -> bytes:
    """Return the `.tflite` file, in eight bits, of a network that takes any size.

    In float32 if LiteRT cannot run it in eight bits.

    Parameters
    ----------
    network : keras.Model
        Made by `build_network` for `config`; its decoder must be ``separable``.
    config : NetworkConfig
    samples : array (n, Y, X, 3), float32
        Normalised images such as the network will see: what goes beyond the values that they bring
        about within the network is cut off. Y and X are multiples of 32.
    """
    import tensorflow as tf

    def each() -> Iterator[list[FloatArray]]:
        for sample in samples:
            yield [sample[None]]

    folded = fold_network(network, config)
    equalize(folded, config, samples)
    with _quiet():
        converter = _converter(folded)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = each
        # The debugger is what TensorFlow offers for quantizing some layers only. Which ones is said
        # after it has measured ranges, as it then knows the names of the converted tensors.
        debugger = tf.lite.experimental.QuantizationDebugger(
            converter=converter, debug_dataset=each
        )
        debugger.options = tf.lite.experimental.QuantizationDebugOptions(
            denylisted_nodes=_float_tensors(debugger.calibrated_model)
        )
        content = bytes(debugger.get_nondebug_quantized_model())
    return content if _runs(content) else convert(network)


def _runs(content: bytes) -> bool:
    """Tell whether LiteRT can run a network in eight bits; it takes not every change of scale."""
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(model_content=content)
        image = interpreter.get_input_details()[0]["index"]
        interpreter.resize_tensor_input(image, (1, STRIDE, STRIDE, 3), strict=True)
        interpreter.allocate_tensors()
        interpreter.invoke()
    except (RuntimeError, ValueError):
        return False
    return True


def _float_tensors(content: bytes) -> list[str]:
    """Return the names of the tensors of a converted network that are to stay in float32.

    The joined maps do so, too: one step would have to serve probabilities and offsets alike.
    """
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    maps = {str(tensor["name"]) for tensor in interpreter.get_output_details()}
    names = [str(tensor["name"]) for tensor in interpreter.get_tensor_details()]
    first = [name for name in names if any(f"/{layer}" in name for layer in FLOAT_LAYERS)]
    if not first:
        raise ModelError(
            f"The converted network has no tensor that is named after {' or '.join(FLOAT_LAYERS)}, "
            "so it cannot be told what is to stay in float32. This version of TensorFlow names "
            "them otherwise; 2.21 is known to work."
        )
    return [*first, *(name for name in names if name in maps)]


def _converter(network: keras.Model) -> Any:
    """Return TensorFlow's converter for one tile of any size."""
    import tensorflow as tf

    tile = tf.TensorSpec((1, None, None, 3), tf.float32, name="image")
    graph = tf.function(
        lambda image: network(image, training=False), input_signature=[tile], autograph=False
    ).get_concrete_function()
    # With the network as its second argument it would first write a SavedModel, which takes five
    # times as long and gives the same file.
    return tf.lite.TFLiteConverter.from_concrete_functions([graph])


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back advice on SavedModels, and on an interpreter that TensorFlow makes for itself."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*tf.lite.Interpreter is deprecated")
            yield
    finally:
        logger.setLevel(level)
