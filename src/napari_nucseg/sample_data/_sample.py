"""A generated image together with the truth it was drawn from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_nucseg._types import AnyArray


@dataclass(frozen=True, eq=False)
class Sample:
    """A generated image with true labels.

    Attributes
    ----------
    image : numpy.ndarray
        Axes `axes`; uint16, or uint8 for colour.
    labels : numpy.ndarray of int32
        Axes `axes` without ``C`` and ``S``; 0 is background, nuclei are 1..N.
    axes : str
        Axis letters of `image`, for example ``"ZYX"``.
    pixel_size : mapping of str to float
        Micrometres per pixel of each spatial axis (``Z``, ``Y``, ``X``) that `image` has.
    name : str
        Name of the layer.
    metadata : mapping of str to object
        How the sample was made (seed, diameter) and further truth (lineage of a movie).
    """

    image: AnyArray
    labels: npt.NDArray[np.int32]
    axes: str
    pixel_size: Mapping[str, float]
    name: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
