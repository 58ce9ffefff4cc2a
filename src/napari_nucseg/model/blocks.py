"""Building blocks of the decoders."""

from typing import Any

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="napari_nucseg")
class DepthToSpace(layers.Layer):
    """Rearrange (batch, h, w, 4 c) to (batch, 2 h, 2 w, c).

    Sub-pixel upsampling (Shi et al., CVPR 2016). Unlike Keras' resizing layers it converts to a
    LiteRT operation without a fixed size, so one `.tflite` file takes tiles of any size.
    """

    def call(self, inputs: Any) -> Any:
        """Return the rearranged tensor."""
        return ops.depth_to_space(inputs, 2)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape after rearranging."""
        batch, height, width, channels = input_shape
        return (
            batch,
            None if height is None else 2 * height,
            None if width is None else 2 * width,
            None if channels is None else channels // 4,
        )


def upsample(features: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Repeat each pixel 2x2 (nearest neighbour), through `DepthToSpace`."""
    repeated = layers.Concatenate(name=f"{name}_repeat")([features] * 4)
    return DepthToSpace(name=f"{name}_upsample")(repeated)


def refine_block(
    features: keras.KerasTensor, skip: keras.KerasTensor, width: int, name: str
) -> keras.KerasTensor:
    """Project coarse features and skip to `width` channels, join them, refine with 3x3 separables.

    The 1x1 projections run before the upsampling and on the wide encoder skips (up to 576
    channels), so the 3x3 convolutions only see `width` channels: most of the decoder's speed.
    """
    coarse = layers.Conv2D(width, 1, use_bias=False, name=f"{name}_project")(features)
    coarse = upsample(coarse, name)
    fine = layers.Conv2D(width, 1, use_bias=False, name=f"{name}_skip_project")(skip)
    x = layers.Concatenate(name=f"{name}_concat")([coarse, fine])
    x = layers.BatchNormalization(momentum=0.99, name=f"{name}_bn")(x)
    x = layers.ReLU(name=f"{name}_relu")(x)
    for step in (1, 2):
        x = layers.SeparableConv2D(
            width, 3, padding="same", use_bias=False, name=f"{name}_separable_{step}"
        )(x)
        x = layers.BatchNormalization(momentum=0.99, name=f"{name}_separable_{step}_bn")(x)
        x = layers.ReLU(name=f"{name}_separable_{step}_relu")(x)
    return x


def transposed_block(features: keras.KerasTensor, width: int, name: str) -> keras.KerasTensor:
    """Upsample with a 3x3 transposed convolution, batch normalisation and ReLU.

    The upsampling block of the TensorFlow image-segmentation tutorial ("pix2pix upsample"), which
    the original system used.
    """
    x = layers.Conv2DTranspose(
        width, 3, strides=2, padding="same", use_bias=False, name=f"{name}_transpose"
    )(features)
    x = layers.BatchNormalization(momentum=0.99, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)
