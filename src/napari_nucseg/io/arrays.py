"""Arrays of pixels that callers pass."""

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
