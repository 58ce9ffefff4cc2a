"""Channels of one range, so that eight bits serve all of them.

A whole tensor shares one step of eight bits, so a channel that hardly varies beside one that varies
a hundredfold would be lost. ReLU and the layers of the folded decoder let a channel be multiplied
before and divided after by any positive number: the same function, other ranges (Nagel et al.,
"Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from napari_nucseg._types import AnyArray, FloatArray
from napari_nucseg.model.config import NetworkConfig

LEAST = 1 / 64
"""Channels whose range is below this part of the largest count as that large: they are noise."""

BESIDE_IMAGE = 3.0
"""Range of the channels that are joined with the image, which reaches from -1.5 to 1.5: both then
have about 170 of the 255 steps."""

TINY = 1e-12
"""Instead of zero, where a network was not trained yet."""

BATCH = 2
"""More at a time take memory that a fine-tuning has not."""


@dataclass(frozen=True)
class Joint:
    """Where a tensor is made and read.

    Attributes
    ----------
    makers : tuple of str
        Convolutions whose channels, one after the other, are the tensor's.
    readers : tuple of str
        Convolutions that read it.
    copies : int
        Channels of a maker that become one of the tensor: four where they are shuffled to pixels.
    """

    makers: tuple[str, ...]
    readers: tuple[str, ...]
    copies: int = 1


def equalize(folded: keras.Model, config: NetworkConfig, images: FloatArray) -> None:
    """Rescale the decoder's channels in place.

    Parameters
    ----------
    folded : keras.Model
        Made by `fold_network` for `config`.
    config : NetworkConfig
    images : array (n, Y, X, 3), float32
        Such as the network will see, normalised; Y and X are multiples of 32.
    """
    joints = _joints(config)
    ranges = _ranges(folded, [name for joint in joints for name in joint.makers], images)
    for joint in joints:
        parts = [ranges[name].reshape(joint.copies, -1).max(axis=0) for name in joint.makers]
        factors = _factors(folded, joint, np.concatenate(parts))
        start = 0
        for name, part in zip(joint.makers, parts, strict=True):
            _multiply(folded, name, np.tile(factors[start : start + len(part)], joint.copies))
            start += len(part)
        for name in joint.readers:
            _divide(folded, name, factors)


def _joints(config: NetworkConfig) -> list[Joint]:
    joints = []
    last = len(config.decoder_widths) - 1
    for level in range(last):
        name = f"decoder_{level}"
        following = f"decoder_{level + 1 if level + 1 < last else 4}_project"
        joints += [
            Joint((f"{name}_project", f"{name}_skip_project"), (f"{name}_depthwise_1",)),
            Joint((f"{name}_depthwise_1",), (f"{name}_pointwise_1",)),
            Joint((f"{name}_pointwise_1",), (f"{name}_depthwise_2",)),
            Joint((f"{name}_depthwise_2",), (f"{name}_pointwise_2",)),
            Joint((f"{name}_pointwise_2",), (following,)),
        ]
    heads = tuple(o if o == "offset" else f"{o}_limited" for o in config.outputs)
    return [
        *joints,
        Joint(("decoder_4_project",), ("decoder_4_depthwise_1",), copies=4),
        Joint(("decoder_4_depthwise_1",), ("decoder_4_pointwise_1",)),
        Joint(("decoder_4_pointwise_1",), heads),
    ]


def _ranges(folded: keras.Model, names: Sequence[str], images: FloatArray) -> dict[str, AnyArray]:
    """Return the largest absolute value of each channel of some layers."""
    look = keras.Model(folded.input, [folded.get_layer(name).output for name in names])
    ranges: dict[str, AnyArray] = {name: np.zeros(1, np.float32) for name in names}
    for start in range(0, len(images), BATCH):
        seen = look.predict_on_batch(images[start : start + BATCH])
        for name, tensor in zip(names, seen, strict=True):
            now = np.abs(np.asarray(tensor)).max(axis=(0, 1, 2))
            ranges[name] = np.maximum(ranges[name], now)
    return ranges


def _factors(folded: keras.Model, joint: Joint, ranges: AnyArray) -> AnyArray:
    """Return what each channel is multiplied with.

    The weights of a depthwise convolution have a step for each channel, so what it reads can be
    brought to one range. Those of another have one for all that it reads, so the channels' ranges
    and the weights' share the difference (equation 11 of the paper).
    """
    ranges = _at_least(ranges)
    kernels = [_kernel(folded, name) for name in joint.readers]
    if isinstance(folded.get_layer(joint.readers[0]), keras.layers.DepthwiseConv2D):
        beside_image = kernels[0].shape[2] > len(ranges)
        return (BESIDE_IMAGE if beside_image else 1.0) / ranges
    weights = [
        np.abs(kernel).max(axis=(0, 1, 3)) / max(float(np.abs(kernel).max()), TINY)
        for kernel in kernels
    ]
    factors = np.sqrt(_at_least(np.max(weights, axis=0)) / ranges)
    # Of range 1 as well: LiteRT runs no step that changes the scale more than 256 times.
    return factors / max(float((factors * ranges).max()), TINY)


def _at_least(values: AnyArray) -> AnyArray:
    return np.maximum(values, max(LEAST * float(values.max()), TINY))


def _kernel(folded: keras.Model, name: str) -> AnyArray:
    return np.asarray(folded.get_layer(name).get_weights()[0])


def _multiply(folded: keras.Model, name: str, factors: AnyArray) -> None:
    """Multiply what a layer makes."""
    layer = folded.get_layer(name)
    kernel, *bias = layer.get_weights()
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    kernel = kernel * (factors[:, None] if depthwise else factors)
    layer.set_weights([kernel, *(b * factors for b in bias)])


def _divide(folded: keras.Model, name: str, factors: AnyArray) -> None:
    """Divide what a layer reads; channels beyond, which are the image's, stay."""
    layer = folded.get_layer(name)
    kernel, *bias = layer.get_weights()
    kernel[:, :, : len(factors)] /= factors[:, None]
    layer.set_weights([kernel, *bias])
