"""Foreground probabilities of a tuned model that hold on other images.

As after a training (see `training.calibration`), two numbers scale the logit of the foreground. The
held-out areas are small, so the numbers are drawn towards no change, and used only if numbers of
one half of the areas describe the other half better than no change does, and no nucleus is lost.
Then a temperature brings all probabilities nearer to 0.5: on images that it has not learnt from a
tuned model is surer of doubtful nuclei than the base model is, and they would pass Certainty. It
goes less far, or is left out, where the two numbers have made all nuclei less certain already.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from scipy.special import expit, logit

from napari_nucseg._types import AnyArray, FloatArray
from napari_nucseg.params import SegmentParams
from napari_nucseg.training.calibration import SURE, fit_scaling, scale_foreground
from napari_nucseg.training.finetune.examination import Area, Result
from napari_nucseg.training.finetune.messages import Scores

HALF_TRUSTED = 10
"""Held-out nuclei with which the numbers go half of the way from no change (0 of the logarithm of
the slope, 0 of the shift) to the best fit; with 30 three quarters."""

TEMPERATURE = 1.5
"""What the logits are divided by at most (after Guo et al., ICML 2017). Eleven of twelve tuned
models did better on other animals and patients by it (see `docs/finetune.md`)."""

CERTAIN = 0.85
"""What the network gives this probability still passes Certainty, as far as the temperature goes:
after a shift of -0.8 on a few held-out nuclei and a full temperature, a tuned model found 638 of
other patients' nuclei, the base model 740 (see `docs/finetune.md`)."""

MOST_LOST = 0.05
"""The temperature is not used if F1 on the held-out areas falls by more than this, or if a model
that is better than the base model there would not be any more."""

Examine = Callable[[], Result]


@dataclass(frozen=True)
class Recalibration:
    """What was done to the logit of the foreground: times slope, plus shift, by temperature."""

    slope: float = 1.0
    shift: float = 0.0
    temperature: float = 1.0

    def describe(self) -> str:
        """Return it in one sentence, or "" if nothing was done."""
        done = []
        if (self.slope, self.shift) != (1.0, 0.0):
            done.append("calibrated on the held-out pixels")
        if self.temperature != 1.0:
            done.append("brought nearer to 0.5 for other images")
        return f"Probabilities were {' and '.join(done)}." if done else ""


def recalibrate(
    network: keras.Model, areas: Sequence[Area], examine: Examine, base: Scores
) -> Recalibration:
    """Scale the foreground output of a network in place, as far as the held-out areas allow.

    Parameters
    ----------
    network : keras.Model
    areas : sequence of Area
        All held-out areas.
    examine : callable
        Returns what the network makes of them.
    base : Scores
        Of the base model.

    Returns
    -------
    Recalibration
        What was done.
    """
    (slope, shift), found = _calibrate(network, areas, examine)
    temperature = _temperature(slope, shift)
    raised = _raise_temperature(network, temperature, found.scores, examine, base)
    return Recalibration(slope, shift, temperature if raised else 1.0)


def _calibrate(
    network: keras.Model, areas: Sequence[Area], examine: Examine
) -> tuple[tuple[float, float], Result]:
    """Scale the logits as fitted on the held-out pixels; return the numbers and what is found then.

    No change if that would do no good.
    """
    found = examine()
    unchanged = (1.0, 0.0), found
    probability, true, half = _pixels(areas, found)
    halves = [half, ~half]
    if any(true[part].all() or not true[part].any() for part in halves):
        return unchanged  # nothing to tell apart
    nuclei = found.scores.true_nuclei
    gain = 0.0
    for fitted, checked in zip(halves, halves[::-1], strict=True):
        numbers = _drawn_in(fit_scaling(probability[fitted], true[fitted]), _trust(nuclei / 2))
        gain += _entropy(probability[checked], true[checked])
        gain -= _entropy(scaled(probability[checked], *numbers), true[checked])
    if not gain > 0:
        return unchanged
    weights = network.get_weights()
    numbers = _drawn_in(fit_scaling(probability, true), _trust(nuclei))
    scale_foreground(network, *numbers)
    calibrated = examine()
    if calibrated.scores.ap < found.scores.ap:  # nuclei matter more than their probabilities
        network.set_weights(weights)
        return unchanged
    return numbers, calibrated


def _temperature(slope: float, shift: float) -> float:
    """Return the temperature that goes with the two numbers, see `CERTAIN`."""
    threshold = float(logit(SegmentParams().certainty))
    furthest = (slope * float(logit(CERTAIN)) + shift) / threshold
    return float(np.clip(furthest, 1.0, TEMPERATURE))


def _raise_temperature(
    network: keras.Model, temperature: float, found: Scores, examine: Examine, base: Scores
) -> bool:
    """Divide the logits by it; return False, and change nothing, see `MOST_LOST`."""
    if temperature == 1.0:
        return False
    weights = network.get_weights()
    scale_foreground(network, 1 / temperature, 0.0)
    now = examine().scores
    turned = found.better_than(base) and not now.better_than(base)
    if turned or now.f1 < found.f1 - MOST_LOST:
        network.set_weights(weights)
        return False
    return True


def scaled(probability: AnyArray, slope: float, shift: float) -> FloatArray:
    """Return probabilities with their logits scaled."""
    safe = np.clip(probability.astype(np.float64), SURE, 1 - SURE)
    return np.asarray(expit(slope * logit(safe) + shift))


def _trust(nuclei: float) -> float:
    return nuclei / (nuclei + HALF_TRUSTED)


def _drawn_in(numbers: tuple[float, float], trust: float) -> tuple[float, float]:
    """Return slope and shift nearer to 1 and 0; a slope that is not positive tells nothing."""
    slope, shift = numbers
    if slope <= 0:
        return 1.0, 0.0
    return slope**trust, trust * shift


def _entropy(probability: AnyArray, true: AnyArray) -> float:
    """Return the mean cross-entropy."""
    safe = np.clip(probability.astype(np.float64), SURE, 1 - SURE)
    return float(-np.mean(np.where(true, np.log(safe), np.log(1 - safe))))


def _pixels(areas: Sequence[Area], result: Result) -> tuple[AnyArray, AnyArray, AnyArray]:
    """Return probability and truth of all scored pixels, and which lie in the first half."""
    parts = []
    for area, maps in zip(areas, result.maps, strict=True):
        valid = area.targets[..., 4] > 0
        places = np.argwhere(valid)
        longer = int(np.argmax(np.ptp(places, axis=0)))
        half = places[:, longer] < np.median(places[:, longer])
        parts.append((maps[..., 0][valid], area.targets[..., 0][valid] > 0.5, half))
    probability, true, first = (np.concatenate(part) for part in zip(*parts, strict=True))
    return probability, true, first
