"""Yellow lines on labels, in a layer that comes and goes."""

from typing import Any

import numpy as np
from napari.layers import Labels, Vectors

from napari_nucseg.widgets._correction import geometry
from napari_nucseg.widgets._temporary import add_on_top, take_away_safely

WIDTH = 2.0
"""Of a line, in pixels of the screen."""


class Lines:
    """A vectors layer of its own, which is never the active one.

    Not shapes: saved with all layers and opened again, they would be offered as a reviewed region.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._vectors: Vectors | None = None

    def _add(self, labels: Labels, name: str, opacity: float) -> Vectors:
        """Add the layer above the labels."""
        self._vectors = Vectors(
            ndim=labels.ndim,
            name=name,
            edge_color="yellow",
            vector_style="line",
            opacity=opacity,
            **geometry(labels),
        )
        add_on_top(self._viewer, self._vectors)
        return self._vectors

    def close(self) -> None:
        """Remove the layer."""
        vectors, self._vectors = self._vectors, None
        if vectors is not None:
            take_away_safely(self._viewer, vectors)


def screen_pixel(labels: Labels, zoom: float) -> float:
    """Return the size of a pixel of the screen, in pixels of the labels."""
    return float(1 / max(zoom * np.abs(labels.scale[-2:]).mean(), 1e-9))
