"""Scores of one image."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from napari_nucseg._types import LabelArray
from napari_nucseg.errors import InputError
from napari_nucseg.evaluation.counts import Counts, PixelCounts
from napari_nucseg.evaluation.matching import check_threshold, match_overlaps, overlap_matrix

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""IoU thresholds of the AP by default; "mean AP" is the plain mean over these five."""

DETECTION_THRESHOLD = 0.5
"""IoU at which precision, recall and F1 are given."""


@dataclass(frozen=True)
class ImageScore:
    """Scores of one image.

    An image without true and without predicted nuclei has AP, precision, recall, F1, Dice and IoU
    of 1 by definition.

    Parameters
    ----------
    name
        What to call the image in a report; may be empty.
    thresholds
        IoU thresholds of `counts`.
    counts
        Hits and misses of nuclei at each of `thresholds`.
    detection
        Hits and misses of nuclei at IoU >= 0.5, whatever `thresholds` are.
    pixels
        Foreground against background.
    """

    name: str
    thresholds: tuple[float, ...]
    counts: tuple[Counts, ...]
    detection: Counts
    pixels: PixelCounts

    @property
    def mean_average_precision(self) -> float:
        """Mean AP over the thresholds."""
        return fmean(counts.average_precision for counts in self.counts)

    @property
    def count_error(self) -> int:
        """Predicted number of nuclei minus true number."""
        return self.detection.n_predicted - self.detection.n_true

    def to_dict(self) -> dict[str, Any]:
        """Return all scores, ready for JSON."""
        return {
            "name": self.name,
            "thresholds": [
                {"iou": threshold, **counts.to_dict()}
                for threshold, counts in zip(self.thresholds, self.counts, strict=True)
            ],
            "mean_average_precision": self.mean_average_precision,
            "at_iou_0.5": self.detection.to_dict(),
            "n_true": self.detection.n_true,
            "n_predicted": self.detection.n_predicted,
            "count_error": self.count_error,
            "pixels": self.pixels.to_dict(),
        }


def score_image(
    true: LabelArray,
    predicted: LabelArray,
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    name: str = "",
) -> ImageScore:
    """Score one image.

    Parameters
    ----------
    true, predicted
        Label arrays of the same shape, any number of dimensions, any integer dtype.
    thresholds
        IoU thresholds of the AP, each above 0 and at most 1.
    name
        What to call the image in a report.

    Raises
    ------
    InputError
        For label arrays or thresholds that cannot be used.
    """
    check_thresholds(thresholds)
    overlaps = overlap_matrix(true, predicted)
    counts = [_plain(match_overlaps(overlaps, threshold)) for threshold in thresholds]
    return ImageScore(
        name=name,
        thresholds=tuple(float(threshold) for threshold in thresholds),
        counts=tuple(counts),
        detection=_plain(match_overlaps(overlaps, DETECTION_THRESHOLD)),
        pixels=PixelCounts(
            n_pixels=overlaps.n_pixels,
            n_true=int(overlaps.true_areas.sum()),
            n_predicted=int(overlaps.predicted_areas.sum()),
            n_both=int(overlaps.matrix.sum()),
        ),
    )


def check_thresholds(thresholds: Sequence[float]) -> None:
    """Raise InputError unless there are IoU thresholds, each above 0 and at most 1."""
    if len(thresholds) == 0:
        raise InputError("At least one IoU threshold is needed, received none.")
    for threshold in thresholds:
        check_threshold(threshold)


def _plain(counts: Counts) -> Counts:
    """Drop the pairs, which a report does not need."""
    return Counts(counts.true_positives, counts.false_positives, counts.false_negatives)
