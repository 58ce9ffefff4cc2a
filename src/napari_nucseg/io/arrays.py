"""Arrays of pixels that callers pass."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_nucseg.errors import InputError


def checked_array(image: Any) -> Any:
    """Return an array-like with shape, dtype and indexing, lazy if it was lazy.

    Raises
    ------
    InputError
        It is None, has a mask, or is no regular array.
    """
    if image is None:
        raise InputError("The image is None; expected an array of pixels.")
    # What dask makes of masked arrays tells by its `_meta`.
    if isinstance(getattr(image, "_meta", image), np.ma.MaskedArray):
        raise InputError(
            "The image is a masked array, whose mask cannot be used; pass image.filled(value), "
            "with the value that masked pixels are to have, such as 0."
        )
    if hasattr(image, "shape") and hasattr(image, "dtype"):
        return image
    try:
        return np.asarray(image)
    except ValueError as error:
        raise InputError(
            f"The image is not a regular array of pixels: {error}. Of the levels of a pyramid, "
            "pass the first."
        ) from error


def as_array(image: Any) -> Any:
    """Return something with shape, dtype and indexing; of a pyramid, its first level."""
    if isinstance(image, (str, os.PathLike)):
        raise InputError(
            f"segment takes an array of pixels, got the path {os.fspath(image)!r}; read the file "
            "first, for instance with tifffile.imread."
        )
    if isinstance(image, Sequence) and len(image) and hasattr(image[0], "shape"):
        shape = tuple(image[0].shape)
        if len(image) > 1 and all(tuple(np.shape(level)) == shape for level in image[1:]):
            raise InputError(
                f"A list of arrays is read as a pyramid, whose levels get smaller; these "
                f"{len(image)} all have the shape {shape}. Stack them into one array, for "
                "instance with numpy.stack."
            )
        image = image[0]
    return checked_array(image)
