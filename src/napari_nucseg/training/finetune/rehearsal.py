"""Windows on which the new model repeats what the base model sees, so that it does not forget.

Half of them show generated fields, half the user's images in disguise. The base model's maps are
their targets: distillation (Hinton et al., 2015) as rehearsal, after Li and Hoiem, "Learning
without Forgetting", ECCV 2016.
"""

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

from napari_nucseg._types import FloatArray
from napari_nucseg.inference.engine import Engine
from napari_nucseg.model.config import OFFSET_UNIT, ModelConfig
from napari_nucseg.training.finetune.disguise import Disguise
from napari_nucseg.training.finetune.rows import Row
from napari_nucseg.training.generated import GeneratedFields, random_change
from napari_nucseg.training.targets import TARGET_CHANNELS

DISGUISED = 0.5
"""Share of windows that show the user's images in disguise. With them less than half as much is
forgotten of other images (see `docs/finetune.md`)."""


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
        self.fields = GeneratedFields(config, seed)
        self.disguise = Disguise(rows, config)

    def view(self, size: int, rng: Generator) -> tuple[FloatArray, FloatArray]:
        """Return an image (size, size, 3) and its targets (size, size, 6)."""
        change = random_change(rng)
        if self.disguise and rng.random() < DISGUISED:
            image = self.disguise.view(size, change, rng)
        else:
            image = self.fields.view(size, change, rng)
        return image, soft_targets(self.engine.predict(image), self.config)


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
