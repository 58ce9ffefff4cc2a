"""Scores of a model on the held-out areas, through the code that segments."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from scipy import ndimage

from napari_nucseg._opencv import cv2
from napari_nucseg._types import AnyArray, FloatArray, LabelArray
from napari_nucseg.evaluation.counts import Counts
from napari_nucseg.evaluation.scores import ImageScore, score_image
from napari_nucseg.inference.engine import Engine
from napari_nucseg.inference.instances import find_instances
from napari_nucseg.inference.maps import PlaneInput, predict_plane
from napari_nucseg.model.config import ModelConfig
from napari_nucseg.params import SegmentParams
from napari_nucseg.preprocessing.normalize import normalize, to_three_channels
from napari_nucseg.training.finetune.messages import Scores
from napari_nucseg.training.finetune.rows import Row
from napari_nucseg.training.finetune.split import Split, nuclei_inside
from napari_nucseg.training.targets import make_targets

MARGIN = 64
"""Network pixels around an area that the network sees too; as many image pixels where nuclei are
enlarged, so that areas are cut out alike whether they are or not."""

TILE, HALO = 1024, 64


@dataclass(frozen=True, eq=False)
class Area:
    """One held-out area with its surroundings.

    Attributes
    ----------
    pixels : array (Y, X, 1 or 3)
        Of the image, original dtype.
    labels : array (Y, X), int32
        True labels where `mask` is true, 0 elsewhere.
    mask : array (Y, X), bool
        What is scored: held-out pixels without those of nuclei that lie mostly outside.
    targets : array (y, x, 6), float32
        At the network's scale, see `training.targets.make_targets`.
    prepared : PlaneInput
    diameter : float
        Of the image's nuclei, in its pixels.
    """

    pixels: AnyArray
    labels: LabelArray
    mask: AnyArray
    targets: FloatArray
    prepared: PlaneInput
    diameter: float


@dataclass(frozen=True, eq=False)
class Result:
    """What one model made of the held-out areas.

    Attributes
    ----------
    scores : Scores
        Nuclei of all areas counted together.
    maps : tuple of array (y, x, channels), float16
        The network's outputs, one per area.
    labels : tuple of array (Y, X), int32
        Nuclei found, one array per area with its surroundings.
    scored : tuple of array (pixels,), int32
        Of these, what is scored: at the pixels of each area's mask.
    """

    scores: Scores
    maps: tuple[AnyArray, ...]
    labels: tuple[LabelArray, ...]
    scored: tuple[LabelArray, ...]


class Examination:
    """All held-out areas.

    Parameters
    ----------
    rows : sequence of Row
    split : Split
    config : ModelConfig
        Of the model that is examined.
    """

    def __init__(self, rows: Sequence[Row], split: Split, config: ModelConfig) -> None:
        self.config = config
        self.params = SegmentParams()
        self.areas: list[Area] = []
        told = iter(split.areas)  # row by row, in the order of their parts
        for row, held_out in zip(rows, split.held_out, strict=True):
            prepared = prepare_row(row, config)
            parts, count = ndimage.label(held_out, np.ones((3, 3)))
            for number in range(1, count + 1):
                self.areas.append(_cut_out(row, parts == number, next(told).box, prepared))

    @property
    def largest(self) -> int:
        """Number of the area with most nuclei, which the preview shows."""
        return int(np.argmax([len(np.unique(area.labels)) for area in self.areas]))

    def examine(self, engine: Engine) -> Result:
        """Segment and score all areas."""
        maps, labels, scored, scores = [], [], [], []
        for area in self.areas:
            plane = predict_plane(area.pixels, area.prepared, engine, tile=TILE, halo=HALO)
            found = find_instances(plane, self.config.network, self.params, area.diameter)
            maps.append(plane.maps)
            labels.append(found)
            inside = _inside(found, area)
            scored.append(inside[area.mask])
            scores.append(score_image(area.labels, inside))
        return Result(_pooled(scores), tuple(maps), tuple(labels), tuple(scored))


def prepare_row(row: Row, config: ModelConfig) -> PlaneInput:
    """Return how a row becomes the network's input, at the scale that its nuclei ask for."""
    channels = tuple(range(row.image.shape[-1]))
    scale = config.scale_for(row.diameter)
    return PlaneInput(config, row.intensity(config.input), channels, row.color, scale)


def box_around(place: AnyArray, reach: int, step: int = 1) -> tuple[slice, slice]:
    """Return rows and columns up to `reach` pixels from a place (2,): every `step`-th."""
    top, left = (max(0, int(c) - reach) for c in place)
    bottom, right = (int(c) + reach for c in place)
    return slice(top, bottom, step), slice(left, right, step)


def normalized_part(row: Row, prepared: PlaneInput, box: tuple[slice, slice]) -> FloatArray:
    """Return a part (Y, X, 3) of a row as the network sees it, at the image's own scale."""
    pixels = normalize(row.image[box], prepared.intensity, prepared.config.input)
    return to_three_channels(pixels)


def _cut_out(
    row: Row, inside: AnyArray, box: tuple[int, int, int, int], prepared: PlaneInput
) -> Area:
    margin = math.ceil(MARGIN / min(1.0, prepared.scale))
    top, left, bottom, right = box
    window = (
        slice(max(0, top - margin), bottom + margin),
        slice(max(0, left - margin), right + margin),
    )
    scored = nuclei_inside(row.labels, inside)
    labels = row.labels[window]
    mask = inside[window] & ((labels == 0) | np.isin(labels, scored))
    shrunk = prepared.to_network(labels.astype(np.float32), cv2.INTER_NEAREST)
    counted = prepared.to_network(mask.astype(np.uint8), cv2.INTER_NEAREST) > 0
    return Area(
        pixels=row.image[window],
        labels=np.where(mask, labels, 0),
        mask=mask,
        targets=make_targets(shrunk.astype(np.int32), counted),
        prepared=prepared,
        diameter=row.diameter or prepared.config.diameter,
    )


def _inside(found: LabelArray, area: Area) -> LabelArray:
    """Cut predicted nuclei off at the area's mask, as the true ones are.

    One that lies mostly outside stays only where most of the rest covers true nuclei.
    """
    areas = np.bincount(found.ravel())
    within = np.bincount(found[area.mask], minlength=len(areas))
    hitting = np.bincount(found[area.labels > 0], minlength=len(areas))
    kept = (2 * within >= areas) | (2 * hitting >= within)
    kept &= within > 0
    kept[0] = False
    return np.where(area.mask & kept[found], found, 0)


def _pooled(scores: Sequence[ImageScore]) -> Scores:
    """Add up the nuclei of all areas, so that each weighs the same."""

    def add(counts: Sequence[Counts]) -> Counts:
        return Counts(
            sum(c.true_positives for c in counts),
            sum(c.false_positives for c in counts),
            sum(c.false_negatives for c in counts),
        )

    detection = add([score.detection for score in scores])
    thresholds = [add(column) for column in zip(*(s.counts for s in scores), strict=True)]
    return Scores(
        f1=detection.f1,
        ap=detection.average_precision,
        mean_ap=fmean(counts.average_precision for counts in thresholds),
        true_nuclei=detection.n_true,
        predicted_nuclei=detection.n_predicted,
    )
