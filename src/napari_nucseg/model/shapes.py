"""The shapes of a network's weights, known without building it: Keras is not needed.

What `model.network` builds, as `save_weights` of Keras 3 names it: ``layers/conv2d_34/vars/0``.
"""

from collections import Counter
from collections.abc import Iterator

from napari_nucseg.model.config import OUTPUT_CHANNELS, NetworkConfig

Shape = tuple[int, ...]
Layer = tuple[str, list[Shape]]
"""What Keras calls the kind of a layer in files, and the shapes of its variables."""

STEM, FIRST = 32, 16
"""Channels of MobileNetV2 after its first convolution and its first block."""

EXPANSION = 6

BLOCKS = (24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320)
"""Channels after the blocks 1 to 16 of MobileNetV2."""

ENDS = {4: 13, 5: 16}
"""The block in which the encoder ends, by the number of skips."""

SKIPS = (96, 144, 192, 576, 320)
"""Channels of `config.SKIP_LAYERS`."""


def weight_shapes(config: NetworkConfig) -> dict[str, Shape]:
    """Return the shape of each array in the weights file of a network, by its path in the file."""
    counts: Counter[str] = Counter()
    shapes = {}
    for kind, variables in _layers(config):
        number = counts[kind]
        counts[kind] += 1
        name = f"{kind}_{number}" if number else kind
        for i, shape in enumerate(variables):
            shapes[f"layers/{name}/vars/{i}"] = shape
    return shapes


def _layers(config: NetworkConfig) -> Iterator[Layer]:
    """Give the layers that have weights; those of one kind in Keras' order."""
    widths = config.decoder_widths
    yield from _encoder(ENDS[len(widths)])
    skips = SKIPS[: len(widths)]
    channels = skips[-1]
    for width, skip in zip(widths[:-1], skips[-2::-1], strict=True):
        if config.decoder == "separable":
            yield from _refine_block(channels, skip, width)
            channels = width
        else:
            yield from _transposed_block(channels, width)
            channels = width + skip
    if config.decoder == "separable":
        yield _conv(channels, 4 * widths[-1])
        yield _norm(widths[-1])
        yield _separable(widths[-1] + 3, widths[-1])  # with the image itself
        yield _norm(widths[-1])
    else:
        yield from _transposed_block(channels, widths[-1])
    for output in config.outputs:
        count = OUTPUT_CHANNELS[output]
        yield "conv2d", [(1, 1, widths[-1], count), (count,)]


def _encoder(end: int) -> Iterator[Layer]:
    """Give the layers of MobileNetV2 (Sandler et al., CVPR 2018) up to a skip in block `end`."""
    yield "conv2d", [(3, 3, 3, STEM)]
    yield _norm(STEM)
    yield _depthwise(STEM)
    yield _norm(STEM)
    yield _conv(STEM, FIRST)
    yield _norm(FIRST)
    channels = FIRST
    for number, width in enumerate(BLOCKS[:end], start=1):
        wide = EXPANSION * channels
        yield _conv(channels, wide)
        yield _norm(wide)
        if number == ENDS[4] == end:  # this skip is the expansion; of block 16, the projection
            return
        yield _depthwise(wide)
        yield _norm(wide)
        yield _conv(wide, width)
        if number != ENDS[5]:
            yield _norm(width)
        channels = width


def _refine_block(channels: int, skip: int, width: int) -> Iterator[Layer]:
    yield _conv(channels, width)
    yield _conv(skip, width)
    yield _norm(2 * width)
    for before in (2 * width, width):
        yield _separable(before, width)
        yield _norm(width)


def _transposed_block(channels: int, width: int) -> Iterator[Layer]:
    yield "conv2d_transpose", [(3, 3, width, channels)]
    yield _norm(width)


def _conv(channels: int, width: int) -> Layer:
    return "conv2d", [(1, 1, channels, width)]


def _depthwise(channels: int) -> Layer:
    return "depthwise_conv2d", [(3, 3, channels, 1)]


def _separable(channels: int, width: int) -> Layer:
    return "separable_conv2d", [(3, 3, channels, 1), (1, 1, channels, width)]


def _norm(channels: int) -> Layer:
    return "batch_normalization", [(channels,) for _ in ("gamma", "beta", "mean", "variance")]
