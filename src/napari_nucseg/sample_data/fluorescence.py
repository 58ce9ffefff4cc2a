"""A field of nuclei in fluorescence, as from a DNA stain in a widefield microscope."""

import math

import numpy as np

from napari_nucseg._types import FloatArray
from napari_nucseg.sample_data._chromatin import Chromatin
from napari_nucseg.sample_data._crowd import Crowd
from napari_nucseg.sample_data._drawing import Region, draw_labels, paint
from napari_nucseg.sample_data._microscope import (
    Float32Array,
    blur,
    expose,
    illumination,
    smooth_field,
)
from napari_nucseg.sample_data._nucleus import random_nucleus
from napari_nucseg.sample_data._sample import Sample
from napari_nucseg.sample_data._shape import (
    check_diameter,
    check_positive,
    check_shape,
    check_share,
    nuclei_count,
)

NUCLEUS_ELECTRONS = 650.0
BACKGROUND_ELECTRONS = (15.0, 60.0)
COVERAGE = 0.16


def fluorescence_field(
    shape: tuple[int, int] = (512, 512),
    diameter: float = 20.0,
    n_nuclei: int | None = None,
    *,
    touching: float = 0.35,
    exposure: float = 1.0,
    seed: int = 0,
) -> Sample:
    """Generate a field of fluorescent nuclei.

    Parameters
    ----------
    shape : tuple of int
        Y, X.
    diameter : float
        Mean diameter of the nuclei in pixels.
    n_nuclei : int, optional
        Number of nuclei; by default as many as cover 16 % of the field.
    touching : float
        Share of the nuclei that is placed in contact with another one, 0 to 1.
    exposure : float
        Light collected; noise is stronger in relation below 1.
    seed : int
        Equal seeds give equal samples.

    Returns
    -------
    Sample
        Axes YX, image uint16.

    Raises
    ------
    InputError
        If an argument is not valid or the nuclei do not fit.
    """
    check_shape(shape, "YX")
    check_diameter(diameter)
    check_share("touching", touching)
    check_positive("exposure", exposure)
    radius = diameter / 2
    count = nuclei_count(n_nuclei, math.prod(shape), math.pi * radius**2, COVERAGE)
    rng = np.random.default_rng(seed)
    crowd = Crowd((1, *shape))
    crowd.fill(rng, count, lambda g: random_nucleus(g, radius), touching)
    nuclei = dict(enumerate(crowd.nuclei, start=1))
    labels = draw_labels(nuclei, crowd.shape)
    chromatin = Chromatin(rng)
    signal = paint(nuclei, labels, lambda region: glow(region, chromatin))[0]
    image = expose(rng, exposure * photograph(rng, signal, diameter))
    return Sample(
        image=image,
        labels=labels[0],
        axes="YX",
        pixel_size={"Y": 10.0 / diameter, "X": 10.0 / diameter},
        name="fluorescence",
        metadata={"seed": seed, "diameter": diameter},
    )


def glow(region: Region, chromatin: Chromatin) -> FloatArray:
    """Return the fluorescence of a nucleus's voxels: thinner at the rim, dark nucleoli."""
    grain, nucleoli = chromatin.sample(region)
    dome = 0.55 + 0.45 * np.sqrt(np.clip(1.0 - region.level**2, 0.0, 1.0))
    texture = np.clip(1.0 + 0.18 * grain - 0.45 * nucleoli, 0.3, None)
    light: FloatArray = region.nucleus.brightness * dome * texture
    return light


def photograph(rng: np.random.Generator, signal: Float32Array, diameter: float) -> Float32Array:
    """Turn the signal of a plane (axes YX) into expected electrons.

    A sharp image, a wide halo of light from above and below the focus, and an uneven
    background, all under an uneven lamp.
    """
    plane_shape = (signal.shape[0], signal.shape[1])
    sharp = blur(signal, max(0.7, 0.05 * diameter))
    halo = blur(signal, 0.7 * diameter)
    low, high = BACKGROUND_ELECTRONS
    background = low + (high - low) * smooth_field(rng, plane_shape, 0.5 * min(plane_shape))
    electrons = NUCLEUS_ELECTRONS * (0.9 * sharp + 0.1 * halo) + background
    return electrons * illumination(rng, plane_shape)
