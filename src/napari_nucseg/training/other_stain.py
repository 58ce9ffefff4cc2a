"""Images in the look of another stain: fluorescence as tissue in two dyes, tissue as fluorescence.

What is a nucleus stays one. So the many labelled images of one stain teach about the other, of
which there are few.
"""

import numpy as np
from numpy.random import Generator
from skimage.color import hed2rgb

from napari_nucseg._opencv import cv2
from napari_nucseg._types import FloatArray

TURNED = 0.8
"""Share of views of dark nuclei that are turned so that these are bright."""


def as_fluorescence(image: FloatArray, rng: Generator) -> FloatArray:
    """Mix the colours to grey, mostly turned so that dark nuclei are bright.

    Parameters
    ----------
    image : array (Y, X, 3), float32
        Normalised, about [-1, 1]; so is the result.
    rng : numpy.random.Generator
    """
    grey = _positive(image) @ rng.dirichlet((2.0, 2.0, 2.0))
    if rng.random() < TURNED:
        grey = 1 - grey
    return _normalized(np.repeat(grey[..., None], 3, axis=-1))


def as_tissue(image: FloatArray, rng: Generator) -> FloatArray:
    """Take brightness for haematoxylin, on eosin that follows a blurred, shifted copy of it.

    The dyes are mixed by colour deconvolution run backwards (Ruifrok and Johnston, 2001).

    Parameters
    ----------
    image : array (Y, X, 3), float32
        Normalised, about [-1, 1], with bright nuclei; so is the result, with dark ones.
    rng : numpy.random.Generator
    """
    nuclei = _positive(image).mean(axis=-1) ** np.exp(rng.normal(0, 0.3))
    blurred = cv2.GaussianBlur(
        nuclei.astype(np.float32), (0, 0), float(np.exp(rng.uniform(0.0, 3.0)))
    )
    ground = np.roll(blurred, tuple(rng.integers(0, len(blurred), 2)), (0, 1))
    haematoxylin = rng.uniform(0.06, 0.2) * nuclei + rng.uniform(0.0, 0.02)
    eosin = rng.uniform(0.0, 0.12) * ground + rng.uniform(0.0, 0.06)
    third = np.full_like(eosin, rng.uniform(0.0, 0.01))
    return _normalized(hed2rgb(np.stack([haematoxylin, eosin, third], axis=-1)))


def _positive(image: FloatArray) -> FloatArray:
    """Return a normalised image on a scale of 0 to 1."""
    return np.clip((image + 1) / 2, 0, 1)


def _normalized(image: FloatArray) -> FloatArray:
    return np.ascontiguousarray(2 * image - 1, np.float32)
