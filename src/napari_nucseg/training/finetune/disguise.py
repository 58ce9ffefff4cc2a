"""The user's images in the look of another stain, for rehearsal.

Fluorescence is drawn as tissue in two dyes, tissue as fluorescence. What a network sees in them is
as doubtful as in real images, which is what generated ones lack; and yet they are so unlike what it
is tuned on that repeating it keeps nothing from being learnt. That few images do for distillation
if they are changed enough is the finding of Asano and Saeed, "The Augmented Image Prior: Distilling
1000 Classes by Extrapolating from a Single Image", ICLR 2023.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from skimage.color import hed2rgb

from napari_nucseg._opencv import cv2
from napari_nucseg._types import FloatArray
from napari_nucseg.inference.maps import PlaneInput
from napari_nucseg.model.config import ModelConfig
from napari_nucseg.preprocessing.normalize import normalize, to_three_channels
from napari_nucseg.training.augmentation import random_intensity, random_view
from napari_nucseg.training.finetune.examination import prepare_row
from napari_nucseg.training.finetune.rows import Row

BRIGHT_NUCLEI = 0.8
"""Share of views of tissue that are turned so that nuclei are bright."""


class Disguise:
    """Views of rows, reviewed or not, in the look of another stain.

    Parameters
    ----------
    rows : sequence of Row
        Their labels are not used.
    config : ModelConfig
        Of the base model.
    """

    def __init__(self, rows: Sequence[Row], config: ModelConfig) -> None:
        self._diameter = config.diameter
        self._sources = [(row, prepare_row(row, config)) for row in rows]

    def __bool__(self) -> bool:
        return bool(self._sources)

    def view(self, size: int, change: float, rng: Generator) -> FloatArray:
        """Return a view (size, size, 3), normalised.

        Parameters
        ----------
        size : int
            Height and width.
        change : float
            Factor on the scale that brings the row's nuclei to the model's diameter.
        rng : numpy.random.Generator
        """
        row, prepared = self._sources[int(rng.integers(len(self._sources)))]
        scale = change * (self._diameter / row.diameter if row.diameter else 1.0)
        part = _cut_out(row, prepared, size / scale, rng)
        nothing = np.zeros(part.shape[:2], np.int32)
        image = random_view(part, nothing, scale, size, rng, 1.0).image
        other = _as_fluorescence(image, rng) if row.color else _as_tissue(image, rng)
        return random_intensity(other, not row.color, rng, 1.0)


def _cut_out(row: Row, prepared: PlaneInput, length: float, rng: Generator) -> FloatArray:
    """Return a normalised part (Y, X, 3) of a row that a view of this length is cut from."""
    # In a box of 1.5 lengths a turned view lies wholly inside.
    reach = math.ceil(0.75 * length)
    place = [int(rng.integers(n)) for n in row.image.shape[:2]]
    box = tuple(slice(max(0, c - reach), c + reach) for c in place)
    return to_three_channels(normalize(row.image[box], prepared.intensity, prepared.config.input))


def _as_fluorescence(image: FloatArray, rng: Generator) -> FloatArray:
    """Mix the colours to grey, mostly turned so that dark nuclei are bright."""
    grey = _positive(image) @ rng.dirichlet((2.0, 2.0, 2.0))
    if rng.random() < BRIGHT_NUCLEI:
        grey = 1 - grey
    return _normalized(np.repeat(grey[..., None], 3, axis=-1))


def _as_tissue(image: FloatArray, rng: Generator) -> FloatArray:
    """Take brightness for haematoxylin, on eosin that follows a blurred, shifted copy of it.

    The dyes are mixed by colour deconvolution run backwards (Ruifrok and Johnston, 2001).
    """
    nuclei = _positive(image).mean(axis=-1) ** np.exp(rng.normal(0, 0.3))
    blurred = cv2.GaussianBlur(
        nuclei.astype(np.float32), (0, 0), float(np.exp(rng.uniform(0.0, 3.0)))
    )
    ground = np.roll(blurred, tuple(rng.integers(0, len(blurred), 2)), (0, 1))
    haematoxylin = rng.uniform(0.06, 0.2) * nuclei + rng.uniform(0.0, 0.02)
    eosin = rng.uniform(0.0, 0.12) * ground + rng.uniform(0.0, 0.06)
    third = np.full_like(eosin, rng.uniform(0.0, 0.01))
    return _normalized(hed2rgb(np.stack([haematoxylin, eosin, third], axis=-1)))


def _positive(image: FloatArray) -> FloatArray:
    """Return a normalised image on a scale of 0 to 1."""
    return np.clip((image + 1) / 2, 0, 1)


def _normalized(image: FloatArray) -> FloatArray:
    return np.ascontiguousarray(2 * image - 1, np.float32)
