"""Counts of hits and misses, and the scores that follow from them alone."""

from dataclasses import dataclass


def _ratio(numerator: int, denominator: int, *, otherwise: bool) -> float:
    """Divide; without a denominator the score is 1 if `otherwise`, else 0."""
    return numerator / denominator if denominator else float(otherwise)


@dataclass(frozen=True)
class Counts:
    """Hits and misses of nuclei at one IoU threshold.

    With nothing true and nothing predicted, all scores are 1: the prediction is right. (StarDist's
    `matching` gives 0 there.) With predictions only, recall is 0; with true nuclei only, precision
    is 0.

    Parameters
    ----------
    true_positives
        True nuclei that have a partner among the predicted ones.
    false_positives
        Predicted nuclei without partner.
    false_negatives
        True nuclei without partner.
    """

    true_positives: int
    false_positives: int
    false_negatives: int

    @property
    def n_true(self) -> int:
        """Number of true nuclei."""
        return self.true_positives + self.false_negatives

    @property
    def n_predicted(self) -> int:
        """Number of predicted nuclei."""
        return self.true_positives + self.false_positives

    @property
    def precision(self) -> float:
        """Share of the predicted nuclei that are right, TP / (TP + FP)."""
        return _ratio(self.true_positives, self.n_predicted, otherwise=self.n_true == 0)

    @property
    def recall(self) -> float:
        """Share of the true nuclei that are found, TP / (TP + FN)."""
        return _ratio(self.true_positives, self.n_true, otherwise=self.n_predicted == 0)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN)."""
        return _ratio(2 * self.true_positives, self.n_true + self.n_predicted, otherwise=True)

    @property
    def average_precision(self) -> float:
        """TP / (TP + FP + FN), the AP of the 2018 Data Science Bowl, Cellpose and StarDist."""
        return _ratio(self.true_positives, self.n_true + self.false_positives, otherwise=True)

    def to_dict(self) -> dict[str, int | float]:
        """Return counts and scores, ready for JSON."""
        return {
            "true_positives": self.true_positives,
            "false_positives": self.false_positives,
            "false_negatives": self.false_negatives,
            "average_precision": self.average_precision,
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
        }


@dataclass(frozen=True)
class PixelCounts:
    """Pixels of nuclei (of any number) against background.

    Parameters
    ----------
    n_pixels
        All pixels of the image.
    n_true
        Pixels inside true nuclei.
    n_predicted
        Pixels inside predicted nuclei.
    n_both
        Pixels inside both.
    """

    n_pixels: int
    n_true: int
    n_predicted: int
    n_both: int

    @property
    def accuracy(self) -> float:
        """Share of the pixels that are rightly nucleus or rightly background."""
        return 1 - (self.n_true + self.n_predicted - 2 * self.n_both) / self.n_pixels

    @property
    def dice(self) -> float:
        """Dice coefficient of the foreground; 1 if neither has any."""
        return _ratio(2 * self.n_both, self.n_true + self.n_predicted, otherwise=True)

    @property
    def iou(self) -> float:
        """Intersection over union of the foreground; 1 if neither has any."""
        union = self.n_true + self.n_predicted - self.n_both
        return _ratio(self.n_both, union, otherwise=True)

    def to_dict(self) -> dict[str, float]:
        """Return the three scores, ready for JSON."""
        return {"accuracy": self.accuracy, "dice": self.dice, "iou": self.iou}
