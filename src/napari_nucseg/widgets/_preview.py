"""What is being drawn on the canvas, until the mouse button is let go."""

from typing import Any

import numpy as np
from napari.layers import Labels, Shapes

from napari_nucseg._types import AnyArray
from napari_nucseg.widgets._correction import geometry
from napari_nucseg.widgets._temporary import add_on_top, take_away

NAME = "drawing"
WIDTH = 2.0
"""Of the line, in pixels of the screen."""


class Preview:
    """A shapes layer that is there only while a drawing tool is on; it is never the active one.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._shapes: Shapes | None = None

    def open(self, layer: Labels) -> None:
        """Add the layer above the labels."""
        self.close()
        self._shapes = Shapes(ndim=layer.ndim, name=NAME, **geometry(layer))
        add_on_top(self._viewer, self._shapes)

    def close(self) -> None:
        """Remove the layer."""
        shapes, self._shapes = self._shapes, None
        if shapes is not None:
            take_away(self._viewer, shapes)

    def show(self, points: AnyArray, zoom: float) -> None:
        """Show a line through points (n, ndim) in pixels of the labels."""
        if self._shapes is None or len(points) < 2:
            return
        scale = float(np.abs(self._shapes.scale[-2:]).mean())
        self.clear()
        self._shapes.add_paths(
            [points], edge_width=WIDTH / max(zoom * scale, 1e-9), edge_color="yellow"
        )

    def clear(self) -> None:
        """Show nothing."""
        if self._shapes is not None and self._shapes.nshapes:
            self._shapes.data = []
