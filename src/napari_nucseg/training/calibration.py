"""Foreground probabilities that mean what they say.

The loss weighs some pixels more than others and includes Dice, which makes a network too sure of
itself. Platt scaling (Platt, 1999; for networks: Guo et al., ICML 2017) mends that with two numbers
fitted on validation images. They go into the weights of the foreground output, so that inference
knows nothing of it.
"""

from dataclasses import dataclass

import keras
import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from napari_nucseg._types import AnyArray, FloatArray

BATCH = 8
SURE = 1e-6
"""Probabilities are kept this far from 0 and 1, whose logits are infinite."""

BINS = 10
"""Equal steps of probability."""


@dataclass(frozen=True)
class Reliability:
    """How often pixels of each predicted probability are nucleus.

    Attributes
    ----------
    predicted, observed : array (bins,), float64
        Mean predicted probability, and share of pixels that are nucleus; NaN in an empty bin.
    share : array (bins,), float64
        Share of all pixels that fall into the bin.
    """

    predicted: FloatArray
    observed: FloatArray
    share: FloatArray

    @property
    def error(self) -> float:
        """Expected calibration error: mean difference of the two, weighted by pixels."""
        return float(np.nansum(self.share * np.abs(self.predicted - self.observed)))


def reliability(probability: AnyArray, true: AnyArray) -> Reliability:
    """Compare predicted probabilities with what is true.

    Parameters
    ----------
    probability : array (n,), float
        Predicted foreground probability of some pixels.
    true : array (n,), bool
        Whether they are nucleus.
    """
    place = np.minimum((np.asarray(probability) * BINS).astype(np.intp), BINS - 1)
    counts = np.bincount(place, minlength=BINS).astype(float)
    filled = np.where(counts > 0, counts, np.nan)
    return Reliability(
        np.bincount(place, weights=probability, minlength=BINS) / filled,
        np.bincount(place, weights=true, minlength=BINS) / filled,
        counts / max(1, place.size),
    )


def fit_scaling(probability: AnyArray, true: AnyArray) -> tuple[float, float]:
    """Return slope and shift of the logit with the smallest cross-entropy.

    Parameters
    ----------
    probability : array (n,), float
    true : array (n,), bool
    """
    scores = logit(np.clip(np.asarray(probability, np.float64), SURE, 1 - SURE))
    target = np.asarray(true, np.float64)

    def entropy(numbers: FloatArray) -> tuple[float, FloatArray]:
        scaled = numbers[0] * scores + numbers[1]
        wrong = expit(scaled) - target
        value = np.mean(np.logaddexp(0, scaled) - target * scaled)
        return float(value), np.array([np.mean(wrong * scores), np.mean(wrong)])

    slope, shift = minimize(entropy, (1.0, 0.0), jac=True, method="L-BFGS-B").x
    return float(slope), float(shift)


def calibrate(network: keras.Model, windows: FloatArray, targets: FloatArray) -> None:
    """Scale the foreground output of a network in place, fitted on validation windows.

    Parameters
    ----------
    network : keras.Model
        From `model.network.build_network`.
    windows : array (n, Y, X, 3), float32
    targets : array (n, Y, X, 6), float32
        See `training.targets.make_targets`.
    """
    probability, true = foreground_pixels(network, windows, targets)
    if true.all() or not true.any():
        return  # nothing to tell apart
    slope, shift = fit_scaling(probability, true)
    if slope <= 0:
        return  # the network knows nothing, as after a few steps of a test
    scale_foreground(network, slope, shift)


def scale_foreground(network: keras.Model, slope: float, shift: float) -> None:
    """Put slope and shift of the foreground's logit into the weights of a network."""
    head = network.get_layer("foreground")
    kernel, bias = head.get_weights()
    head.set_weights([slope * kernel, slope * bias + shift])


def foreground_pixels(
    network: keras.Model, windows: FloatArray, targets: FloatArray
) -> tuple[AnyArray, AnyArray]:
    """Return predicted probability and truth of all pixels that carry loss, each (n,)."""
    maps = np.asarray(network.predict(windows, batch_size=BATCH, verbose=0))
    valid = targets[..., 4] > 0
    return maps[..., 0][valid], targets[..., 0][valid] > 0.5
