"""A z stack of nuclei, thicker in z than in y and x, as in cultured tissue."""

import math

import numpy as np
from scipy import ndimage

from napari_nucseg._opencv import cv2
from napari_nucseg._types import FloatArray
from napari_nucseg.sample_data._chromatin import Chromatin
from napari_nucseg.sample_data._crowd import Crowd
from napari_nucseg.sample_data._drawing import Region, draw_labels, paint
from napari_nucseg.sample_data._microscope import Float32Array, expose, illumination, smooth_field
from napari_nucseg.sample_data._nucleus import random_nucleus
from napari_nucseg.sample_data._sample import Sample
from napari_nucseg.sample_data._shape import (
    check_diameter,
    check_positive,
    check_shape,
    check_share,
    nuclei_count,
)

NUCLEUS_ELECTRONS = 500.0
COVERAGE = 0.12
SCATTERING_DEPTH = 60.0
"""Micrometres in which light drops to 37 %."""


def z_stack(
    shape: tuple[int, int, int] = (24, 256, 256),
    diameter: float = 24.0,
    n_nuclei: int | None = None,
    *,
    voxel_size: tuple[float, float, float] = (1.0, 0.35, 0.35),
    touching: float = 0.35,
    seed: int = 0,
) -> Sample:
    """Generate a z stack of ellipsoidal nuclei.

    Parameters
    ----------
    shape : tuple of int
        Z, Y, X.
    diameter : float
        Mean diameter, in pixels of Y and X, of the widest cut through a nucleus.
    n_nuclei : int, optional
        Number of nuclei; by default as many as fill 12 % of the volume.
    voxel_size : tuple of float
        Z, Y, X in micrometres; Y and X are equal.
    touching : float
        Share of the nuclei that is placed in contact with another one, 0 to 1.
    seed : int
        Equal seeds give equal samples.

    Returns
    -------
    Sample
        Axes ZYX, image uint16. A plane of labels is a cut through the ellipsoids.

    Raises
    ------
    InputError
        If an argument is not valid or the nuclei do not fit.
    """
    check_shape(shape, "ZYX")
    check_diameter(diameter)
    check_share("touching", touching)
    for size in voxel_size:
        check_positive("voxel_size", size)
    radius = diameter / 2
    half_depth = 0.9 * radius * voxel_size[1] / voxel_size[0]
    nucleus_size = 4 / 3 * math.pi * radius**2 * half_depth
    count = nuclei_count(n_nuclei, math.prod(shape), nucleus_size, COVERAGE)
    rng = np.random.default_rng(seed)
    crowd = Crowd(shape)
    crowd.fill(rng, count, lambda g: random_nucleus(g, radius, half_depth=half_depth), touching)
    nuclei = dict(enumerate(crowd.nuclei, start=1))
    labels = draw_labels(nuclei, shape)
    chromatin = Chromatin(rng)
    signal = paint(nuclei, labels, lambda region: _glow(region, chromatin))
    return Sample(
        image=expose(rng, _photograph(rng, signal, voxel_size)),
        labels=labels,
        axes="ZYX",
        pixel_size=dict(zip("ZYX", voxel_size, strict=True)),
        name="z-stack",
        metadata={"seed": seed, "diameter": diameter},
    )


def _glow(region: Region, chromatin: Chromatin) -> FloatArray:
    grain, nucleoli = chromatin.sample(region)
    texture = np.clip(1.0 + 0.16 * grain - 0.5 * nucleoli, 0.2, None)
    # A voxel near the upper or lower surface is only partly filled.
    depth = np.abs(region.local.depth)
    surface = np.sqrt(np.clip(1.0 - region.level**2 + depth**2, 0.0, 1.0))
    filled = np.clip((surface - depth) * region.nucleus.half_depth + 0.3, 0.0, 1.0)
    light: FloatArray = region.nucleus.brightness * texture * filled
    return light


def _photograph(
    rng: np.random.Generator, signal: Float32Array, voxel_size: tuple[float, float, float]
) -> FloatArray:
    """Turn the signal (axes ZYX) into expected electrons; deeper planes are darker."""
    plane = (signal.shape[1], signal.shape[2])
    depth = np.arange(signal.shape[0]) * voxel_size[0]
    light = _defocus(signal, voxel_size) * np.exp(-depth / SCATTERING_DEPTH)[:, None, None]
    background = 20.0 + 30.0 * smooth_field(rng, plane, 100.0)
    electrons: FloatArray = NUCLEUS_ELECTRONS * light + background
    return electrons * illumination(rng, plane)


def _defocus(signal: Float32Array, voxel_size: tuple[float, float, float]) -> Float32Array:
    """Blur by a point spread function of axes ZYX: a core, and a wide cone out of focus."""
    dz, dy, _ = voxel_size
    core = _blur_volume(signal, 1.1 / dz, 0.3 / dy)
    cone = _blur_volume(signal, 3.0 / dz, 1.8 / dy)
    return 0.72 * core + 0.28 * cone


def _blur_volume(volume: Float32Array, sigma_z: float, sigma_yx: float) -> Float32Array:
    planes = [cv2.GaussianBlur(plane, (0, 0), sigma_yx) for plane in volume]
    return np.asarray(
        ndimage.gaussian_filter1d(np.stack(planes), sigma_z, axis=0, mode="nearest"), np.float32
    )
