"""The part of an image from which its intensities are measured."""

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_nucseg._types import AnyArray, CancelCheck, Window
from napari_nucseg.axes import Planes
from napari_nucseg.cancelling import check_cancelled
from napari_nucseg.errors import ReadError
from napari_nucseg.preprocessing.normalize import contrast

MAX_PLANES = 32
"""Planes from which the intensities of a stack are measured, evenly spread."""

MAX_PIXELS = 64_000_000
"""Pixels held at once; larger stacks are thinned, of larger planes only windows are read."""

WINDOW, MAX_WINDOWS = 256, 256
"""Height and width of these windows, and how many there are in all planes together.

At the image's full resolution: a level of a pyramid has other intensities, as nuclei, which are
small and bright, fade away in the means.
"""

CUTOUT = 4096
"""Height and width of the part of a huge plane that the diameter is estimated from."""


@dataclass(frozen=True)
class Samples:
    """Pixels that stand for the whole image.

    Attributes
    ----------
    pixels : list of array (Y, X, chosen channels)
    places : list of (index of the plane, window)
        For each of `pixels`, what to look at more closely if it has the most contrast.
    """

    pixels: list[AnyArray]
    places: list[tuple[tuple[int, ...], Window]]

    def read_busiest(self, image: Any, planes: Planes) -> AnyArray:
        """Read the place with the most contrast, (Y, X, all channels): a plane or a part of it.

        Raises
        ------
        ReadError
            None of the places can be read.
        """
        order = np.argsort([-contrast(sample) for sample in self.pixels], kind="stable")
        damage = None
        for i in order:
            try:
                return planes.read(image, *self.places[i])
            except ReadError as error:  # what surrounds a window may be damaged
                damage = error
        raise damage or ReadError("The image has no pixels.")


def take_samples(
    image: Any, planes: Planes, channels: tuple[int, ...], cancelled: CancelCheck | None
) -> Samples:
    """Read evenly spread planes; of huge and of damaged ones, evenly spread windows.

    Parameters
    ----------
    image : array
        Reading it may be slow.
    planes : Planes
    channels : tuple of int
        Those that are used.
    cancelled : callable, optional
        Asked before every plane or window.

    Raises
    ------
    ReadError
        Nothing of the image can be read.
    Cancelled
    """
    indices = list(planes.iterate())
    count = min(len(indices), MAX_PLANES)
    chosen = [indices[round(i)] for i in np.linspace(0, len(indices) - 1, count)]
    shape = planes.output_shape[-2:]
    huge = math.prod(shape) * planes.n_channels > MAX_PIXELS
    step = 1 if huge else math.ceil(math.sqrt(count * math.prod(shape) / MAX_PIXELS))
    windows = _spread_windows(shape, max(1, MAX_WINDOWS // count))
    samples, damage = Samples([], []), None

    def look(index: tuple[int, ...], window: Window, place: Window) -> None:
        check_cancelled(cancelled)
        seen = planes.read(image, index, window)[::step, ::step]
        samples.pixels.append(seen[..., list(channels)])
        samples.places.append((index, place))

    for index in chosen:
        if not huge:
            whole = (slice(0, shape[0]), slice(0, shape[1]))
            try:
                look(index, whole, whole)
                continue
            except ReadError as error:  # most of it may be sound
                damage = error
        for window in windows:
            try:
                look(index, window, _cutout(window, shape))
            except ReadError as error:
                damage = error
    if damage is not None and not samples.pixels:
        raise damage
    return samples


def _spread_windows(shape: tuple[int, ...], count: int) -> list[Window]:
    """Return about `count` windows of one size, evenly spread over a plane."""
    rows = max(1, min(shape[0] // WINDOW, round(math.sqrt(count * shape[0] / shape[1]))))
    columns = max(1, min(shape[1] // WINDOW, count // rows))
    starts = [
        [round((i + 0.5) * length / n - WINDOW / 2) for i in range(n)]
        for length, n in zip(shape, (rows, columns), strict=True)
    ]
    return [_window((y, x), WINDOW, shape) for y, x in itertools.product(*starts)]


def _cutout(window: Window, shape: tuple[int, ...]) -> Window:
    """Return a part of the plane around a window."""
    margin = (CUTOUT - WINDOW) // 2
    return _window((window[0].start - margin, window[1].start - margin), CUTOUT, shape)


def _window(start: tuple[int, int], size: int, shape: tuple[int, ...]) -> Window:
    """Return a window of a size, moved into the plane if it reaches beyond."""
    firsts = [max(0, min(s, length - size)) for s, length in zip(start, shape, strict=True)]
    rows, columns = (
        slice(first, min(first + size, length)) for first, length in zip(firsts, shape, strict=True)
    )
    return rows, columns
