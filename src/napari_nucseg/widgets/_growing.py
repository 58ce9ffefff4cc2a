"""The labels of a run in blocks while they grow: a coarse layer in memory."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtCore import QObject, QTimer, Signal

from napari_nucseg._types import AnyArray, Window
from napari_nucseg.axes import plan_planes
from napari_nucseg.widgets._layers import expand, result_geometry
from napari_nucseg.widgets._temporary import add_on_top, take_away

PLANE_PIXELS, TOTAL_PIXELS = 4_000_000, 16_000_000
"""Of the coarse labels, at most: more than a screen shows, 64 MB at most."""

INTERVAL = 400
"""Milliseconds between two updates, at least."""


def coarseness(shape: Sequence[int]) -> int:
    """Return the step, in pixels of the image (..., Y, X), at which the coarse labels see it."""
    plane, total = math.prod(shape[-2:]), math.prod(shape)
    step = math.ceil(math.sqrt(max(plane / PLANE_PIXELS, total / TOTAL_PIXELS, 1)))
    return min(step, *shape[-2:])


def take_coarse(labels: AnyArray, window: Window, step: int) -> tuple[Window, AnyArray]:
    """Return what coarse labels see of a block, and where in them.

    A coarse pixel is the image's pixel in the middle of a square of `step` by `step`.

    Parameters
    ----------
    labels : array (Y, X)
    window : tuple of slice
        Rows and columns of the block.
    step : int
    """
    first = [-(-(side.start - step // 2) // step) for side in window]
    offset = [n * step + step // 2 - side.start for n, side in zip(first, window, strict=True)]
    seen = labels[offset[0] :: step, offset[1] :: step]
    rows, columns = (slice(n, n + length) for n, length in zip(first, seen.shape, strict=True))
    return (rows, columns), seen


class _Relay(QObject):
    """Carries blocks from the thread to the main thread."""

    found = Signal(object, object, object)


class GrowingLabels:
    """A layer that shows the blocks found so far; it is never the active one.

    Made and closed in the main thread.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    source : Image
    axes : str
        Of the source.
    shape : tuple of int
        Of the source's data.
    """

    def __init__(self, viewer: Any, source: Image, axes: str, shape: tuple[int, ...]) -> None:
        planes = plan_planes(shape, axes)
        self._viewer = viewer
        self._step = step = coarseness(planes.output_shape)
        *stack, height, width = planes.output_shape
        sides = [len(range(step // 2, length, step)) for length in (height, width)]
        self._canvas = np.zeros((*stack, *sides), np.uint32)
        place = result_geometry(source, axes, {"Y": step // 2, "X": step // 2})
        place["scale"][-2:] *= step
        self.layer = Labels(
            expand(self._canvas, planes.output_axes, axes),  # a view
            name=f"{source.name} nuclei (growing)",
            **place,
        )
        self.layer.editable = False
        self._relay = _Relay()
        self._relay.found.connect(self._paste)
        self._timer = QTimer(self._relay)
        self._timer.setSingleShot(True)
        self._timer.setInterval(INTERVAL)
        self._timer.timeout.connect(self.layer.refresh)

    def open(self) -> None:
        """Add the layer on top; the selection stays as it is."""
        add_on_top(self._viewer, self.layer)

    def show(self, plane: tuple[int, ...], window: Window, labels: AnyArray) -> None:
        """Show a block, see `segment_large`; called in a thread."""
        part, seen = take_coarse(labels, window, self._step)
        self._relay.found.emit(plane, part, seen.copy())  # the block itself need not be kept

    def close(self) -> int:
        """Remove the layer; return its place in the layer list, or the top."""
        self._relay.found.disconnect(self._paste)
        self._timer.stop()
        layers = self._viewer.layers
        if self.layer not in layers:
            return len(layers)
        place = int(layers.index(self.layer))
        take_away(self._viewer, self.layer)
        return place

    def _paste(self, plane: tuple[int, ...], part: Window, seen: AnyArray) -> None:
        self._canvas[plane][part] = seen
        if not self._timer.isActive():
            self._timer.start()
