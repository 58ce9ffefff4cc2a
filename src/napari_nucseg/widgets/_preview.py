"""What is being drawn on the canvas, until the mouse button is let go."""

from typing import Any

import numpy as np
from napari.layers import Labels, Vectors

from napari_nucseg._types import AnyArray
from napari_nucseg.widgets._correction import geometry
from napari_nucseg.widgets._temporary import add_on_top, take_away_safely

NAME = "drawing"
WIDTH = 2.0
"""Of the line, in pixels of the screen."""


class Preview:
    """A vectors layer that is there only while a line is drawn; it is never the active one.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._vectors: Vectors | None = None

    def show(self, labels: Labels, points: AnyArray, zoom: float) -> None:
        """Show a line through points (n, ndim), two or more, in pixels of the labels."""
        if self._vectors is None:
            self._vectors = Vectors(
                ndim=labels.ndim,
                name=NAME,
                edge_color="yellow",
                vector_style="line",
                **geometry(labels),
            )
            add_on_top(self._viewer, self._vectors)
        scale = float(np.abs(labels.scale[-2:]).mean())
        self._vectors.data = np.stack([points[:-1], np.diff(points, axis=0)], axis=1)
        self._vectors.edge_width = WIDTH / max(zoom * scale, 1e-9)

    def close(self) -> None:
        """Remove the line."""
        vectors, self._vectors = self._vectors, None
        if vectors is not None:
            take_away_safely(self._viewer, vectors)
