"""The user's images in the look of another stain, for rehearsal.

Bright nuclei are drawn as tissue in two dyes, dark ones as fluorescence. What a network sees there
is as doubtful as in real images, which is what generated ones lack; and yet it is so unlike what it
is tuned on that repeating it keeps nothing from being learnt. That few images do for distillation
if they are changed enough is the finding of Asano and Saeed, "The Augmented Image Prior: Distilling
1000 Classes by Extrapolating from a Single Image", ICLR 2023.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.random import Generator
from skimage.color import hed2rgb

from napari_nucseg._opencv import cv2
from napari_nucseg._types import FloatArray
from napari_nucseg.inference.maps import PlaneInput
from napari_nucseg.model.config import ModelConfig
from napari_nucseg.training.augmentation import random_intensity, random_view
from napari_nucseg.training.finetune.examination import (
    box_around,
    normalized_part,
    prepare_row,
)
from napari_nucseg.training.finetune.rows import Row

TURNED = 0.8
"""Share of views of dark nuclei that are turned so that these are bright."""

SMALLEST = 8
"""Height and width, in pixels, of the smallest image that is used."""

FINE_ENOUGH = 2
"""Images with more pixels than this, along one axis, per pixel of a view are thinned out first."""

GLANCE = 512
"""About so many pixels along an axis tell whether nuclei are bright."""


@dataclass(frozen=True, eq=False)
class _Source:
    """A row, how it becomes network input, and whether its nuclei are brighter than the rest."""

    row: Row
    prepared: PlaneInput
    bright: bool


class Disguise:
    """Views of whole rows, reviewed or not, in the look of another stain.

    Parameters
    ----------
    rows : sequence of Row
        Their labels only tell whether nuclei are bright or dark.
    config : ModelConfig
        Of the base model.
    """

    def __init__(self, rows: Sequence[Row], config: ModelConfig) -> None:
        self._config = config
        self._rows = [row for row in rows if min(row.image.shape[:2]) >= SMALLEST]
        self._source = cache(self._prepare)

    def __bool__(self) -> bool:
        return bool(self._rows)

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
        source = self._source(int(rng.integers(len(self._rows))))
        diameter = source.row.diameter
        scale = change * (self._config.diameter / diameter if diameter else 1.0)
        step = max(1, int(1 / (FINE_ENOUGH * scale)))
        part = _cut_out(source, size / scale, step, rng)
        nothing = np.zeros(part.shape[:2], np.int32)
        image = random_view(part, nothing, scale * step, size, rng, 1.0).image
        other = _as_tissue(image, rng) if source.bright else _as_fluorescence(image, rng)
        return random_intensity(other, source.bright, rng, 1.0)

    def _prepare(self, number: int) -> _Source:
        row = self._rows[number]
        return _Source(row, prepare_row(row, self._config), _has_bright_nuclei(row))


def _has_bright_nuclei(row: Row) -> bool:
    """Tell from the labels; without any, colour images are taken for tissue."""
    thin = (slice(None, None, max(1, row.labels.shape[0] // GLANCE)),) * 2
    nuclei = row.labels[thin] > 0
    if not nuclei.any() or nuclei.all():
        return not row.color
    grey = np.nan_to_num(row.image[thin].mean(axis=-1, dtype=np.float64))
    return bool(np.median(grey[nuclei]) > np.median(grey[~nuclei]))


def _cut_out(source: _Source, length: float, step: int, rng: Generator) -> FloatArray:
    """Return a normalised part (Y, X, 3) of a row around a place: every `step`-th pixel."""
    reach = math.ceil(0.75 * length)  # of a view that lies partly outside, that part is mirrored
    place = np.array([rng.integers(n) for n in source.row.image.shape[:2]])
    return normalized_part(source.row, source.prepared, box_around(place, reach, step))


def _as_fluorescence(image: FloatArray, rng: Generator) -> FloatArray:
    """Mix the colours to grey, mostly turned so that dark nuclei are bright."""
    grey = _positive(image) @ rng.dirichlet((2.0, 2.0, 2.0))
    if rng.random() < TURNED:
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
