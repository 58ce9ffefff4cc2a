"""The tissue around the nuclei of a histology section: fibres, glands with a lumen, eosin."""

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_nucseg._opencv import cv2
from napari_nucseg.sample_data._microscope import Float32Array, smooth_field
from napari_nucseg.sample_data._nucleus import Nucleus, random_nucleus


@dataclass(frozen=True, eq=False)
class Tissue:
    """A section without its nuclei; all arrays of axes YX.

    Attributes
    ----------
    eosin : numpy.ndarray
        Optical density of eosin, 0 in a lumen.
    haze : numpy.ndarray
        Optical density of haematoxylin outside nuclei.
    angle : numpy.ndarray
        Direction of the fibres, radians from X towards positive Y.
    solid : numpy.ndarray of bool
        False in and near a lumen and in clefts between fibres.
    lumens : tuple of Nucleus
        Outlines of the lumens.
    """

    eosin: Float32Array
    haze: Float32Array
    angle: Float32Array
    solid: npt.NDArray[np.bool_]
    lumens: tuple[Nucleus, ...]


def grow_tissue(rng: np.random.Generator, shape: tuple[int, int], diameter: float) -> Tissue:
    """Generate tissue of `shape` (Y, X), scaled to nuclei of `diameter` pixels."""
    fibres, angle = _fibres(rng, shape, diameter)
    lumens = _lumens(rng, shape, diameter)
    from_lumen = _distance_from(lumens, shape)
    # A gland is a ring of grainy cytoplasm about two nuclei wide around its lumen.
    gland = _fall(from_lumen - 2.0 * diameter, 0.2 * diameter)
    opening = _fall(from_lumen, 1.0)
    grain = _grain(rng, shape)
    patches = smooth_field(rng, shape, 5.0 * diameter)
    clefts = np.clip((0.17 - fibres) / 0.12, 0.0, 1.0) * (1.0 - gland)
    stroma = (0.22 + 0.26 * fibres + 0.16 * patches) * (1.0 - 0.8 * clefts)
    cytoplasm = 0.32 + 0.1 * patches + 0.05 * grain
    eosin = (stroma + 0.03 * grain) * (1.0 - gland) + cytoplasm * gland
    haze = 0.05 + 0.09 * gland + 0.05 * patches
    inside = 1.0 - 0.97 * opening
    solid = (from_lumen > 0.5 * diameter) & (clefts < 0.3)
    return Tissue(eosin * inside, haze * inside * (1.0 - 0.8 * clefts), angle, solid, lumens)


def _fall(distance: Float32Array, width: float) -> Float32Array:
    """Return a smooth step from 1 at negative to 0 at positive distances."""
    step: Float32Array = 1.0 / (1.0 + np.exp(np.clip(distance / width, -30.0, 30.0)))
    return step


def _grain(rng: np.random.Generator, shape: tuple[int, int]) -> Float32Array:
    noise = cv2.GaussianBlur(rng.standard_normal(shape, dtype=np.float32), (0, 0), 1.6)
    return np.asarray(noise / noise.std(), np.float32)


def _fibres(
    rng: np.random.Generator, shape: tuple[int, int], diameter: float
) -> tuple[Float32Array, Float32Array]:
    """Return wavy fibres (values 0 to 1) and their direction, both of axes YX."""
    tilt = rng.uniform(0.0, math.pi)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    wave = 3.0 * diameter * smooth_field(rng, shape, 8.0 * diameter)
    wave += 0.35 * diameter * smooth_field(rng, shape, 1.5 * diameter)
    along = math.cos(tilt) * x + math.sin(tilt) * y
    across = math.cos(tilt) * y - math.sin(tilt) * x + wave
    size = 1024
    texture = np.zeros((size, size), np.float32)
    for thickness, weight in ((0.06, 0.8), (0.15, 1.0), (0.35, 0.8)):
        noise = rng.standard_normal((size, size), dtype=np.float32)
        sigma = (thickness * diameter, 14 * thickness * diameter)
        layer = ndimage.gaussian_filter(noise, sigma, mode="wrap", truncate=2.5)
        texture += weight * layer / layer.std()
    points = (np.mod(along, size), np.mod(across, size))
    fibres = np.asarray(cv2.remap(texture, *points, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP))
    slope_y, slope_x = np.gradient(across)
    # Fibres run along lines of equal `across`, at right angles to its gradient.
    angle = np.arctan2(slope_y, slope_x) + math.pi / 2
    return np.clip(0.5 + 0.22 * fibres, 0.0, 1.0).astype(np.float32), angle


def _lumens(
    rng: np.random.Generator, shape: tuple[int, int], diameter: float
) -> tuple[Nucleus, ...]:
    """Return one lumen per area of about 18 x 18 nuclei, away from each other."""
    wanted = round(math.prod(shape) / (18 * diameter) ** 2)
    lumens: list[Nucleus] = []
    for _ in range(20 * wanted):
        if len(lumens) == wanted:
            break
        radius = diameter * float(rng.uniform(1.2, 2.4))
        y, x = (float(rng.uniform(0.1, 0.9)) * size for size in shape)
        outline = random_nucleus(rng, radius, elongation=(1.1, 2.0), roughness=0.12)
        lumen = replace(outline, centre=(0.0, y, x))
        gap = 5.0 * diameter
        if all(
            math.hypot(y - o.centre[1], x - o.centre[2]) > lumen.reach + o.reach + gap
            for o in lumens
        ):
            lumens.append(lumen)
    return tuple(lumens)


def _distance_from(lumens: tuple[Nucleus, ...], shape: tuple[int, int]) -> Float32Array:
    """Return about how far pixels (axes YX) lie outside the nearest lumen; negative inside."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    nearest = np.full(shape, float(sum(shape)), np.float32)
    for lumen in lumens:
        dy, dx = np.broadcast_arrays(y - lumen.centre[1], x - lumen.centre[2])
        level = lumen.level(np.zeros(shape), dy, dx)
        ray = np.hypot(dy, dx)
        away = np.where(level > 0, ray - ray / np.maximum(level, 1e-6), -lumen.reach)
        nearest = np.minimum(nearest, away.astype(np.float32))
    return nearest
