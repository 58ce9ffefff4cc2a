"""Placing many nuclei with controlled contact."""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from napari_nucseg.errors import InputError
from napari_nucseg.sample_data._nucleus import Nucleus, contact

APART = 0.92
TOUCHING = (1.02, 1.12)
TRIES = 60

DrawNucleus = Callable[[np.random.Generator], Nucleus]


class Crowd:
    """Nuclei that may touch and never swallow each other.

    Parameters
    ----------
    shape : tuple of int
        Z, Y, X of the image; centres lie inside it.
    allowed : numpy.ndarray of bool, optional
        Axes YX; centres lie where it is true.
    """

    def __init__(
        self, shape: tuple[int, int, int], allowed: npt.NDArray[np.bool_] | None = None
    ) -> None:
        self.shape = shape
        self.allowed = allowed
        self.nuclei: list[Nucleus] = []

    def add(self, nucleus: Nucleus, touches: Nucleus | None = None) -> bool:
        """Add `nucleus` if there is room, and return whether there was.

        It has to keep away from all nuclei except `touches`, which it may overlap a little.
        """
        position = tuple(math.floor(c) for c in nucleus.centre)
        if not all(0 <= p < size for p, size in zip(position, self.shape, strict=True)):
            return False
        if self.allowed is not None and not self.allowed[position[1:]]:
            return False
        for other in self._neighbours(nucleus):
            limit = TOUCHING[1] if other is touches else APART
            if contact(nucleus, other) > limit + 1e-9:
                return False
        self.nuclei.append(nucleus)
        return True

    def _neighbours(self, nucleus: Nucleus) -> Iterable[Nucleus]:
        _, y, x = nucleus.centre
        for other in self.nuclei:
            far = nucleus.reach + other.reach
            # A margin, so that nuclei counted as "almost touching" are seen too.
            if math.hypot(other.centre[1] - y, other.centre[2] - x) < 1.2 * far:
                yield other

    def fill(
        self,
        rng: np.random.Generator,
        n_nuclei: int,
        draw: DrawNucleus,
        touching: float,
        align: Callable[[Nucleus], Nucleus] = lambda nucleus: nucleus,
    ) -> None:
        """Add `n_nuclei` from `draw`.

        The share `touching` of them is placed in contact with another; `align` may turn a
        nucleus once its place is known.

        Raises
        ------
        InputError
            If they do not fit.
        """
        for done in range(n_nuclei):
            if not any(self._try_one(rng, draw(rng), touching, align) for _ in range(TRIES)):
                raise InputError(
                    f"The nuclei do not fit into the sample: expected room for {n_nuclei}, found "
                    f"room for {done} in an image of shape {self.shape} (ZYX); use fewer or "
                    f"smaller nuclei, or a larger image."
                )

    def _try_one(
        self,
        rng: np.random.Generator,
        nucleus: Nucleus,
        touching: float,
        align: Callable[[Nucleus], Nucleus],
    ) -> bool:
        if self.nuclei and rng.random() < touching:
            other = self.nuclei[int(rng.integers(len(self.nuclei)))]
            return self.add(align(beside(rng, other, nucleus)), touches=other)
        z, y, x = (float(rng.uniform(0.0, size)) for size in self.shape)
        z = 0.0 if self.shape[0] == 1 else z
        return self.add(align(replace(nucleus, centre=(z, y, x))))


def beside(rng: np.random.Generator, other: Nucleus, nucleus: Nucleus) -> Nucleus:
    """Move `nucleus` to where it touches `other`, in a random direction of the plane."""
    direction = rng.uniform(0.0, 2 * math.pi)
    dy, dx = math.sin(direction), math.cos(direction)
    z, y, x = other.centre
    probe = replace(nucleus, centre=(z, y + dy, x + dx))
    # Levels are linear along a ray, so contact is inversely proportional to the distance.
    distance = contact(probe, other) / rng.uniform(*TOUCHING)
    return replace(nucleus, centre=(z, y + dy * distance, x + dx * distance))
