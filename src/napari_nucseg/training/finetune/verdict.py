"""Whether the new model is better than the base model, as far as the held-out areas can tell."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.special import bdtr

from napari_nucseg._types import LabelArray
from napari_nucseg.evaluation.matching import match_overlaps, overlap_matrix
from napari_nucseg.evaluation.scores import DETECTION_THRESHOLD, THRESHOLDS
from napari_nucseg.training.finetune.examination import Area, Result
from napari_nucseg.training.finetune.messages import Verdict

CHANCE = 0.05
"""What has a smaller probability than this is not put down to chance."""


def judge(areas: Sequence[Area], before: Result, after: Result) -> Verdict:
    """Compare what base model and new model made of the held-out areas.

    A new model that does not score higher may only have been unlucky: a one-sided sign test tells.
    Of the places where one model makes fewer mistakes than the other, half favour the new model if
    both are equally good. Where it has a probability below `CHANCE` that so few do, the new model
    is not better, else it cannot be told; fewer than five such places never suffice. Mistakes are
    those at IoU 0.5 or, where the AP there is the same, at all IoU of the mean AP.
    """
    if after.scores.better_than(before.scores):
        return Verdict.BETTER
    same = after.scores.ap == before.scores.ap
    thresholds = THRESHOLDS if same else (DETECTION_THRESHOLD,)
    more = [
        count
        for area, old, new in zip(areas, before.scored, after.scored, strict=True)
        if area.mask.any()  # not a mere piece of a nucleus that lies mostly outside
        for count in more_mistakes(area.labels[area.mask], old, new, thresholds).values()
    ]
    lost, won = sum(count > 0 for count in more), sum(count < 0 for count in more)
    return Verdict.NOT_BETTER if bdtr(won, won + lost, 0.5) < CHANCE else Verdict.UNTOLD


def more_mistakes(
    true: LabelArray, old: LabelArray, new: LabelArray, thresholds: Sequence[float]
) -> Counter[int]:
    """Count by place how many more mistakes the new labels have than the old ones.

    A mistake is a true nucleus that is missed, or a predicted one that is wrong. Places are the
    true nuclei and, off them, the predicted ones. A wrong nucleus belongs to the place with which
    it shares most pixels: one that is outlined badly is missed and wrong, but at one place.

    Parameters
    ----------
    true, old, new : arrays of one shape, integer
        Labels.
    thresholds : sequence of float
        IoU from which a nucleus is found; mistakes at all of them are added up.
    """
    places = _places(true, old, new)
    more = _mistakes(true, new, places, thresholds)
    more.subtract(_mistakes(true, old, places, thresholds))
    return more


def _places(true: LabelArray, *predicted: LabelArray) -> LabelArray:
    """Return true nuclei and, with other ids, those predicted ones that touch no place yet."""
    places = true
    for labels in predicted:
        alone = (labels > 0) & ~np.isin(labels, labels[places > 0])
        places = np.where(alone, places.max() + labels, places)
    return places


def _mistakes(
    true: LabelArray, found: LabelArray, places: LabelArray, thresholds: Sequence[float]
) -> Counter[int]:
    """Count mistakes by place."""
    at = overlap_matrix(places, found)
    pairs = at.matrix.tocoo()
    order = (-pairs.data).argsort(kind="stable")[::-1]  # the largest comes last, and counts
    nuclei, where = at.predicted_ids[pairs.col[order]], at.true_ids[pairs.row[order]]
    place_of = dict(zip(nuclei.tolist(), where.tolist(), strict=True))
    overlaps = overlap_matrix(true, found)
    mistakes: Counter[int] = Counter()
    for threshold in thresholds:
        found_pairs = match_overlaps(overlaps, threshold).pairs
        mistakes.update(set(overlaps.true_ids.tolist()) - {nucleus for nucleus, _ in found_pairs})
        wrong = place_of.keys() - {right for _, right in found_pairs}
        mistakes.update(place_of[one] for one in wrong)
    return mistakes
