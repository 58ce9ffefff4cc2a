"""A change of some pixels, as one step that can be undone."""

from dataclasses import dataclass

import numpy as np

from napari_nucseg._types import AnyArray, LabelArray
from napari_nucseg.correction.planes import Plane, Window, lift
from napari_nucseg.errors import InputError


@dataclass(frozen=True, eq=False)
class Edit:
    """Pixels with their old and new ids; the array itself is left alone.

    Attributes
    ----------
    indices : tuple of int arrays (n,)
        One per axis of the label array.
    old, new : arrays (n,)
        In the dtype of the labels.
    nuclei : tuple of int
        Ids of the nuclei it concerns that exist afterwards; the first keeps its old id.
    """

    indices: tuple[AnyArray, ...]
    old: LabelArray
    new: LabelArray
    nuclei: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of pixels."""
        return len(self.old)

    def is_current(self, labels: LabelArray) -> bool:
        """Tell whether the pixels have their old ids: not edited yet, or undone."""
        return bool(np.array_equal(labels[self.indices], self.old))

    def is_made(self, labels: LabelArray) -> bool:
        """Tell whether the pixels have their new ids."""
        return bool(np.array_equal(labels[self.indices], self.new))


def edit_window(
    labels: LabelArray, window: Window, new: LabelArray, nuclei: tuple[int, ...]
) -> Edit:
    """Return the edit that gives a window of the array new content."""
    old = labels[window]
    inside = np.nonzero(old != new)
    indices = tuple(part + place.start for part, place in zip(inside, window, strict=True))
    return Edit(indices, old[inside], new[inside].astype(labels.dtype), nuclei)


def edit_plane(
    labels: LabelArray, plane: Plane, window: Window, new: LabelArray, nuclei: tuple[int, ...]
) -> Edit:
    """Return the edit that gives a window of a plane new content."""
    rows, columns = window
    where = [slice(i, i + 1) if i is not None else slice(None) for i in plane]
    spanned = [axis for axis, index in enumerate(plane) if index is None]
    where[spanned[0]], where[spanned[1]] = rows, columns
    old = labels[tuple(where)].reshape(new.shape)
    inside = np.nonzero(old != new)
    indices = lift(plane, inside[0] + rows.start, inside[1] + columns.start)
    return Edit(indices, old[inside], new[inside].astype(labels.dtype), nuclei)


def difference(labels: LabelArray, wanted: LabelArray) -> Edit:
    """Return the edit that makes `labels` equal to `wanted`.

    Raises
    ------
    InputError
        The shapes differ, or an id is too large for the labels.
    """
    check_same_shape(labels, wanted)
    indices = np.nonzero(labels != wanted)
    new = wanted[indices]
    top = np.iinfo(labels.dtype).max
    if new.size and int(new.max()) > top:
        raise InputError(f"The id {new.max()} does not fit into labels of dtype {labels.dtype}.")
    return Edit(indices, labels[indices], new.astype(labels.dtype), ())


def check_same_shape(labels: AnyArray, other: AnyArray) -> None:
    """Raise InputError unless two arrays have one shape."""
    if labels.shape != other.shape:
        raise InputError(f"The labels have shape {labels.shape}, expected {other.shape}.")
