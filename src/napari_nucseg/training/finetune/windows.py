"""Batches of windows: reviewed places of the user's images, and rehearsal."""

import math
from collections import abc
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from scipy import ndimage

from napari_nucseg._types import AnyArray, FloatArray
from napari_nucseg.finetune_params import FineTuneParams
from napari_nucseg.inference.maps import PlaneInput
from napari_nucseg.model.config import ModelConfig
from napari_nucseg.training.augmentation import View, random_intensity, random_view
from napari_nucseg.training.copy_paste import paste_nuclei
from napari_nucseg.training.finetune.examination import (
    box_around,
    normalized_part,
    prepare_row,
)
from napari_nucseg.training.finetune.rehearsal import Rehearsal
from napari_nucseg.training.finetune.rows import Row
from napari_nucseg.training.finetune.split import Split, nuclei_inside
from napari_nucseg.training.prefetch import prefetch
from napari_nucseg.training.targets import make_targets

SIZE, BATCH = 256, 4

TOUCHING = 4.0
"""Extra weight of pixels between touching nuclei, as in the standard recipe."""

AT_NUCLEI = 0.8
"""Share of windows placed at a reviewed nucleus; the others lie at any reviewed pixel."""

SCALE_SPREAD = 0.25
"""Natural logarithm of how far windows are rescaled, as standard deviation at full strength."""

MOST_PLACES = 250_000
"""Pixels of one image among which places for windows are drawn."""

MOST_WEIGHT = 4.0
"""Windows with few reviewed pixels weigh as much as others, up to this factor per pixel."""

PASTED = 0.3
"""Share of windows into which nuclei are pasted beside others, as in the standard recipe."""


Batch = tuple[FloatArray, FloatArray]
"""Images (batch, Y, X, 3) and targets (batch, Y, X, 6)."""


@dataclass(frozen=True, eq=False)
class _Source:
    """A row to cut windows from: places to cut at (n, 2), and how it becomes network input."""

    row: Row
    training: AnyArray
    nuclei: AnyArray
    pixels: AnyArray
    prepared: PlaneInput


class Windows:
    """Batches; the one of a step depends on the seed and the step alone.

    Parameters
    ----------
    rows : sequence of Row
    split : Split
    config : ModelConfig
        Of the base model.
    params : FineTuneParams
    rehearsal : Rehearsal
    """

    def __init__(
        self,
        rows: Sequence[Row],
        split: Split,
        config: ModelConfig,
        params: FineTuneParams,
        rehearsal: Rehearsal,
    ) -> None:
        self.params = params
        self.rehearsal = rehearsal
        self.sources = [
            _source(row, mask, config)
            for row, mask in zip(rows, split.training, strict=True)
            if mask.any()
        ]
        counts = np.array([len(source.nuclei) + 1.0 for source in self.sources])
        self.chances = counts / counts.sum()

    def batch(self, step: int) -> Batch:
        """Return images (batch, Y, X, 3) and targets (batch, Y, X, 6) of a step."""
        rng = np.random.default_rng((self.params.seed, step))
        pairs = [self._window(first=i == 0, rng=rng) for i in range(BATCH)]
        return np.stack([p[0] for p in pairs]), np.stack([p[1] for p in pairs])

    def prepared(self, start: int, stop: int) -> abc.Generator[Batch]:
        """Yield the batches of steps in order, some of them prepared ahead."""
        return prefetch(self.batch, start, stop)

    def _window(self, *, first: bool, rng: Generator) -> tuple[FloatArray, FloatArray]:
        """Return an image and its targets; the first of a batch is never rehearsal."""
        if rng.random() < self.params.rehearsal and not first:
            return self.rehearsal.view(SIZE, rng)
        source = self.sources[rng.choice(len(self.sources), p=self.chances)]
        image, targets = _reviewed_window(source, self.params.augmentation, rng)
        return random_intensity(image, source.row.color, rng, self.params.augmentation), targets


def _source(row: Row, training: AnyArray, config: ModelConfig) -> _Source:
    nuclei = nuclei_inside(row.labels, training)
    centres = ndimage.center_of_mass(row.labels > 0, row.labels, nuclei) if len(nuclei) else []
    places = np.round(np.asarray(centres, np.float64).reshape(-1, 2)).astype(np.intp)
    return _Source(row, training, places, _some_pixels(training), prepare_row(row, config))


def _some_pixels(mask: AnyArray) -> AnyArray:
    """Return (n, 2) of the pixels in a mask, evenly thinned where they are very many."""
    step = math.ceil(math.sqrt(mask.sum() / MOST_PLACES))
    thinned = step * np.argwhere(mask[::step, ::step])
    return thinned if len(thinned) else np.argwhere(mask)


def _reviewed_window(
    source: _Source, strength: float, rng: Generator
) -> tuple[FloatArray, FloatArray]:
    """Return a random window around a reviewed place; only reviewed pixels have a weight."""
    at_nucleus = len(source.nuclei) > 0 and rng.random() < AT_NUCLEI
    places = source.nuclei if at_nucleus else source.pixels
    place = places[rng.integers(len(places))]
    scale = source.prepared.scale * float(np.exp(rng.normal(0.0, SCALE_SPREAD * strength)))
    view = _cut_out(source, place, scale, strength, rng)
    if rng.random() < PASTED:
        view = paste_nuclei(view, _cut_out(source, place, scale, strength, rng), rng)
    targets = make_targets(view.labels, view.valid, TOUCHING)
    targets[..., 4:] *= min(MOST_WEIGHT, view.valid.size / max(1, int(view.valid.sum())))
    return view.image, targets


def _cut_out(
    source: _Source, place: AnyArray, scale: float, strength: float, rng: Generator
) -> View:
    """Cut a window that holds a place; only reviewed pixels are valid."""
    # In a box of 1.5 windows a random window always holds the middle.
    reach = math.ceil(0.75 * SIZE / scale)
    box = box_around(place, reach)
    pixels = normalized_part(source.row, source.prepared, box)
    # The mask moves with the image as its fourth channel.
    four = np.dstack([pixels, source.training[box].astype(np.float32)])
    view = random_view(four, source.row.labels[box], scale, SIZE, rng, strength)
    image = np.ascontiguousarray(view.image[..., :3])
    return View(image, view.labels, view.valid & (view.image[..., 3] > 0.5))
