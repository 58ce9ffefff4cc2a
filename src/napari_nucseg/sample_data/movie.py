"""A time-lapse of nuclei that move slowly and divide."""

import math

import numpy as np

from napari_nucseg.errors import InputError
from napari_nucseg.sample_data._chromatin import Chromatin
from napari_nucseg.sample_data._crowd import Crowd
from napari_nucseg.sample_data._drawing import draw_labels, paint
from napari_nucseg.sample_data._microscope import expose
from napari_nucseg.sample_data._motion import Culture
from napari_nucseg.sample_data._nucleus import Nucleus, random_nucleus
from napari_nucseg.sample_data._sample import Sample
from napari_nucseg.sample_data._shape import check_diameter, check_shape, check_share, nuclei_count
from napari_nucseg.sample_data.fluorescence import glow, photograph

COVERAGE = 0.12
FIRST_DIVISION = 2
"""Frame in which the first daughters can appear."""

BLEACHING = 0.012
"""Share of the light that is lost per frame."""


def time_lapse(
    shape: tuple[int, int, int] = (12, 256, 256),
    diameter: float = 20.0,
    n_nuclei: int | None = None,
    *,
    n_divisions: int = 5,
    touching: float = 0.25,
    seed: int = 0,
) -> Sample:
    """Generate a time-lapse.

    Parameters
    ----------
    shape : tuple of int
        T, Y, X.
    diameter : float
        Mean diameter of the nuclei in pixels.
    n_nuclei : int, optional
        Number of nuclei in the first frame; by default as many as cover 12 % of it.
    n_divisions : int
        Number of nuclei of the first frame that divide.
    touching : float
        Share of the nuclei that is placed in contact with another one, 0 to 1.
    seed : int
        Equal seeds give equal samples.

    Returns
    -------
    Sample
        Axes TYX, image uint16. A nucleus keeps its label over time; daughters get new ones.
        ``metadata["lineage"]`` maps the label of each daughter to that of its parent, which
        is last seen one frame before.

    Raises
    ------
    InputError
        If an argument is not valid or the nuclei do not fit.
    """
    check_shape(shape, "TYX")
    check_diameter(diameter)
    check_share("touching", touching)
    radius = diameter / 2
    plane = shape[1:]
    count = nuclei_count(n_nuclei, math.prod(plane), math.pi * radius**2, COVERAGE)
    rng = np.random.default_rng(seed)
    crowd = Crowd((1, *plane))
    crowd.fill(rng, count, lambda g: random_nucleus(g, radius), touching)
    divisions = _plan_divisions(rng, count, n_divisions, shape[0])
    frames, lineage = _simulate(rng, crowd.nuclei, divisions, shape, diameter)
    labels = np.concatenate([draw_labels(nuclei, (1, *plane)) for nuclei in frames])
    return Sample(
        image=_film(rng, frames, labels, diameter),
        labels=labels,
        axes="TYX",
        pixel_size={"Y": 10.0 / diameter, "X": 10.0 / diameter},
        name="time-lapse",
        metadata={"seed": seed, "diameter": diameter, "lineage": lineage},
    )


def _plan_divisions(
    rng: np.random.Generator, n_nuclei: int, n_divisions: int, n_frames: int
) -> dict[int, int]:
    """Choose the frame in which the daughters of a label appear, for `n_divisions` labels."""
    possible = n_nuclei if n_frames > FIRST_DIVISION else 0
    if not 0 <= n_divisions <= possible:
        raise InputError(
            f"The number of divisions is not valid: expected 0 to {possible} for {n_nuclei} "
            f"nuclei and {n_frames} frames, received {n_divisions}."
        )
    parents = 1 + rng.permutation(n_nuclei)[:n_divisions]
    times = rng.integers(FIRST_DIVISION, max(n_frames, FIRST_DIVISION + 1), n_divisions)
    return {int(label): int(time) for label, time in zip(parents, times, strict=True)}


def _simulate(
    rng: np.random.Generator,
    nuclei: list[Nucleus],
    divisions: dict[int, int],
    shape: tuple[int, int, int],
    diameter: float,
) -> tuple[list[dict[int, Nucleus]], dict[int, int]]:
    """Return the nuclei of each frame by label, and the parent of each daughter."""
    culture = Culture(nuclei, shape[1:], diameter)
    frames = []
    for frame in range(shape[0]):
        if frame > 0:
            culture.step(rng)
        for label in sorted(label for label, time in divisions.items() if time == frame):
            culture.divide(label, frame)
        culture.separate(frame, divisions)
        frames.append(culture.seen(frame, divisions))
    return frames, culture.lineage


def _film(
    rng: np.random.Generator,
    frames: list[dict[int, Nucleus]],
    labels: np.ndarray,
    diameter: float,
) -> np.ndarray:
    """Expose one image per frame (axes TYX); lamp and background stay, noise does not."""
    chromatin = Chromatin(rng)
    scene_seed = int(rng.integers(2**32))
    exposures = []
    for time, (nuclei, truth) in enumerate(zip(frames, labels, strict=True)):
        signal = paint(nuclei, truth[None], lambda region: glow(region, chromatin))[0]
        electrons = photograph(np.random.default_rng(scene_seed), signal, diameter)
        exposures.append(expose(rng, electrons * (1.0 - BLEACHING) ** time))
    return np.stack(exposures)
