"""More touching nuclei: nuclei of one view are put beside the nuclei of another.

Copy-paste augmentation (Ghiasi et al., CVPR 2021). Placing each nucleus against one that is already
there is this project's own: touching nuclei are what the network gets wrong, and most fields have
few of them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from scipy import ndimage

from napari_nucseg._opencv import cv2
from napari_nucseg._types import AnyArray, FloatArray, Window
from napari_nucseg.training.augmentation import View

MOST = 12
"""Most nuclei that are pasted into a view."""

COVERED = 0.25
"""A nucleus may hide at most this share of another one."""

FEATHER = 1.0
"""Sigma in pixels of the blur at the edge of what is pasted."""

MARGIN = 4


@dataclass(frozen=True)
class Cutout:
    """One nucleus with its surroundings: pixels (Y, X, 3) and mask (Y, X)."""

    pixels: FloatArray
    mask: AnyArray


def paste_nuclei(view: View, donor: View, rng: Generator) -> View:
    """Put up to `MOST` nuclei of `donor` against nuclei of `view`.

    Parameters
    ----------
    view, donor : View
        Two views of one image at the same scale.
    rng : numpy.random.Generator

    Returns
    -------
    View
        A new view; its labels are not consecutive where a nucleus became hidden.
    """
    cutouts = _cut_out(donor)
    if not cutouts or not view.labels.any():
        return view
    image, labels = view.image.copy(), view.labels.copy()
    for k in rng.integers(0, len(cutouts), rng.integers(1, MOST + 1)):
        place = _beside_a_nucleus(labels, cutouts[k], rng)
        if place is not None:
            _paste(image, labels, cutouts[k], place, on_top=bool(rng.random() < 0.5))
    return View(image, labels, view.valid)


def _cut_out(donor: View) -> list[Cutout]:
    """Return the nuclei that lie inside the view, away from its border."""
    height, width = donor.labels.shape
    cutouts = []
    for index, box in enumerate(ndimage.find_objects(donor.labels), start=1):
        if box is None:
            continue
        top, left = box[0].start - MARGIN, box[1].start - MARGIN
        bottom, right = box[0].stop + MARGIN, box[1].stop + MARGIN
        if top < 0 or left < 0 or bottom > height or right > width:
            continue
        window = (slice(top, bottom), slice(left, right))
        if donor.valid[window].all():
            cutouts.append(Cutout(donor.image[window], donor.labels[window] == index))
    return cutouts


def _beside_a_nucleus(labels: AnyArray, cutout: Cutout, rng: Generator) -> Window | None:
    """Choose where a cutout touches, or nearly touches, a random nucleus; None if it cannot."""
    rows, columns = np.nonzero(labels)
    chosen = labels[rows[k := rng.integers(len(rows))], columns[k]]
    rows, columns = np.nonzero(labels == chosen)
    radii = np.sqrt(len(rows) / np.pi) + np.sqrt(cutout.mask.sum() / np.pi)
    angle, distance = rng.uniform(0, 2 * np.pi), radii * rng.uniform(0.8, 1.2)
    height, width = cutout.mask.shape
    top = round(rows.mean() + distance * np.sin(angle) - height / 2)
    left = round(columns.mean() + distance * np.cos(angle) - width / 2)
    if top < 0 or left < 0 or top + height > labels.shape[0] or left + width > labels.shape[1]:
        return None
    return slice(top, top + height), slice(left, left + width)


def _paste(
    image: FloatArray,
    labels: AnyArray,
    cutout: Cutout,
    place: Window,
    *,
    on_top: bool,
) -> None:
    """Blend a cutout into image and labels, unless it would hide a nucleus or be hidden."""
    present = labels[place]
    shared = cutout.mask & (present > 0)
    if shared.any():
        hidden = np.bincount(present[shared])
        areas = np.bincount(labels.ravel(), minlength=len(hidden))[: len(hidden)]
        most = min(cutout.mask.sum(), areas[hidden > 0].min())
        if shared.sum() > COVERED * most:
            return
    mask = cutout.mask if on_top else cutout.mask & (present == 0)
    alpha = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), FEATHER)[..., None]
    image[place] += alpha * (cutout.pixels - image[place])
    present[mask] = labels.max() + 1
