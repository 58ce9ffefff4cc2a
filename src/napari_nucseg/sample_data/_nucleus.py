"""The shape of one nucleus: an ellipse, or ellipsoid, with a smooth radial perturbation."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from napari_nucseg._types import FloatArray

HARMONICS = (2, 3, 4, 5)


class Local(NamedTuple):
    """Points seen from a nucleus; three arrays of one shape, in units of its radius."""

    along: FloatArray
    across: FloatArray
    depth: FloatArray


@dataclass(frozen=True)
class Nucleus:
    """One nucleus.

    Attributes
    ----------
    centre : tuple of float
        Z, Y, X in pixels; Z is 0 in a plane.
    radius : float
        Pixels; the widest cut has the area ``pi * radius**2``, whatever the outline.
    elongation : float
        Long axis by short axis.
    angle : float
        Radians from the X axis to the long axis, towards positive Y.
    amplitudes, phases : tuple of float
        Of the outline's harmonics 2, 3, 4, 5, relative to the radius.
    half_depth : float
        Half the extent along Z in planes; infinite in a plane.
    brightness : float
        Relative to the other nuclei.
    texture : tuple of float
        Where in the chromatin volume this nucleus lies.
    """

    centre: tuple[float, float, float]
    radius: float
    elongation: float = 1.0
    angle: float = 0.0
    amplitudes: tuple[float, ...] = (0.0,) * len(HARMONICS)
    phases: tuple[float, ...] = (0.0,) * len(HARMONICS)
    half_depth: float = math.inf
    brightness: float = 1.0
    texture: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def semi_axes(self) -> tuple[float, float]:
        """Long and short semi-axis in pixels, of the ellipse below the perturbation."""
        # The perturbed unit circle has the area pi * (1 + sum(a_k^2) / 2): divide by it.
        swell = 1.0 + 0.5 * sum(a * a for a in self.amplitudes)
        long = self.radius * math.sqrt(self.elongation / swell)
        return long, long / self.elongation

    @property
    def reach(self) -> float:
        """No point of the nucleus lies farther from its centre in the plane; pixels."""
        return self.semi_axes[0] * (1.0 + sum(abs(a) for a in self.amplitudes))

    def level(self, dz: FloatArray, dy: FloatArray, dx: FloatArray) -> FloatArray:
        """Return the level of points at an offset from the centre, in pixels.

        The level is 0 in the centre, 1 on the surface, and grows linearly along each ray.
        """
        long, short = self.semi_axes
        along = (math.cos(self.angle) * dx + math.sin(self.angle) * dy) / long
        across = (math.cos(self.angle) * dy - math.sin(self.angle) * dx) / short
        theta = np.arctan2(across, along)
        outline = np.ones_like(theta)
        for k, amplitude, phase in zip(HARMONICS, self.amplitudes, self.phases, strict=True):
            outline += amplitude * np.cos(k * theta + phase)
        level: FloatArray = np.hypot(np.hypot(along, across) / outline, dz / self.half_depth)
        return level

    def local(self, dz: FloatArray, dy: FloatArray, dx: FloatArray) -> Local:
        """Turn offsets from the centre, in pixels, into the nucleus's own frame."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return Local(
            (cos * dx + sin * dy) / self.radius,
            (cos * dy - sin * dx) / self.radius,
            dz / self.half_depth,
        )


def contact(a: Nucleus, b: Nucleus) -> float:
    """Return how close two nuclei are: below 1 apart, 1 touching, above 1 overlapping.

    It is the part of the line between the centres that lies in `a` plus the part in `b`.
    """
    dz, dy, dx = (np.array(q - p) for p, q in zip(a.centre, b.centre, strict=True))
    levels = float(a.level(dz, dy, dx)), float(b.level(-dz, -dy, -dx))
    return math.inf if min(levels) == 0 else 1.0 / levels[0] + 1.0 / levels[1]


def random_nucleus(
    rng: np.random.Generator,
    radius: float,
    *,
    elongation: tuple[float, float] = (1.05, 1.6),
    roughness: float = 0.07,
    half_depth: float = math.inf,
) -> Nucleus:
    """Draw a nucleus at the origin; sizes vary by 12 % and brightness by 30 %, some are dim."""
    size = radius * float(np.clip(rng.normal(1.0, 0.12), 0.7, 1.35))
    brightness = float(np.clip(np.exp(rng.normal(0.0, 0.3)), 0.45, 2.2))
    if rng.random() < 0.15:
        brightness *= 0.35
    decay = roughness / (np.array(HARMONICS) - 1.0)
    return Nucleus(
        centre=(0.0, 0.0, 0.0),
        radius=size,
        elongation=float(rng.uniform(*elongation)),
        angle=float(rng.uniform(0.0, math.pi)),
        amplitudes=tuple(np.clip(rng.normal(0.0, decay), -2 * decay, 2 * decay).tolist()),
        phases=tuple(rng.uniform(0.0, 2 * math.pi, len(HARMONICS)).tolist()),
        half_depth=half_depth * size / radius,
        brightness=brightness,
        texture=tuple(rng.uniform(0.0, 64.0, 3).tolist()),
    )
