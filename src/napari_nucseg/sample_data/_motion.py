"""Nuclei that wander, keep apart and divide; everything a movie shows, before it is drawn."""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from napari_nucseg.sample_data._nucleus import Nucleus, contact

PERSISTENCE = 0.7
STEP = 0.06
"""Random step per frame, in diameters."""

TURN = 0.06
"""Random turn per frame, in radians."""

CLOSEST = 1.05
"""Contact up to which nuclei may press against each other."""

FRAMES_TO_RELAX = 3
"""Frames that a daughter takes to look like any other nucleus."""


@dataclass
class Cell:
    """A nucleus that changes over time.

    Attributes
    ----------
    rest : Nucleus
        Its position, and the shape it has or grows into.
    velocity : numpy.ndarray
        Y, X in pixels per frame.
    born : int or None
        Frame of the division it came from.
    """

    rest: Nucleus
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))
    born: int | None = None

    def seen(self, frame: int, divides: int | None) -> Nucleus:
        """Return the nucleus as it looks in `frame`; `divides` is the frame of its division."""
        if divides is not None and frame == divides - 1:
            return _condensed(self.rest, progress=1.0)
        if self.born is not None and frame - self.born < FRAMES_TO_RELAX:
            return _young(self.rest, (frame - self.born) / FRAMES_TO_RELAX)
        return self.rest


def _condensed(nucleus: Nucleus, progress: float) -> Nucleus:
    """Return a metaphase plate: small, bright, narrow."""
    return replace(
        nucleus,
        radius=nucleus.radius * (1.0 - 0.25 * progress),
        elongation=nucleus.elongation + (2.2 - nucleus.elongation) * progress,
        brightness=nucleus.brightness * (1.0 + 0.8 * progress),
    )


def _young(nucleus: Nucleus, age: float) -> Nucleus:
    """Return a daughter of `age` 0 (just divided: small, narrow, bright) to 1 (grown)."""
    return replace(
        nucleus,
        radius=nucleus.radius * (0.75 + 0.25 * age),
        elongation=1.7 + (nucleus.elongation - 1.7) * age,
        brightness=nucleus.brightness * (1.6 - 0.6 * age),
    )


class Culture:
    """Cells by label, moved frame by frame.

    Attributes
    ----------
    cells : dict of int to Cell
        The cells alive, by label.
    lineage : dict of int to int
        Parent of each daughter, by label.
    """

    def __init__(self, nuclei: list[Nucleus], shape: tuple[int, int], diameter: float) -> None:
        self.cells = {label: Cell(nucleus) for label, nucleus in enumerate(nuclei, start=1)}
        self.lineage: dict[int, int] = {}
        self.shape = shape
        self.diameter = diameter
        self._next_label = len(nuclei) + 1

    def seen(self, frame: int, divisions: dict[int, int]) -> dict[int, Nucleus]:
        """Return the nuclei of `frame` by label; `divisions` maps labels to frames."""
        return {label: cell.seen(frame, divisions.get(label)) for label, cell in self.cells.items()}

    def step(self, rng: np.random.Generator) -> None:
        """Move every cell by one frame."""
        for cell in self.cells.values():
            kick = rng.normal(0.0, STEP * self.diameter, 2)
            cell.velocity = PERSISTENCE * cell.velocity + kick
            turned = replace(cell.rest, angle=cell.rest.angle + float(rng.normal(0.0, TURN)))
            cell.rest = self._shift(turned, cell.velocity)

    def divide(self, label: int, frame: int) -> None:
        """Replace a cell by two daughters with new labels, beside its metaphase plate."""
        parent = self.cells.pop(label)
        across = parent.rest.angle + math.pi / 2
        direction = np.array([math.sin(across), math.cos(across)])
        z, y, x = parent.rest.texture
        for sign in (-1, 1):
            rest = self._shift(
                replace(
                    parent.rest,
                    radius=0.82 * parent.rest.radius,
                    texture=(z + 20.0 * sign, y, x),
                    phases=tuple(p + sign for p in parent.rest.phases),
                ),
                sign * 0.62 * parent.rest.radius * direction,
            )
            velocity = sign * 0.12 * self.diameter * direction
            self.cells[self._next_label] = Cell(rest, velocity, born=frame)
            self.lineage[self._next_label] = label
            self._next_label += 1

    def separate(self, frame: int, divisions: dict[int, int]) -> None:
        """Push overlapping nuclei apart until they only touch."""
        for _ in range(30):
            if not self._push_all(self.seen(frame, divisions)):
                return

    def _push_all(self, nuclei: dict[int, Nucleus]) -> bool:
        pushed = False
        labels = sorted(nuclei)
        for i, a in enumerate(labels):
            for b in labels[i + 1 :]:
                gap = np.subtract(nuclei[b].centre, nuclei[a].centre)[1:]
                distance = float(np.hypot(*gap))
                if distance > nuclei[a].reach + nuclei[b].reach:
                    continue
                excess = contact(nuclei[a], nuclei[b]) - CLOSEST
                if excess > 0:
                    push = 0.5 * min(excess, 0.5) * gap
                    self.cells[a].rest = self._shift(self.cells[a].rest, -push)
                    self.cells[b].rest = self._shift(self.cells[b].rest, push)
                    pushed = True
        return pushed

    def _shift(self, nucleus: Nucleus, shift: np.ndarray) -> Nucleus:
        """Move a nucleus (Y, X), but not out of the image."""
        margin = np.minimum(0.3 * self.diameter, 0.4 * np.array(self.shape))
        position = np.add(nucleus.centre[1:], shift)
        y, x = np.clip(position, margin, np.subtract(self.shape, margin) - 1.0)
        return replace(nucleus, centre=(0.0, float(y), float(x)))
