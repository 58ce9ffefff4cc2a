"""A field of tissue stained with haematoxylin and eosin, in transmitted light."""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from napari_nucseg._types import FloatArray
from napari_nucseg.sample_data._chromatin import Chromatin
from napari_nucseg.sample_data._crowd import Crowd
from napari_nucseg.sample_data._drawing import Region, draw_labels, paint
from napari_nucseg.sample_data._microscope import Float32Array, blur
from napari_nucseg.sample_data._nucleus import Nucleus, random_nucleus
from napari_nucseg.sample_data._sample import Sample
from napari_nucseg.sample_data._shape import check_diameter, check_shape, check_share, nuclei_count
from napari_nucseg.sample_data._tissue import Tissue, grow_tissue

# Optical density per unit of stain in R, G, B, close to the reference vectors of Macenko et al.,
# "A method for normalizing histology slides for quantitative analysis", ISBI 2009.
HAEMATOXYLIN = np.array([0.60, 0.74, 0.34], np.float32)
EOSIN = np.array([0.16, 0.86, 0.46], np.float32)

WHITE = np.array([243.0, 241.0, 244.0], np.float32)
"""Glass without tissue; R, G, B."""

COVERAGE = 0.15
STROMAL = 0.45
"""Share of the nuclei outside glands that are long and follow the fibres."""


def histology_field(
    shape: tuple[int, int] = (512, 512),
    diameter: float = 18.0,
    n_nuclei: int | None = None,
    *,
    touching: float = 0.2,
    seed: int = 0,
) -> Sample:
    """Generate a field of stained tissue.

    Parameters
    ----------
    shape : tuple of int
        Y, X.
    diameter : float
        Mean diameter of the nuclei in pixels.
    n_nuclei : int, optional
        Number of nuclei; by default as many as cover 15 % of the field.
    touching : float
        Share of the nuclei outside glands that is placed in contact with another one, 0 to 1.
    seed : int
        Equal seeds give equal samples.

    Returns
    -------
    Sample
        Axes YXS, image uint8 RGB.

    Raises
    ------
    InputError
        If an argument is not valid or the nuclei do not fit.
    """
    check_shape(shape, "YX")
    check_diameter(diameter)
    check_share("touching", touching)
    count = nuclei_count(n_nuclei, math.prod(shape), math.pi * (diameter / 2) ** 2, COVERAGE)
    rng = np.random.default_rng(seed)
    tissue = grow_tissue(rng, shape, diameter)
    crowd = Crowd((1, *shape), allowed=tissue.solid)
    _line_lumens(rng, crowd, tissue, diameter, count)
    rest = count - len(crowd.nuclei)
    draw, align = partial(_draw_nucleus, radius=diameter / 2), partial(_along_fibres, tissue)
    crowd.fill(rng, rest, draw, touching, align)
    nuclei = dict(enumerate(crowd.nuclei, start=1))
    labels = draw_labels(nuclei, crowd.shape)
    chromatin = Chromatin(rng)
    stain = paint(nuclei, labels, lambda region: _stain(region, chromatin))[0]
    return Sample(
        image=_scan(rng, tissue, stain, diameter),
        labels=labels[0],
        axes="YXS",
        pixel_size={"Y": 8.0 / diameter, "X": 8.0 / diameter},
        name="H&E tissue",
        metadata={"seed": seed, "diameter": diameter},
    )


def _line_lumens(
    rng: np.random.Generator, crowd: Crowd, tissue: Tissue, diameter: float, most: int
) -> None:
    """Line each lumen with a row of nuclei that stand on it, at most `most` in all."""
    for lumen in tissue.lumens:
        n_sites = int(2 * math.pi * (lumen.radius + 0.9 * diameter) / (0.85 * diameter))
        for direction in np.linspace(0.0, 2 * math.pi, n_sites, endpoint=False):
            if len(crowd.nuclei) >= most:
                return
            dy, dx = math.sin(direction), math.cos(direction)
            ray = 1.0 / float(lumen.level(*(np.array(c) for c in (0.0, dy, dx))))
            ray += diameter * float(rng.normal(0.95, 0.13))
            nucleus = random_nucleus(rng, 0.5 * diameter, elongation=(1.2, 1.7))
            angle = float(direction + rng.normal(0.0, 0.15))
            y, x = lumen.centre[1] + ray * dy, lumen.centre[2] + ray * dx
            crowd.add(replace(nucleus, centre=(0.0, y, x), angle=angle))


def _draw_nucleus(rng: np.random.Generator, radius: float) -> Nucleus:
    """Draw a long stromal nucleus, its angle relative to the fibres, or a round one."""
    if rng.random() < STROMAL:
        nucleus = random_nucleus(rng, 0.95 * radius, elongation=(2.1, 3.4), roughness=0.06)
        return replace(nucleus, angle=float(rng.normal(0.0, 0.12)))
    return random_nucleus(rng, 1.05 * radius, elongation=(1.05, 1.5), roughness=0.06)


def _along_fibres(tissue: Tissue, nucleus: Nucleus) -> Nucleus:
    y, x = (math.floor(c) for c in nucleus.centre[1:])
    inside = 0 <= y < tissue.angle.shape[0] and 0 <= x < tissue.angle.shape[1]
    if nucleus.elongation < 2 or not inside:
        return nucleus
    return replace(nucleus, angle=nucleus.angle + float(tissue.angle[y, x]))


def _stain(region: Region, chromatin: Chromatin) -> FloatArray:
    """Return the optical density of haematoxylin: membrane, clumps and nucleoli are dark."""
    grain, nucleoli = chromatin.sample(region)
    membrane = np.exp(-(((region.level - 0.9) / 0.13) ** 2))
    texture = 0.9 + 0.26 * grain + 0.4 * nucleoli + 0.3 * membrane
    # Stain saturates: bright and dim nuclei differ less than in fluorescence.
    strength = np.clip(region.nucleus.brightness, 0.5, 1.6) ** 0.6
    density: FloatArray = np.clip(texture, 0.3, None) * strength
    return density


def _scan(
    rng: np.random.Generator, tissue: Tissue, stain: Float32Array, diameter: float
) -> npt.NDArray[np.uint8]:
    """Send light through the section by the law of Beer and Lambert; axes YXS, RGB."""
    nuclear = np.clip(blur(stain > 0, 0.7), 0.0, 1.0)
    haematoxylin = stain + tissue.haze * (1.0 - nuclear)
    eosin = tissue.eosin * (1.0 - 0.55 * nuclear)
    density = haematoxylin[..., None] * HAEMATOXYLIN + eosin[..., None] * EOSIN
    light = blur(WHITE * np.exp(-density), max(0.7, 0.05 * diameter))
    noisy = light + rng.normal(0.0, 2.0, light.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
