"""The frame around the nucleus that the list is at."""

import itertools
from typing import Any

import numpy as np
from napari.layers import Labels, Vectors

from napari_nucseg._types import AnyArray
from napari_nucseg.correction.doubt import Doubt
from napari_nucseg.widgets._camera import camera_of
from napari_nucseg.widgets._correction import geometry
from napari_nucseg.widgets._lines import WIDTH, Lines, screen_pixel

NAME, OPACITY = "current nucleus", 1.0

GAP = 6.0
"""Between the line and the nucleus, in pixels of the screen."""

MOST_PLANES = 100
"""Planes in which a nucleus is framed; one that lies in more is framed in the plane to look at."""


class NucleusFrame(Lines):
    """Frames one nucleus, in all of its planes.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__(viewer)
        self._place: dict[str, Any] = {}

    def show(self, labels: Labels, doubt: Doubt) -> None:
        """Frame a nucleus, and no other."""
        vectors = self._layer(labels)
        pixel = screen_pixel(labels, camera_of(self._viewer).zoom)
        corners = frames(doubt, labels.data.shape, GAP * pixel)
        sides = np.roll(corners, -1, axis=1) - corners
        vectors.data = np.stack([corners, sides], axis=2).reshape(-1, 2, labels.ndim)
        vectors.edge_width = WIDTH * pixel
        vectors.editable = False  # napari resets it with the data

    def _layer(self, labels: Labels) -> Vectors:
        """Return the layer, which may be hidden; a new one if it was removed or labels moved."""
        vectors, place = self._vectors, geometry(labels)
        if vectors is None or vectors not in self._viewer.layers or not _same(place, self._place):
            self.close()
            vectors, self._place = self._add(labels, NAME, OPACITY), place
        return vectors


def _same(place: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(np.array_equal(value, other[key]) for key, value in place.items())


def frames(doubt: Doubt, shape: tuple[int, ...], gap: float) -> AnyArray:
    """Return the corners of a rectangle in each plane of a nucleus, within the image.

    Parameters
    ----------
    doubt : Doubt
    shape : tuple of int
        Of the labels. Beyond their outermost pixels, a frame would change what napari's home
        button shows.
    gap : float
        Around the nucleus, in pixels.

    Returns
    -------
    array (planes, 4, dimensions)
    """
    *leading, rows, columns = doubt.window
    planes = list(itertools.product(*(range(part.start, part.stop) for part in leading)))
    if len(planes) > MOST_PLANES:
        planes = [tuple(round(index) for index in doubt.centre[:-2])]
    (top, bottom), (left, right) = (
        (max(part.start - 0.5 - gap, 0), min(part.stop - 0.5 + gap, length - 1))
        for part, length in zip((rows, columns), shape[-2:], strict=True)
    )
    corners = [(top, left), (top, right), (bottom, right), (bottom, left)]
    return np.array([[(*plane, *corner) for corner in corners] for plane in planes])
