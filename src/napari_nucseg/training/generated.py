"""Windows of generated fields: nuclei of many looks and sizes, of which no data is needed.

Fluorescence, the same on light ground, and stained tissue, with nuclei of many sizes, crowded and
lonely, in good and in poor light.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.random import Generator

from napari_nucseg._types import AnyArray, FloatArray
from napari_nucseg.model.config import ModelConfig
from napari_nucseg.preprocessing.normalize import measure_range, normalize, to_three_channels
from napari_nucseg.sample_data import fluorescence_field, histology_field
from napari_nucseg.training.augmentation import random_intensity, random_view

FIELDS = 14
"""Generated fields; each is made when it is first needed."""

FIELD = 320
"""Height and width of the generated fields."""

DIAMETERS = (12.0, 40.0)
"""Range of the nuclei's diameters in pixels of the fields."""

SPREAD = 0.55
"""Natural logarithm of how far nuclei lie from the model's own diameter, as standard deviation."""

SCALES = (0.3, 3.0)
"""Nuclei are brought to diameters within these multiples of the model's, and fields are rescaled
by no more than this."""

CHANGED = 0.5
"""Share of windows whose intensities are changed."""

SAMPLES, SIZE = 24, 256
"""Number of windows that tell which values the bundled network brings about, and height and width
of all such windows."""

SAMPLES_SEED = 4
"""Of eight seeds the one with which eight bits, with so many windows, change fewest pixels of the
bundled model's masks of its 69 validation images."""


@dataclass(frozen=True, eq=False)
class _Field:
    """A normalised field (Y, X, 3), if it is coloured, and the scale that suits the model."""

    image: FloatArray
    color: bool
    scale: float


class GeneratedFields:
    """Fields to cut windows from.

    Parameters
    ----------
    config : ModelConfig
    seed : int
    """

    def __init__(self, config: ModelConfig, seed: int) -> None:
        self.config = config
        self.seed = seed
        self._field = cache(self._draw)

    def view(self, size: int, change: float, rng: Generator) -> FloatArray:
        """Return a random window (size, size, 3), normalised.

        Parameters
        ----------
        size : int
            Height and width.
        change : float
            Factor on the scale that brings the field's nuclei to the model's diameter.
        rng : numpy.random.Generator
        """
        field = self._field(int(rng.integers(FIELDS)))
        scale = float(np.clip(field.scale * change, *SCALES))
        nothing = np.zeros(field.image.shape[:2], np.int32)
        image = random_view(field.image, nothing, scale, size, rng, 1.0).image
        if rng.random() < CHANGED:
            image = random_intensity(image, field.color, rng, 1.0)
        return image

    def _draw(self, number: int) -> _Field:
        """Generate one field: of five, two show fluorescence, one light ground, two tissue."""
        rng = np.random.default_rng((self.seed, number))
        diameter = float(np.exp(rng.uniform(*np.log(DIAMETERS))))
        shape, seed = (FIELD, FIELD), self.seed + number
        touching = float(rng.uniform(0.1, 0.8))
        scale = self.config.diameter / diameter
        if number % 5 > 2:
            tissue = histology_field(shape, diameter, touching=touching, seed=seed)
            return _Field(_normalized(tissue.image, self.config), True, scale)
        exposure = float(np.exp(rng.uniform(math.log(0.05), 0.0)))
        image = fluorescence_field(
            shape, diameter, touching=touching, exposure=exposure, seed=seed
        ).image
        if number % 5 == 2:
            image = image.max() - image
        return _Field(_normalized(image, self.config), False, scale)


def random_change(rng: Generator) -> float:
    """Draw how far nuclei are to lie from the model's own diameter."""
    return float(np.clip(np.exp(rng.normal(0.0, SPREAD)), *SCALES))


def generated_samples(config: ModelConfig, count: int) -> FloatArray:
    """Return windows (count, Y, X, 3), float32, normalised, always the same for a configuration.

    For `model.litert.quantize`: 24 of them serve as well as 200 of real training images.
    """
    rng = np.random.default_rng(SAMPLES_SEED)
    fields = GeneratedFields(config, SAMPLES_SEED)
    windows = [fields.view(SIZE, random_change(rng), rng) for _ in range(count)]
    return np.stack(windows).astype(np.float32)


def _normalized(image: AnyArray, config: ModelConfig) -> FloatArray:
    plane = image[..., None] if image.ndim == 2 else image
    intensity = measure_range([plane], config.input, joint=plane.shape[-1] == 3)
    return to_three_channels(normalize(plane, intensity, config.input))
