"""One image with its corrected labels and the region that was reviewed."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import ndimage

from napari_nucseg._opencv import cv2
from napari_nucseg._types import AnyArray, LabelArray
from napari_nucseg.errors import DatasetError
from napari_nucseg.preprocessing.normalize import InputConfig, IntensityRange, measure_range
from napari_nucseg.training.dataset import median_diameter


@dataclass(frozen=True, eq=False)
class Row:
    """What a model learns from; build it with `make_row`, which checks it.

    Attributes
    ----------
    name : str
        What to call the image in messages.
    image : array (Y, X, 1 or 3)
        Original dtype.
    labels : array (Y, X), int32
        Consecutive instance labels, 0 is background.
    reviewed : array (Y, X), bool
        Where the labels are right; elsewhere nothing is learned from them.
    diameter : float
        Median diameter of the nuclei that touch reviewed pixels, in pixels; 0 without nuclei.
    remarks : tuple of str
        What the user should know, one sentence each.
    """

    name: str
    image: AnyArray
    labels: LabelArray
    reviewed: AnyArray
    diameter: float
    remarks: tuple[str, ...] = ()
    _ranges: dict[InputConfig, IntensityRange] = field(default_factory=dict, init=False, repr=False)

    @property
    def color(self) -> bool:
        """Whether it is a colour image."""
        return self.image.shape[-1] == 3

    def intensity(self, config: InputConfig) -> IntensityRange:
        """Return the range of the image's values, measured once for all parts of a training."""
        if config not in self._ranges:
            self._ranges[config] = measure_range([self.image], config, joint=self.color)
        return self._ranges[config]

    def sha256(self) -> str:
        """Return the hash of image, labels and reviewed region."""
        digest = hashlib.sha256()
        for array in (self.image, self.labels, self.reviewed):
            digest.update(f"{array.dtype.str} {array.shape} ".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def make_row(name: str, image: Any, labels: Any, reviewed: Any = None) -> Row:
    """Check one image, its labels and its reviewed region.

    Parameters
    ----------
    name : str
        What to call the image in messages.
    image : array (Y, X) or (Y, X, 3 or 4)
        Gray or RGB(A), any real dtype; alpha is dropped.
    labels : array (Y, X), integer
        0 is background. An id whose pieces lie far apart becomes several nuclei, with a remark.
    reviewed : array (Y, X), optional
        Non-zero where the labels were reviewed; by default everywhere.

    Raises
    ------
    DatasetError
        One of them cannot be used; the message says why.
    """
    image, labels = np.asarray(image), np.asarray(labels)
    _check_image(name, image)
    shape = image.shape[:2]
    _check_labels(name, labels, shape)
    if reviewed is None:
        region = np.ones(shape, bool)
    else:
        region = np.asarray(reviewed)
        if region.shape != shape:
            raise DatasetError(
                f"The reviewed region of '{name}' must be as large as its image, "
                f"{_size(shape)} pixels (Y x X), got {_size(region.shape)}."
            )
        region = region != 0
    if image.ndim == 2:
        image = image[..., None]
    image = image.astype(image.dtype.newbyteorder("="), copy=False)
    ids, places = np.unique(labels, return_inverse=True)
    first = 0 if ids[0] == 0 else 1  # no background at all
    plain: LabelArray = (places.reshape(shape) + first).astype(np.int32)
    plain, remarks = _separate_far_pieces(name, plain, ids[ids > 0])
    touched = np.isin(plain, np.unique(plain[region]))
    return Row(
        name,
        image[..., :3],
        plain,
        region,
        median_diameter(np.where(touched, plain, 0)),
        tuple(remarks),
    )


def _check_image(name: str, image: AnyArray) -> None:
    if image.ndim not in (2, 3) or image.shape[2:] not in ((), (1,), (3,), (4,)):
        raise DatasetError(
            f"Image '{name}' must be a 2D gray or RGB(A) plane, got an array of shape "
            f"{image.shape}; split stacks into planes first."
        )
    if image.dtype.kind not in "buif":
        raise DatasetError(
            f"Image '{name}' must hold real numbers (integers or floats), got dtype {image.dtype}."
        )
    if image.size == 0:
        raise DatasetError(f"Image '{name}' has no pixels, its shape is {image.shape}.")
    if image.dtype.kind == "f" and not np.isfinite(image).any():
        raise DatasetError(f"Every pixel of image '{name}' is NaN or infinite.")


def _check_labels(name: str, labels: AnyArray, shape: tuple[int, ...]) -> None:
    if labels.shape != shape:
        raise DatasetError(
            f"The labels of '{name}' must be as large as its image, {_size(shape)} pixels (Y x X), "
            f"got {_size(labels.shape)}."
        )
    if labels.dtype.kind not in "iu":
        raise DatasetError(
            f"The labels of '{name}' must be integers, one id per nucleus and 0 for the "
            f"background, got dtype {labels.dtype}."
        )
    if labels.min() < 0:
        raise DatasetError(
            f"The labels of '{name}' must be 0 for the background and positive for nuclei, got "
            f"{int(labels.min())}."
        )


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _separate_far_pieces(
    name: str, labels: LabelArray, ids: AnyArray
) -> tuple[LabelArray, list[str]]:
    """Give pieces of one label that lie more than a diameter apart ids of their own.

    Parameters
    ----------
    name : str
        Of the image, for the remarks.
    labels : array (Y, X), int32
        Consecutive; changed in place.
    ids : array
        What the user calls label 1, 2, ...
    """
    radius = max(1, round(median_diameter(labels) / 2))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    count, remarks = len(ids), []
    for index, box in enumerate(ndimage.find_objects(labels), start=1):
        part = (labels[box] == index).astype(np.uint8)
        if cv2.connectedComponents(part, connectivity=8)[0] <= 2:
            continue
        grown = cv2.dilate(np.pad(part, radius), kernel)
        n_groups, groups = cv2.connectedComponents(grown, connectivity=8)
        if n_groups <= 2:
            continue
        groups = groups[radius:-radius, radius:-radius] * part
        places = []
        for group in range(1, n_groups):
            rows, columns = np.nonzero(groups == group)
            y, x = round(rows.mean()) + box[0].start, round(columns.mean()) + box[1].start
            places.append(f"({y}, {x})")
            if group > 1:
                count += 1
                labels[box][groups == group] = count
        remarks.append(
            f"In '{name}', label {ids[index - 1]} marks {n_groups - 1} objects that lie far apart, "
            f"at (row, column) {_listed(places)}; each is taken as a nucleus of its own."
        )
    return labels, remarks


def _listed(words: list[str]) -> str:
    most = 4
    if len(words) > most:
        return ", ".join(words[:most]) + ", ..."
    return ", ".join(words[:-1]) + f" and {words[-1]}"
