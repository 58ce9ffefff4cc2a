"""Windows on which the new model repeats what the base model sees, so that it does not forget.

Half of them show generated fields: fluorescence, the same on light ground, and stained tissue, with
nuclei of many sizes, crowded and lonely, in good and in poor light; half show the user's images in
disguise. The base model's maps are their targets: distillation (Hinton et al., 2015) as rehearsal,
after Li and Hoiem, "Learning without Forgetting", ECCV 2016.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.random import Generator

from napari_nucseg._types import AnyArray, FloatArray
from napari_nucseg.inference.engine import Engine
from napari_nucseg.model.config import OFFSET_UNIT, ModelConfig
from napari_nucseg.preprocessing.normalize import measure_range, normalize, to_three_channels
from napari_nucseg.sample_data import fluorescence_field, histology_field
from napari_nucseg.training.augmentation import random_intensity, random_view
from napari_nucseg.training.finetune.disguise import Disguise
from napari_nucseg.training.finetune.rows import Row
from napari_nucseg.training.targets import TARGET_CHANNELS

FIELDS = 14
"""Generated fields; each is made when it is first needed."""

FIELD = 320
"""Height and width of the generated fields."""

DIAMETERS = (12.0, 40.0)
"""Range of the nuclei's diameters in pixels of the fields."""

DISGUISED = 0.5
"""Share of windows that show the user's images in disguise. With them less than half as much is
forgotten of other images (see `docs/finetune.md`)."""

SPREAD = 0.55
"""Natural logarithm of how far nuclei lie from the model's own diameter, as standard deviation."""

SCALES = (0.3, 3.0)
"""Generated fields are rescaled by no more than this; nuclei of the user's images are brought to
diameters within these multiples of the model's."""

CHANGED = 0.5
"""Share of generated windows whose intensities are changed before the base model looks at them."""


@dataclass(frozen=True, eq=False)
class _Field:
    """A normalised field (Y, X, 3), if it is coloured, and the scale that suits the model."""

    image: FloatArray
    color: bool
    scale: float


class Rehearsal:
    """Generated fields, the user's images in disguise, and what the base model sees in them.

    Parameters
    ----------
    config : ModelConfig
        Of the base model.
    engine : Engine
        Runs the base model.
    seed : int
        Of the fields.
    rows : sequence of Row
        The user's images.
    """

    def __init__(self, config: ModelConfig, engine: Engine, seed: int, rows: Sequence[Row]) -> None:
        self.config = config
        self.engine = engine
        self.seed = seed
        self.disguise = Disguise(rows, config)
        self._field = cache(self._draw)

    def view(self, size: int, rng: Generator) -> tuple[FloatArray, FloatArray]:
        """Return an image (size, size, 3) and its targets (size, size, 6)."""
        change = float(np.clip(np.exp(rng.normal(0.0, SPREAD)), *SCALES))
        if self.disguise and rng.random() < DISGUISED:
            image = self.disguise.view(size, change, rng)
        else:
            image = self._generated(size, change, rng)
        return image, soft_targets(self.engine.predict(image), self.config)

    def _generated(self, size: int, change: float, rng: Generator) -> FloatArray:
        """Return a view (size, size, 3) of a generated field."""
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


def soft_targets(maps: FloatArray, config: ModelConfig) -> FloatArray:
    """Turn a model's maps (Y, X, channels) into targets (Y, X, 6), as `make_targets` orders them.

    Every pixel carries loss; the offsets of what is likelier nucleus than not.
    """
    outputs = config.network.outputs
    targets = np.zeros((*maps.shape[:2], TARGET_CHANNELS), np.float32)
    targets[..., 0] = maps[..., 0]
    if "distance" in outputs:
        targets[..., 1] = maps[..., config.network.first_channel("distance")]
    if "offset" in outputs:
        start = config.network.first_channel("offset")
        targets[..., 2:4] = maps[..., start : start + 2]
    targets[..., 4] = 1.0
    targets[..., 5] = (maps[..., 0] > 0.5) * (OFFSET_UNIT / config.diameter)
    return targets


def _normalized(image: AnyArray, config: ModelConfig) -> FloatArray:
    plane = image[..., None] if image.ndim == 2 else image
    intensity = measure_range([plane], config.input, joint=plane.shape[-1] == 3)
    return to_three_channels(normalize(plane, intensity, config.input))
