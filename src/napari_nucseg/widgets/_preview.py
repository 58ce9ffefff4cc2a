"""What is being drawn on the canvas, until the mouse button is let go."""

from typing import Any

import numpy as np
from napari.layers import Labels, Shapes

from napari_nucseg._types import AnyArray
from napari_nucseg.widgets._correction import geometry
from napari_nucseg.widgets._layers import TEMPORARY

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
        self.changing_layers = False

    def open(self, layer: Labels) -> None:
        """Add the layer above the labels."""
        self.close()
        shapes = Shapes(ndim=layer.ndim, name=NAME, metadata={TEMPORARY: True}, **geometry(layer))
        selected = set(self._viewer.layers.selection)
        self.changing_layers = True
        try:
            self._viewer.layers.append(shapes)
            self._viewer.layers.selection = selected
            self._viewer.layers.selection.active = layer
        finally:
            self.changing_layers = False
        self._shapes = shapes

    def close(self) -> None:
        """Remove the layer."""
        shapes, self._shapes = self._shapes, None
        if shapes is not None and shapes in self._viewer.layers:
            selected = set(self._viewer.layers.selection) - {shapes}
            self.changing_layers = True
            try:
                self._viewer.layers.remove(shapes)
                self._viewer.layers.selection = selected
            finally:
                self.changing_layers = False

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
