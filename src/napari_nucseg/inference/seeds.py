"""From votes to seeds: one peak of the votes for every nucleus.

Two peaks are taken for one nucleus as long as the votes between them do not fall: a fixed distance
would merge small nuclei beside large ones. The rule is that of h-maxima (Soille, "Morphological
Image Analysis", 2003) with a relative height, along straight lines.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from napari_nucseg._opencv import cv2
from napari_nucseg._types import AnyArray, FloatArray

SIGMA = 0.10
"""Smoothing of the votes, in diameters."""

APART = 0.25
"""No two peaks are closer than this, in diameters."""

ALIKE = 0.9
"""Peaks further apart than this, in diameters, are two nuclei, whatever lies between them."""

SADDLE = 0.25
"""Part of the lower peak to which votes between two peaks must fall for two nuclei."""

POINTS = 7
"""Places between two peaks at which votes are read."""

REACH = 0.45
"""How far from its seed a faint pixel may vote, in diameters."""

SMALLEST = 1 / 20
"""Smallest nucleus without an explicit minimum size, in typical areas."""


def coarseness(splitting: float) -> float:
    """Return a factor for lengths: 1 in the middle of the slider, doubled or halved at its ends."""
    return float(2.0 ** (1.0 - 2.0 * splitting))


@dataclass(frozen=True)
class SplitScale:
    """Lengths, in network pixels, at which clumps are split."""

    sigma: float
    apart: int
    alike: float
    reach: int
    min_votes: float

    @classmethod
    def of(cls, splitting: float, diameter: float, smallest: float) -> "SplitScale":
        """Return the lengths for a slider position.

        Parameters
        ----------
        splitting : float
            Slider position, 0 to 1.
        diameter : float
            Typical diameter in network pixels.
        smallest : float
            Area of the smallest nucleus that is wanted, in network pixels.
        """
        length = diameter * coarseness(splitting)
        return cls(
            sigma=max(0.8, SIGMA * length),
            apart=max(1, round(APART * length)),
            alike=ALIKE * length,
            reach=max(1, round(REACH * length)),
            min_votes=min(smallest, SMALLEST * np.pi / 4 * diameter**2),
        )


def find_seeds(votes: FloatArray, split: SplitScale) -> AnyArray:
    """Return (Y, X) bool: one place for every nucleus with enough votes.

    Parameters
    ----------
    votes : array (Y, X), float32
        How many pixels take this one for their centre.
    split : SplitScale
    """
    # Unit peak height: a nucleus whose votes all meet in one pixel has its area as peak.
    gain = 2.0 * np.pi * split.sigma**2
    smooth = cv2.GaussianBlur(votes, (0, 0), split.sigma, borderType=cv2.BORDER_CONSTANT) * gain
    size = 2 * split.apart + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    highest = (smooth >= cv2.dilate(smooth, kernel)) & (smooth > split.min_votes)
    peaks = _one_of_each(highest)
    seeds = np.zeros_like(highest)
    seeds[tuple(peaks[_are_highest(peaks, smooth, split.alike)].T)] = True
    return seeds


def _one_of_each(mask: AnyArray) -> AnyArray:
    """Return (n, 2): the first place of each connected part of a mask, in reading order.

    Where offsets lead nowhere, as those of a hardly trained network, each pixel of a nucleus is a
    peak, too many to compare them all.
    """
    _, parts = cv2.connectedComponents(mask.astype(np.uint8))
    _, first = np.unique(parts[mask], return_index=True)
    return np.argwhere(mask)[np.sort(first)]


def _are_highest(peaks: AnyArray, smooth: FloatArray, alike: float) -> AnyArray:
    """Return (n,) bool: which peaks are no part of the nucleus of a higher one."""
    highest = np.ones(len(peaks), bool)
    if len(peaks) < 2:
        return highest
    pairs = cKDTree(peaks).query_pairs(alike, output_type="ndarray")
    heights = smooth[tuple(peaks.T)]
    order = np.argsort(-heights, kind="stable")
    rank = np.empty(len(peaks), np.intp)
    rank[order] = np.arange(len(peaks))
    between = _lowest_between(peaks[pairs[:, 0]], peaks[pairs[:, 1]], smooth)
    same = np.sort(rank[pairs[between > SADDLE * heights[pairs].min(axis=1)]], axis=1)
    # From the highest down: a peak goes if it is one with a higher one that stays.
    stays = np.ones(len(peaks), bool)
    for higher, lower in same[np.lexsort((same[:, 0], same[:, 1]))]:
        if stays[higher]:
            stays[lower] = False
    highest[order] = stays
    return highest


def _lowest_between(first: AnyArray, second: AnyArray, smooth: FloatArray) -> FloatArray:
    """Return (n,): the least value on the straight line between places (n, 2)."""
    shares = np.linspace(0, 1, POINTS + 2)[1:-1, None, None]
    places = np.rint(first * (1 - shares) + second * shares).astype(np.intp)
    lowest: FloatArray = smooth[places[..., 0], places[..., 1]].min(axis=0)
    return lowest
