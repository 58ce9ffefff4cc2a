"""What a fluorescence microscope and its camera do to an image."""

import numpy as np
import numpy.typing as npt

from napari_nucseg._opencv import cv2
from napari_nucseg._types import AnyArray

Float32Array = npt.NDArray[np.float32]

OFFSET = 100.0
"""Counts that the camera adds to every pixel."""

COUNTS_PER_ELECTRON = 2.0
READ_NOISE = 4.0
"""Standard deviation in electrons."""


def blur(plane: AnyArray, sigma: float) -> Float32Array:
    """Blur a plane (axes YX or YXS) by a Gaussian of standard deviation `sigma` in pixels."""
    source = plane.astype(np.float32)
    return np.asarray(
        cv2.GaussianBlur(source, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), np.float32
    )


def smooth_field(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> Float32Array:
    """Return a random plane (axes YX) of values 0 to 1 that varies over `scale` pixels."""
    coarse = tuple(max(3, round(size / scale) + 3) for size in shape)
    grid = rng.random(coarse, dtype=np.float32)
    field = cv2.resize(grid, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.clip(np.asarray(field, np.float32), 0.0, 1.0)


def illumination(rng: np.random.Generator, shape: tuple[int, int]) -> Float32Array:
    """Return the brightness of the lamp (axes YX): 1 near the middle, down to 0.75 in corners."""
    y, x = (np.linspace(-1.0, 1.0, size, dtype=np.float32) for size in shape)
    off_y, off_x = rng.uniform(-0.25, 0.25, 2).astype(np.float32)
    light: Float32Array = np.exp(-0.12 * ((y[:, None] - off_y) ** 2 + (x[None, :] - off_x) ** 2))
    return light


def expose(rng: np.random.Generator, electrons: AnyArray) -> npt.NDArray[np.uint16]:
    """Read out expected electrons per pixel as 16-bit counts, with shot and read noise."""
    noisy = rng.poisson(np.maximum(electrons, 0.0)) + rng.normal(0.0, READ_NOISE, electrons.shape)
    counts = np.rint(OFFSET + COUNTS_PER_ELECTRON * noisy)
    return np.clip(counts, 0, np.iinfo(np.uint16).max).astype(np.uint16)
