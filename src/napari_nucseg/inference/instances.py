"""From maps to nuclei.

Every foreground pixel votes for the centre of its nucleus with its predicted offset; peaks of the
votes are nuclei, and every pixel joins the nucleus nearest to its vote. Voting for centres follows
Panoptic-DeepLab (Cheng et al., CVPR 2020) and EmbedSeg (Lalit et al., MIDL 2021); taking seeds from
smoothed votes alone, without a separate centre map, is this project's own.
"""

import math

import numpy as np
from scipy import ndimage

from napari_nucseg._opencv import cv2
from napari_nucseg._types import AnyArray, FloatArray, LabelArray
from napari_nucseg.inference.maps import PlaneMaps
from napari_nucseg.inference.seeds import SMALLEST, SplitScale, coarseness, find_seeds
from napari_nucseg.model.config import OFFSET_UNIT, NetworkConfig
from napari_nucseg.params import SegmentParams

VOTES = 3
"""How often each pixel follows the offsets towards its centre."""

PART = 0.5
"""Typical areas of a nucleus from which a part that is connected to no other is one of its own;
fewer at low settings of Splitting, at which small nuclei vote with others."""

FAINT = 0.6
"""Part of the foreground threshold from which pixels vote: a nucleus that is fainter all over than
a clear one is not cut to what is clear of it."""

CORE = 0.5
"""Probability from which a pixel tells how certain its nucleus is."""

HALF_STEP = 1e-3
"""Maps are kept as float16, whose rounding must not decide."""


def find_instances(
    plane: PlaneMaps, config: NetworkConfig, params: SegmentParams, diameter: float
) -> LabelArray:
    """Turn the maps of one plane into instance labels.

    Parameters
    ----------
    plane : PlaneMaps
    config : NetworkConfig
        Which outputs the maps hold.
    params : SegmentParams
        Thresholds, certainty, splitting, minimum size, border.
    diameter : float
        Typical diameter in pixels of the image.

    Returns
    -------
    array (Y, X), int32
        Consecutive labels at the image's own size, 0 is background.
    """
    probability = plane.maps[..., 0].astype(np.float32)
    threshold = params.foreground_threshold
    typical_area = np.pi / 4 * diameter**2
    smallest = params.min_size or SMALLEST * typical_area
    if "offset" in config.outputs:
        start = config.first_channel("offset")
        split = SplitScale.of(params.splitting, diameter * plane.scale, smallest * plane.scale**2)
        offsets = plane.maps[..., start : start + 2]
        labels = _group_votes(probability, offsets, threshold, split)
        edges = threshold * _typical_probability(labels, probability)
        labels = np.where(probability >= edges[labels], labels, 0)
    else:
        labels = _components(probability >= threshold)
        edges = np.full(int(labels.max()) + 1, threshold, np.float32)
    part = PART * min(1.0, coarseness(params.splitting) ** -2)
    labels, origin = _separate_parts(labels, part * typical_area * plane.scale**2)
    labels = _drop_uncertain(labels, probability, params.certainty)
    if labels.shape != plane.shape or plane.scale != 1.0:
        labels = _enlarge(labels, plane, edges[origin])
    labels = _select(labels, smallest, drop_border=False)
    labels, _ = _separate_parts(labels, math.inf)  # what enlarging or a dropped label left
    return _select(labels, smallest, params.drop_border)


def _group_votes(
    probability: FloatArray, offsets: AnyArray, threshold: float, split: SplitScale
) -> LabelArray:
    """Assign every foreground pixel to the seed nearest to its vote, a faint one only if near.

    Else the haze of a whole image, which votes for nothing, would join some nucleus and make it
    fainter than it is.
    """
    mask = probability >= FAINT * threshold
    width = mask.shape[1]
    rows, columns = np.nonzero(mask)
    vote_rows, vote_columns = _vote(mask, offsets, rows, columns)
    votes = np.bincount(vote_rows * width + vote_columns, minlength=mask.size)
    seeds = find_seeds(votes.reshape(mask.shape).astype(np.float32), split)
    labels = np.zeros(mask.shape, np.int32)
    if seeds.any():
        distances, nearest = _nearest_seed(seeds)
        near = distances[vote_rows, vote_columns] <= split.reach
        joins = near | (probability[rows, columns] >= threshold)
        labels[rows, columns] = np.where(joins, nearest[vote_rows, vote_columns], 0)
    return labels


def _vote(
    mask: AnyArray, offsets: AnyArray, rows: AnyArray, columns: AnyArray
) -> tuple[AnyArray, AnyArray]:
    """Return the pixel (row, column) that each pixel of the mask takes for its centre.

    Where an offset leads, the offset is read again: close to a centre it is more exact than at the
    far end of a long nucleus.
    """
    at_rows, at_columns = rows, columns
    y, x = rows.astype(np.float32), columns.astype(np.float32)
    for _ in range(VOTES):
        inside = mask[at_rows, at_columns]  # the offsets of the background mean nothing
        y += offsets[at_rows, at_columns, 0].astype(np.float32) * OFFSET_UNIT * inside
        x += offsets[at_rows, at_columns, 1].astype(np.float32) * OFFSET_UNIT * inside
        at_rows = np.clip(np.rint(y), 0, mask.shape[0] - 1).astype(np.intp)
        at_columns = np.clip(np.rint(x), 0, mask.shape[1] - 1).astype(np.intp)
    return at_rows, at_columns


