"""Intensities: statistics of the whole image, measured once, applied to every tile alike."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from napari_nucseg._types import AnyArray, FloatArray
from napari_nucseg.model.config import InputConfig

MAX_SAMPLES = 4_000_000
"""Pixels from which percentiles are measured; more would not change them visibly."""


@dataclass(frozen=True)
class IntensityRange:
    """Values that become -1 and 1, one pair per channel.

    Attributes
    ----------
    low, high : tuple of float
        In the image's own units; one entry per channel, equal entries for the samples of a colour
        image, which are scaled together so that colours keep their hue.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]


def measure_range(
    planes: Iterable[AnyArray], config: InputConfig, *, joint: bool = False
) -> IntensityRange:
    """Measure the range of a whole image.

    Parameters
    ----------
    planes : iterable of array (Y, X, channels)
        All planes of the image, or an even sample of them; any real dtype. Non-finite pixels do
        not count.
    config : InputConfig
        Percentiles, or ``unit`` for the range of the dtype's 8-bit equivalent.
    joint : bool
        One range for all channels (colour images).
    """
    samples = [_sample(plane) for plane in planes]
    if not samples:
        return IntensityRange((0.0,), (1.0,))
    channels = samples[0].shape[-1]
    if config.normalization == "unit":
        top = _unit_top(samples)
        return IntensityRange((-top,) * channels, (top,) * channels)
    values = np.concatenate(samples)
    if joint:
        low, high = _percentiles(values.ravel(), config)
        return IntensityRange((low,) * channels, (high,) * channels)
    pairs = [_percentiles(values[:, channel], config) for channel in range(channels)]
    return IntensityRange(tuple(p[0] for p in pairs), tuple(p[1] for p in pairs))


def normalize(plane: AnyArray, intensity: IntensityRange, config: InputConfig) -> FloatArray:
    """Scale a plane (Y, X, channels) so that `intensity` spans -1 to 1.

    With ``unit`` normalisation [0, 255] becomes [0, 1], as in the original system.

    Returns
    -------
    array (Y, X, channels), float32
        Clipped to [-config.clip, config.clip]; non-finite pixels become the low value.
    """
    low = np.asarray(intensity.low, np.float32)
    high = np.asarray(intensity.high, np.float32)
    scaled = plane.astype(np.float32)
    # A constant channel has no range: everything is background.
    span = np.where(high > low, high - low, np.float32(np.inf))
    scaled = (scaled - low) * (2.0 / span) - 1.0
    if not np.issubdtype(plane.dtype, np.integer):
        scaled = np.nan_to_num(scaled, nan=-1.0, posinf=config.clip, neginf=-config.clip)
    return np.clip(scaled, -config.clip, config.clip).astype(np.float32)


def to_three_channels(plane: FloatArray) -> FloatArray:
    """Make the encoder's RGB input: repeat one channel, keep three, drop alpha.

    Parameters
    ----------
    plane : array (Y, X, channels)
        1, 3 or 4 channels.
    """
    if plane.shape[-1] == 1:
        return np.repeat(plane, 3, axis=-1)
    return plane[..., :3]


def _sample(plane: AnyArray) -> FloatArray:
    """Return finite pixels of one plane as (pixels, channels), thinned evenly."""
    pixels = plane.reshape(-1, plane.shape[-1])
    step = max(1, len(pixels) // MAX_SAMPLES)
    values = pixels[::step].astype(np.float64)
    if not np.issubdtype(plane.dtype, np.integer):
        values = values[np.isfinite(values).all(axis=-1)]
    return values


def _percentiles(values: FloatArray, config: InputConfig) -> tuple[float, float]:
    if values.size == 0:
        return 0.0, 0.0
    low, high = np.percentile(values, (config.low, config.high))
    if high <= low:  # nearly all pixels alike: fewer bright pixels than the percentile leaves out
        low, high = values.min(), values.max()
    return float(low), float(high)


def _unit_top(samples: list[FloatArray]) -> float:
    peak = max((float(s.max()) for s in samples if s.size), default=255.0)
    return 255.0 if peak <= 255.0 else peak
