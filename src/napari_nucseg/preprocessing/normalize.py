"""Intensities: statistics of the whole image, measured once, applied to every tile alike."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from napari_nucseg._types import AnyArray, FloatArray
from napari_nucseg.frozen import Frozen

MAX_SAMPLES = 4_000_000
"""Pixels from which percentiles are measured; more would not change them visibly."""

FAINTEST = 0.3
"""A colour image is stretched as if something in it absorbed at least this share of the light: the
noise of empty glass, stretched to full contrast, would look like nuclei."""

HUGE = 1e307
"""Differences of larger values overflow."""


class InputConfig(Frozen):
    """How intensities become the network's input; part of a model's `config.json`.

    ``percentile``: the image's `low` and `high` percentile go to -1 and 1, clipped to
    [-`clip`, `clip`]. ``unit``: 8-bit values divided by 255, as in the original system;
    floats in [0, 1] stay, larger ranges are divided by their peak.
    """

    normalization: Literal["percentile", "unit"] = "percentile"
    low: float = Field(default=1.0, ge=0, lt=50)
    high: float = Field(default=99.8, gt=50, le=100)
    clip: float = Field(default=1.5, ge=1)


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
    thinned = _thin(list(planes))
    if not thinned:
        return IntensityRange((0.0,), (1.0,))
    values = np.concatenate(thinned)
    channels = values.shape[-1]
    if config.normalization == "unit":
        top = _unit_top(values)
        return IntensityRange((-top,) * channels, (top,) * channels)
    if joint:
        low, high = _percentiles(values, config)
        low = min(low, (1 - FAINTEST) * high)
        return IntensityRange((low,) * channels, (high,) * channels)
    pairs = [_percentiles(values[:, channel], config) for channel in range(channels)]
    return IntensityRange(tuple(p[0] for p in pairs), tuple(p[1] for p in pairs))


def normalize(plane: AnyArray, intensity: IntensityRange, config: InputConfig) -> FloatArray:
    """Scale a plane (Y, X, channels) so that `intensity` spans -1 to 1.

    With ``unit`` normalisation [0, 255] becomes [0, 1], as in the original system.

    Returns
    -------
    array (Y, X, channels), float32
        Clipped to [-config.clip, config.clip]; non-finite pixels and
        constant channels become background (-1, or 0 with ``unit``).
    """
    # float32 holds the values of short integers exactly, but not the range of long ones or floats.
    dtype = np.float32 if plane.dtype.itemsize <= 2 else np.float64
    low, high = (np.asarray(ends, np.float64) for ends in (intensity.low, intensity.high))
    centre, half = high / 2 + low / 2, high / 2 - low / 2  # high - low might overflow
    # A constant channel has no range: everything is background.
    constant = ~(half > 0)
    half = np.where(constant, 1.0, half)
    with np.errstate(over="ignore"):  # values far beyond the range are clipped all the same
        scaled = (plane.astype(dtype) - centre.astype(dtype)) / half.astype(dtype)
        scaled = np.clip(scaled, -config.clip, config.clip).astype(np.float32)
    background = 0.0 if config.normalization == "unit" else -1.0
    scaled[..., constant] = background
    if plane.dtype.kind == "f":
        scaled[~np.isfinite(plane)] = background
    return scaled


def contrast(pixels: AnyArray) -> float:
    """Return the standard deviation of the finite pixels relative to the largest of them.

    Any shape and real dtype, however large the values; 0 for constant pixels.
    """
    values = pixels[np.isfinite(pixels)].astype(np.float64)
    top = np.abs(values).max(initial=0.0)
    return float((values / top).std()) if top > 0 else 0.0


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


def _thin(planes: list[AnyArray]) -> list[FloatArray]:
    """Return pixels of all planes as (pixels, channels) each, thinned evenly."""
    total = sum(plane[..., 0].size for plane in planes)
    # An odd step: with an even one, an image of even width would give some of its columns only.
    step = max(1, total // MAX_SAMPLES) | 1
    return [plane.reshape(-1, plane.shape[-1])[::step].astype(np.float64) for plane in planes]


def _percentiles(values: FloatArray, config: InputConfig) -> tuple[float, float]:
    """Return the percentiles of the finite values; (0, 0) without any."""
    values = values[np.isfinite(values)]
    if values.size == 0:
        return 0.0, 0.0
    scale = 4.0 if np.abs(values).max() > HUGE else 1.0  # interpolation takes differences
    low, high = scale * np.percentile(values / scale, (config.low, config.high))
    if high <= low:  # nearly all pixels alike: fewer bright pixels than the percentile leaves out
        low, high = values.min(), values.max()
    return float(low), float(high)


def _unit_top(values: FloatArray) -> float:
    """Return the value that becomes 1: that of 8-bit images, of [0, 1] floats, or the highest."""
    peak = float(values[np.isfinite(values)].max(initial=0.0))
    if values.dtype.kind == "f" and peak <= 1.0:
        return 1.0
    return max(255.0, peak)