def _nearest_seed(seeds: AnyArray) -> tuple[FloatArray, LabelArray]:
    """Return for every pixel the distance and the number, from 1, of its nearest seed."""
    distances, nearest = cv2.distanceTransformWithLabels(
        (~seeds).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_CCOMP
    )
    return distances, nearest


def _typical_probability(labels: LabelArray, probability: FloatArray) -> FloatArray:
    """Return the mean probability of each label, weighted by itself: that of its middle.

    A nucleus ends where its probability falls to a part of this, as half of the maximum is the
    width of a peak: else faint nuclei come out too small.
    """
    inside, length = np.flatnonzero(labels), int(labels.max()) + 1
    numbers = labels.ravel()[inside]
    weights = probability.ravel()[inside].astype(np.float64)
    sums = np.bincount(numbers, weights, length)
    squares = np.bincount(numbers, weights**2, length)
    typical: FloatArray = squares / np.maximum(sums, np.finfo(np.float64).tiny)
    return typical.astype(np.float32)


def _components(mask: AnyArray) -> LabelArray:
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    return labels


def _separate_parts(labels: LabelArray, smallest: float) -> tuple[LabelArray, AnyArray]:
    """Give connected parts of a label that are no smaller than `smallest` labels of their own.

    The largest part stays in any case, other small ones go; holes are filled.

    Returns
    -------
    labels : array (Y, X), int32
        Consecutive.
    origin : array, int
        By new label, the label that it is a part of.
    """
    result = np.zeros_like(labels)
    origin = [0]
    for index, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        here = labels[box]
        own = here == index
        free = own | (here == 0)
        for part in _large_parts(own.view(np.uint8), smallest):
            np.copyto(result[box], len(origin), where=_fill_holes(part) & free)
            origin.append(index)
    return result, np.array(origin)


def _large_parts(mask: AnyArray, smallest: float) -> list[AnyArray]:
    """Return the connected parts of a mask, uint8, that are no smaller, and the largest one."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    if count == 2:
        return [mask]
    areas = stats[1:, cv2.CC_STAT_AREA]
    wanted = (areas >= smallest) | (np.arange(len(areas)) == np.argmax(areas))
    return [(parts == part).view(np.uint8) for part in 1 + np.flatnonzero(wanted)]


def _fill_holes(mask: AnyArray) -> AnyArray:
    """Return a connected mask, uint8, without its holes, bool."""
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(mask.copy(), outlines, -1, 1, cv2.FILLED).view(bool)


def _drop_uncertain(labels: LabelArray, probability: FloatArray, certainty: float) -> LabelArray:
    """Remove labels of too low a mean probability.

    The mean is taken over pixels that are rather nucleus than not: so a lower foreground threshold,
    which draws nuclei larger, makes none of them less certain.
    """
    if certainty == 0:
        return labels
    core = np.flatnonzero((labels > 0) & (probability >= min(CORE, certainty - HALF_STEP)))
    numbers, length = labels.ravel()[core], int(labels.max()) + 1
    counts = np.bincount(numbers, minlength=length)
    sums = np.bincount(numbers, weights=probability.ravel()[core], minlength=length)
    keep = (counts > 0) & (sums >= (certainty - HALF_STEP) * counts)
    return np.where(keep[labels], labels, 0)


def _enlarge(labels: LabelArray, plane: PlaneMaps, edges: FloatArray) -> LabelArray:
    """Bring labels to the image's own size with outlines as smooth as the probability map.

    `edges` holds the probability at the outline of each label.
    """
    _, nearest = cv2.distanceTransformWithLabels(
        (labels == 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    owner = np.zeros(nearest.max() + 1, np.int32)
    owner[nearest[labels > 0]] = labels[labels > 0]
    # Labels grown by a pixel of the coarser of the two, cut back to the probability at the image's
    # size; not further inside, where holes were filled.
    margin = math.ceil(max(1.0, plane.scale))
    kernel = np.ones((2 * margin + 1, 2 * margin + 1), np.uint8)
    covered = (labels > 0).astype(np.uint8)
    near = cv2.dilate(covered, kernel) > 0
    grown = np.where(near, owner[nearest], 0).astype(np.float32)
    large = plane.to_image(grown, cv2.INTER_NEAREST).astype(np.int32)
    inner = cv2.erode(covered, kernel).astype(np.float32)
    certain = plane.to_image(inner, cv2.INTER_NEAREST) > 0
    return np.where(certain | (plane.probability() >= edges[large]), large, 0)


def at_border(labels: LabelArray) -> AnyArray:
    """Return the labels that touch the border, some of them more than once, and 0 if it does."""
    return np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])


def _select(labels: LabelArray, smallest: float, drop_border: bool) -> LabelArray:
    """Remove small and, if asked, border labels; number the rest from 1 in reading order."""
    areas = np.bincount(labels.ravel())
    keep = areas >= smallest
    keep[0] = False
    if drop_border:
        keep[at_border(labels)] = False
    numbers = np.zeros(len(areas), np.int32)
    numbers[keep] = np.arange(1, keep.sum() + 1)
    return numbers[labels]
