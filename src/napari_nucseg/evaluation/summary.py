"""Scores of many images."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from napari_nucseg._types import LabelArray
from napari_nucseg.errors import InputError
from napari_nucseg.evaluation.counts import Counts, PixelCounts
from napari_nucseg.evaluation.scores import THRESHOLDS, ImageScore, score_image


@dataclass(frozen=True)
class Average:
    """One score of many images, averaged in two ways.

    Parameters
    ----------
    per_image
        Mean of the images' scores: each image weighs the same.
    pooled
        Score of the sums over all images: each nucleus (or pixel) weighs the same.
    """

    per_image: float
    pooled: float

    def to_dict(self) -> dict[str, float]:
        """Return both, ready for JSON."""
        return {"per_image": self.per_image, "pooled": self.pooled}


@dataclass(frozen=True)
class Summary:
    """Scores of many images.

    Parameters
    ----------
    images
        Score of each image, in the order given.
    thresholds
        IoU thresholds of `counts` and `average_precision`.
    counts
        Hits and misses of nuclei at each of `thresholds`, added up over the images.
    average_precision
        AP at each of `thresholds`.
    mean_average_precision
        Mean of `average_precision` over the thresholds.
    precision, recall, f1
        At IoU >= 0.5.
    pixel_accuracy, dice, iou
        Of foreground against background.
    """

    images: tuple[ImageScore, ...]
    thresholds: tuple[float, ...]
    counts: tuple[Counts, ...]
    average_precision: tuple[Average, ...]
    mean_average_precision: Average
    precision: Average
    recall: Average
    f1: Average
    pixel_accuracy: Average
    dice: Average
    iou: Average

    @property
    def n_true(self) -> int:
        """True nuclei of all images."""
        return sum(image.detection.n_true for image in self.images)

    @property
    def n_predicted(self) -> int:
        """Predicted nuclei of all images."""
        return sum(image.detection.n_predicted for image in self.images)

    @property
    def count_error(self) -> int:
        """Predicted number of nuclei minus true number; errors of images may cancel out."""
        return self.n_predicted - self.n_true

    @property
    def mean_absolute_count_error(self) -> float:
        """Mean over the images of the error's size, in nuclei per image."""
        return fmean(abs(image.count_error) for image in self.images)

    def to_dict(self) -> dict[str, Any]:
        """Return all scores, ready for JSON."""
        return {
            "n_images": len(self.images),
            "thresholds": [
                {
                    "iou": threshold,
                    "average_precision": average.to_dict(),
                    "true_positives": counts.true_positives,
                    "false_positives": counts.false_positives,
                    "false_negatives": counts.false_negatives,
                }
                for threshold, average, counts in zip(
                    self.thresholds, self.average_precision, self.counts, strict=True
                )
            ],
            "mean_average_precision": self.mean_average_precision.to_dict(),
            "at_iou_0.5": {
                "precision": self.precision.to_dict(),
                "recall": self.recall.to_dict(),
                "f1": self.f1.to_dict(),
            },
            "n_true": self.n_true,
            "n_predicted": self.n_predicted,
            "count_error": self.count_error,
            "mean_absolute_count_error": self.mean_absolute_count_error,
            "pixels": {
                "accuracy": self.pixel_accuracy.to_dict(),
                "dice": self.dice.to_dict(),
                "iou": self.iou.to_dict(),
            },
            "images": [image.to_dict() for image in self.images],
        }


def summarize(scores: Sequence[ImageScore]) -> Summary:
    """Average the scores of images, both per image and pooled.

    Raises
    ------
    InputError
        Without scores, or if they were made with different thresholds.
    """
    if len(scores) == 0:
        raise InputError("At least one image is needed for a summary, received none.")
    thresholds = scores[0].thresholds
    for score in scores:
        if score.thresholds != thresholds:
            raise InputError(
                "All images must be scored at the same IoU thresholds, received "
                f"{thresholds} for {scores[0].name!r} and {score.thresholds} for {score.name!r}."
            )
    counts = tuple(
        _pooled(score.counts[position] for score in scores) for position in range(len(thresholds))
    )
    average_precision = tuple(
        Average(
            per_image=fmean(score.counts[position].average_precision for score in scores),
            pooled=pooled.average_precision,
        )
        for position, pooled in enumerate(counts)
    )
    detection = _pooled(score.detection for score in scores)
    pixels = _pooled_pixels([score.pixels for score in scores])
    return Summary(
        images=tuple(scores),
        thresholds=thresholds,
        counts=counts,
        average_precision=average_precision,
        mean_average_precision=Average(
            per_image=fmean(average.per_image for average in average_precision),
            pooled=fmean(average.pooled for average in average_precision),
        ),
        precision=Average(fmean(s.detection.precision for s in scores), detection.precision),
        recall=Average(fmean(s.detection.recall for s in scores), detection.recall),
        f1=Average(fmean(s.detection.f1 for s in scores), detection.f1),
        pixel_accuracy=Average(fmean(s.pixels.accuracy for s in scores), pixels.accuracy),
        dice=Average(fmean(s.pixels.dice for s in scores), pixels.dice),
        iou=Average(fmean(s.pixels.iou for s in scores), pixels.iou),
    )


def evaluate(
    labels: LabelArray | Sequence[LabelArray],
    predictions: LabelArray | Sequence[LabelArray],
    *,
    thresholds: Sequence[float] = THRESHOLDS,
) -> Summary:
    """Compare predicted labels with true labels.

    Parameters
    ----------
    labels, predictions
        One label array each (one image, of any number of dimensions), or a list of them in the
        same order. An array is always one image: pass ``list(stack)`` to score each plane.
    thresholds
        IoU thresholds of the AP, each above 0 and at most 1.

    Raises
    ------
    InputError
        For lists of different lengths, or label arrays or thresholds that cannot be used.
    """
    true_images, predicted_images = _listed(labels), _listed(predictions)
    if len(true_images) != len(predicted_images):
        raise InputError(
            "Each label array needs one prediction, "
            f"received {len(true_images)} label arrays and {len(predicted_images)} predictions."
        )
    scores = []
    for number, (true, predicted) in enumerate(zip(true_images, predicted_images, strict=True)):
        try:
            score = score_image(true, predicted, thresholds=thresholds, name=str(number))
        except InputError as error:
            raise InputError(f"Image {number}: {error}") from error
        scores.append(score)
    return summarize(scores)


def _listed(images: LabelArray | Sequence[LabelArray]) -> list[LabelArray]:
    return [images] if isinstance(images, np.ndarray) else list(images)


def _pooled(counts: Iterable[Counts]) -> Counts:
    every = list(counts)
    return Counts(
        sum(c.true_positives for c in every),
        sum(c.false_positives for c in every),
        sum(c.false_negatives for c in every),
    )


def _pooled_pixels(counts: Sequence[PixelCounts]) -> PixelCounts:
    return PixelCounts(
        n_pixels=sum(c.n_pixels for c in counts),
        n_true=sum(c.n_true for c in counts),
        n_predicted=sum(c.n_predicted for c in counts),
        n_both=sum(c.n_both for c in counts),
    )
