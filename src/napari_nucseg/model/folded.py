"""The network as it is run: batch normalisation folded into the convolutions before it.

The same function up to rounding, with fewer steps, and of layers whose channels can be scaled one
by one (`model.equalize`). Only the decoder is built anew: LiteRT's converter folds the encoder's,
where each normalisation follows a convolution.
"""

import keras
import numpy as np
from keras import layers

from napari_nucseg._types import AnyArray
from napari_nucseg.model.blocks import DepthToSpace, upsample
from napari_nucseg.model.config import OUTPUT_CHANNELS, NetworkConfig, OutputName
from napari_nucseg.model.network import build_encoder, encoder_layers

Weights = dict[str, list[AnyArray]]
"""Weights of layers by their names."""

LOGIT_LIMIT = 8.0
"""Logits are kept within this of 0: eight bits then tell apart those that differ by 0.06, instead
of 0.15 where a few pixels have twenty. Probabilities come out as multiples of 1 / 256 all the same,
so no more is lost at the ends: 0.9997 instead of more."""


def fold_network(network: keras.Model, config: NetworkConfig) -> keras.Model:
    """Return a network that predicts the same, but for probabilities beyond `LOGIT_LIMIT`.

    Parameters
    ----------
    network : keras.Model
        Made by `build_network` for `config`; its decoder must be ``separable``.
    config : NetworkConfig

    Returns
    -------
    keras.Model
        From (batch, height, width, 3) to (batch, height, width, channels), as `network`.
    """
    encoder = build_encoder(None, config.skips)
    encoder.set_weights([w for layer in encoder_layers(network) for w in layer.get_weights()])
    image, skips = encoder.input, encoder.outputs
    features = skips[-1]
    weights: Weights = {}
    for level, width in enumerate(config.decoder_widths[:-1]):
        weights |= _block_weights(network, f"decoder_{level}", width)
        features = _block(features, skips[-2 - level], width, f"decoder_{level}")
    width = config.decoder_widths[-1]
    weights |= _last_weights(network, width)
    features = _last_block(features, image, width)
    outputs = []
    for output in config.outputs:
        outputs.append(_head(features, output))
        weights |= _head_weights(network, output)
    maps = outputs[0] if len(outputs) == 1 else layers.Concatenate(name="maps")(outputs)
    folded = keras.Model(image, maps, name="folded")
    for name, values in weights.items():
        folded.get_layer(name).set_weights(values)
    return folded


def _block(
    features: keras.KerasTensor, skip: keras.KerasTensor, width: int, name: str
) -> keras.KerasTensor:
    """Build what `refine_block` does; ReLU comes before the upsampling, with which it commutes."""
    coarse = layers.Conv2D(width, 1, activation="relu", name=f"{name}_project")(features)
    fine = layers.Conv2D(width, 1, activation="relu", name=f"{name}_skip_project")(skip)
    x = layers.Concatenate(name=f"{name}_concat")([upsample(coarse, name), fine])
    for step in (1, 2):
        x = _separable(x, width, name, step)
    return x


def _last_block(
    features: keras.KerasTensor, image: keras.KerasTensor, width: int
) -> keras.KerasTensor:
    x = layers.Conv2D(4 * width, 1, activation="relu", name="decoder_4_project")(features)
    x = DepthToSpace(name="decoder_4_shuffle")(x)
    x = layers.Concatenate(name="decoder_4_concat")([x, image])
    return _separable(x, width, "decoder_4", 1)


def _separable(x: keras.KerasTensor, width: int, name: str, step: int) -> keras.KerasTensor:
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name=f"{name}_depthwise_{step}")(
        x
    )
    return layers.Conv2D(width, 1, activation="relu", name=f"{name}_pointwise_{step}")(x)


def _head(features: keras.KerasTensor, name: OutputName) -> keras.KerasTensor:
    channels = OUTPUT_CHANNELS[name]
    if name == "offset":
        return layers.Conv2D(channels, 1, name=name)(features)
    # A convolution with ReLU6 is one step for LiteRT, and it limits what eight bits must hold.
    limited = layers.Conv2D(channels, 1, activation="relu6", name=f"{name}_limited")(features)
    return layers.Conv2D(channels, 1, activation="sigmoid", name=name)(limited)


def _block_weights(network: keras.Model, name: str, width: int) -> Weights:
    scale, shift = _normalisation(network, f"{name}_bn")
    project = network.get_layer(f"{name}_project").get_weights()[0]
    skip = network.get_layer(f"{name}_skip_project").get_weights()[0]
    weights: Weights = {
        f"{name}_project": [project * scale[:width], shift[:width]],
        f"{name}_skip_project": [skip * scale[width:], shift[width:]],
    }
    for step in (1, 2):
        weights |= _separable_weights(network, f"{name}_separable_{step}", name, step)
    return weights


def _last_weights(network: keras.Model, width: int) -> Weights:
    scale, shift = _normalisation(network, "decoder_4_bn")
    project = network.get_layer("decoder_4_project").get_weights()[0]
    weights: Weights = {"decoder_4_project": [project * np.tile(scale, 4), np.tile(shift, 4)]}
    return weights | _separable_weights(network, "decoder_4_separable", "decoder_4", 1)


def _separable_weights(network: keras.Model, source: str, name: str, step: int) -> Weights:
    depthwise, pointwise = network.get_layer(source).get_weights()
    scale, shift = _normalisation(network, f"{source}_bn")
    return {
        f"{name}_depthwise_{step}": [depthwise],
        f"{name}_pointwise_{step}": [pointwise * scale, shift],
    }


def _head_weights(network: keras.Model, name: OutputName) -> Weights:
    kernel, bias = network.get_layer(name).get_weights()
    if name == "offset":
        return {name: [kernel, bias]}
    gain = np.float32(3 / LOGIT_LIMIT)  # logits of -8 to 8 become 0 to 6
    identity = np.eye(len(bias), dtype=np.float32)[None, None]
    return {
        f"{name}_limited": [kernel * gain, bias * gain + 3],
        name: [identity / gain, np.full_like(bias, -LOGIT_LIMIT)],
    }


def _normalisation(network: keras.Model, name: str) -> tuple[AnyArray, AnyArray]:
    """Return factor and summand of each channel of a batch normalisation."""
    layer = network.get_layer(name)
    scale = np.asarray(layer.gamma) / np.sqrt(np.asarray(layer.moving_variance) + layer.epsilon)
    return scale, np.asarray(layer.beta) - np.asarray(layer.moving_mean) * scale
