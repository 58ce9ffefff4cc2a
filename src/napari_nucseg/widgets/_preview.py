"""What is being drawn on the canvas, until the mouse button is let go."""

import numpy as np
from napari.layers import Labels

from napari_nucseg._types import AnyArray
from napari_nucseg.widgets._lines import WIDTH, Lines, screen_pixel

NAME, OPACITY = "drawing", 0.7


class Preview(Lines):
    """A line that is there only while it is drawn."""

    def show(self, labels: Labels, points: AnyArray, zoom: float) -> None:
        """Show a line through points (n, ndim), two or more, in pixels of the labels."""
        vectors = self._vectors or self._add(labels, NAME, OPACITY)
        vectors.data = np.stack([points[:-1], np.diff(points, axis=0)], axis=1)
        vectors.edge_width = WIDTH * screen_pixel(labels, zoom)
