"""From instance labels to what the network learns."""

import numpy as np
from scipy import ndimage

from napari_nucseg._opencv import cv2
from napari_nucseg._types import AnyArray, FloatArray, LabelArray
from napari_nucseg.model.config import OFFSET_UNIT

TARGET_CHANNELS = 6
"""foreground, distance, offset y, offset x, pixel weight, offset weight."""


def make_targets(
    labels: LabelArray,
    valid: AnyArray,
    touching_weight: float = 0.0,
    touching_offset: float = 0.0,
) -> FloatArray:
    """Compute all targets and their weights.

    Parameters
    ----------
    labels : array (Y, X), integer
        Instance labels, 0 is background.
    valid : array (Y, X), bool
        Pixels that carry loss.
    touching_weight : float
        Extra weight of pixels between touching nuclei (Ronneberger et al., MICCAI 2015).
    touching_offset : float
        Extra weight of nuclei that touch others in the offset loss. Absolute errors make the
        network vote for a common centre as long as two nuclei are less likely than one; merged
        ones are far more frequent than split ones, so the balance is moved.

    Returns
    -------
    array (Y, X, 6), float32
        Foreground 0 or 1; distance to the nucleus' boundary divided by its maximum in the nucleus;
        offset (dy, dx) to the nucleus' centroid in `OFFSET_UNIT` pixels; weight of each pixel in
        the foreground and distance losses; weight in the offset loss, which lets every nucleus
        count by its diameter instead of its area.
    """
    targets = np.zeros((*labels.shape, TARGET_CHANNELS), np.float32)
    targets[..., 0] = labels > 0
    for index, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is not None:
            _draw_nucleus(targets[box], labels[box] == index)
    between = touching(labels)
    targets[..., 4] = np.where(between, 1.0 + touching_weight, 1.0) * valid
    crowded = np.isin(labels, labels[between])
    targets[..., 5] *= np.where(crowded, 1.0 + touching_offset, 1.0) * valid
    return targets


def touching(labels: LabelArray) -> AnyArray:
    """Return (Y, X) bool: within two pixels of two different nuclei."""
    kernel = np.ones((5, 5), np.uint8)
    values = labels.astype(np.float32)
    highest = cv2.dilate(values, kernel)
    far = np.float32(2**24)
    lowest = cv2.erode(np.where(values > 0, values, far), kernel)
    return (highest > 0) & (lowest < far) & (highest != lowest)


def _draw_nucleus(targets: FloatArray, mask: AnyArray) -> None:
    """Write distance, offset and offset weight of one nucleus into its bounding box."""
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    rows, columns = np.nonzero(mask)
    targets[rows, columns, 1] = distance[rows, columns] / distance.max()
    targets[rows, columns, 2] = (rows.mean() - rows) / OFFSET_UNIT
    targets[rows, columns, 3] = (columns.mean() - columns) / OFFSET_UNIT
    diameter = np.sqrt(4.0 * len(rows) / np.pi)
    targets[rows, columns, 5] = OFFSET_UNIT / max(diameter, 4.0)
