"""Windows on which the new model repeats what the base model sees, so that it does not forget.

The fields are generated, fluorescence and stained tissue, and the base model's maps are their
targets: distillation (Hinton et al., 2015) as rehearsal, after Li and Hoiem, "Learning without
Forgetting", ECCV 2016.
"""

import numpy as np
from numpy.random import Generator

from napari_nucseg._types import AnyArray, FloatArray
from napari_nucseg.inference.engine import Engine
from napari_nucseg.model.config import OFFSET_UNIT, ModelConfig
from napari_nucseg.preprocessing.normalize import measure_range, normalize, to_three_channels
from napari_nucseg.sample_data import fluorescence_field, histology_field
from napari_nucseg.training.augmentation import random_view
from napari_nucseg.training.targets import TARGET_CHANNELS

FIELD = 320
"""Height and width of the generated fields."""

SPREAD = 0.4
"""Natural logarithm of how far diameters lie from the model's own, as standard deviation."""


class Rehearsal:
    """Generated fields and what the base model sees in them.

    Parameters
    ----------
    config : ModelConfig
        Of the base model.
    engine : Engine
        Runs the base model.
    seed : int
        Of the fields.
    """

    def __init__(self, config: ModelConfig, engine: Engine, seed: int) -> None:
        self.config = config
        self.engine = engine
        shape, diameter = (FIELD, FIELD), 22.0
        fields = [
            fluorescence_field(shape, diameter, touching=0.6, seed=seed),
            fluorescence_field(shape, diameter, exposure=0.2, seed=seed + 1),
            histology_field(shape, diameter, seed=seed),
            histology_field(shape, diameter, touching=0.5, seed=seed + 1),
        ]
        self.scale = config.diameter / diameter
        self.images = [(_normalized(field.image, config), field.axes == "YXS") for field in fields]

    def view(self, size: int, rng: Generator) -> tuple[FloatArray, FloatArray, bool]:
        """Return an image (size, size, 3), its targets (size, size, 6), and if it is coloured."""
        image, color = self.images[rng.integers(len(self.images))]
        scale = self.scale * float(np.exp(rng.normal(0.0, SPREAD)))
        nothing = np.zeros(image.shape[:2], np.int32)
        view = random_view(image, nothing, min(max(scale, 0.4), 2.5), size, rng, 1.0)
        return view.image, soft_targets(self.engine.predict(view.image), self.config), color


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
