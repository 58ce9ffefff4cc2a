"""The MobileNetV2 U-Net, a functional Keras 3 model with named layers.

The encoder is `keras.applications.MobileNetV2` (Sandler et al., CVPR 2018), the decoder a U-Net
(Ronneberger et al., MICCAI 2015). The skips are those of the original napari-nucseg report.
Backend neutral: it builds, trains and predicts with TensorFlow, torch or jax.
"""

from functools import cache

import keras
from keras import layers

from napari_nucseg.errors import ModelError, first_line
from napari_nucseg.model.blocks import DepthToSpace, refine_block, transposed_block
from napari_nucseg.model.config import OUTPUT_CHANNELS, SKIP_LAYERS, NetworkConfig, OutputName
from napari_nucseg.model.folder import ModelFolder


def build_encoder(
    size: int | None = None, skip_layers: tuple[str, ...] = SKIP_LAYERS
) -> keras.Model:
    """Build the encoder with random weights.

    Parameters
    ----------
    size : int, optional
        Height and width of the input in pixels; None accepts any multiple of 32.
    skip_layers : tuple of str
        Layers whose outputs are wanted, from stride 2 on; the encoder ends at the last.

    Returns
    -------
    keras.Model
        From (batch, height, width, 3) to the skip tensors, by default from stride 2 to stride 32;
        the 1x1 convolution behind ``block_16_project`` is never used.
    """
    full = keras.applications.MobileNetV2(
        input_shape=(size, size, 3), include_top=False, weights=None
    )
    skips = [full.get_layer(name).output for name in skip_layers]
    return keras.Model(full.input, skips, name="encoder")


def build_network(config: NetworkConfig, size: int | None = None) -> keras.Model:
    """Build encoder, decoder and heads.

    Parameters
    ----------
    config : NetworkConfig
        Decoder kind, widths and outputs.
    size : int, optional
        Height and width of the input in pixels; None accepts any multiple of 32.

    Returns
    -------
    keras.Model
        From (batch, height, width, 3), float32 in [-1, 1], to one tensor
        (batch, height, width, channels): foreground probability, then, where configured, distance
        in [0, 1] and offset (dy, dx) in units of `config.OFFSET_UNIT` pixels.
    """
    encoder = build_encoder(size, config.skips)
    image = encoder.input
    skips = encoder.outputs
    build_decoder = _separable_decoder if config.decoder == "separable" else _transposed_decoder
    features = build_decoder(image, skips, config.decoder_widths)
    heads = [_head(features, name) for name in config.outputs]
    outputs = heads[0] if len(heads) == 1 else layers.Concatenate(name="maps")(heads)
    return keras.Model(image, outputs, name="mobilenet_v2_unet")


def load_network(model: ModelFolder) -> keras.Model:
    """Build the network of a model and give it the model's weights.

    Raises
    ------
    ModelError
        The weights are missing, damaged, or of another network than `config.json` says.
    """
    network = build_network(model.config.network, model.config.fixed_size)
    try:
        network.load_weights(model.weights)
    except (OSError, ValueError, KeyError) as error:
        reason = first_line(error)[:200]
        raise ModelError(f"{model.weights} does not fit its config.json: {reason}.") from error
    return network


def encoder_layers(network: keras.Model) -> list[keras.Layer]:
    """Return the layers of `network` that belong to the encoder, in order."""
    known = _encoder_names()
    return [layer for layer in network.layers if layer.name in known]


@cache
def _encoder_names() -> frozenset[str]:
    """Return the names of the encoder's layers; building it takes half a second."""
    return frozenset(layer.name for layer in build_encoder().layers)


def _separable_decoder(
    image: keras.KerasTensor, skips: list[keras.KerasTensor], widths: tuple[int, ...]
) -> keras.KerasTensor:
    features = skips[-1]
    for level, width in enumerate(widths[:-1]):
        skip = skips[-2 - level]
        features = refine_block(features, skip, width, name=f"decoder_{level}")
    # Full resolution is where pixels are many: one cheap block on sub-pixels and the image itself.
    width = widths[-1]
    features = layers.Conv2D(4 * width, 1, use_bias=False, name="decoder_4_project")(features)
    features = DepthToSpace(name="decoder_4_shuffle")(features)
    features = layers.BatchNormalization(momentum=0.99, name="decoder_4_bn")(features)
    features = layers.ReLU(name="decoder_4_relu")(features)
    features = layers.Concatenate(name="decoder_4_concat")([features, image])
    features = layers.SeparableConv2D(
        width, 3, padding="same", use_bias=False, name="decoder_4_separable"
    )(features)
    features = layers.BatchNormalization(momentum=0.99, name="decoder_4_separable_bn")(features)
    return layers.ReLU(name="decoder_4_separable_relu")(features)


def _transposed_decoder(
    image: keras.KerasTensor, skips: list[keras.KerasTensor], widths: tuple[int, ...]
) -> keras.KerasTensor:
    del image  # the original system has no skip at full resolution
    features = skips[-1]
    for level, width in enumerate(widths[:-1]):
        features = transposed_block(features, width, name=f"decoder_{level}")
        features = layers.Concatenate(name=f"decoder_{level}_concat")([features, skips[-2 - level]])
    return transposed_block(features, widths[-1], name="decoder_4")


def _head(features: keras.KerasTensor, name: OutputName) -> keras.KerasTensor:
    activation = "linear" if name == "offset" else "sigmoid"
    return layers.Conv2D(OUTPUT_CHANNELS[name], 1, activation=activation, name=name)(features)
