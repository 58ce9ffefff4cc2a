"""The frame around the nucleus that the list is at."""

import itertools
from typing import Any

import numpy as np
from napari.layers import Labels, Vectors

from napari_nucseg._types import AnyArray
from napari_nucseg.correction.doubt import Doubt
from napari_nucseg.widgets._camera import camera_of
from napari_nucseg.widgets._correction import geometry
from napari_nucseg.widgets._temporary import add_on_top, take_away_safely

NAME = "current nucleus"

WIDTH, GAP = 2.0, 6.0
"""Of the line, and between it and the nucleus, in pixels of the screen."""

MOST_PLANES = 100
"""Planes in which a nucleus is framed; one that lies in more is framed in the plane to look at."""


class NucleusFrame:
    """A vectors layer of its own that frames one nucleus, in all of its planes.

    Not shapes: saved with all layers and opened again, they would be offered as a reviewed region.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._vectors: Vectors | None = None
        self._place: dict[str, Any] = {}

    def show(self, labels: Labels, doubt: Doubt) -> None:
        """Frame a nucleus, and no other."""
        vectors = self._layer(labels)
        pixel = 1 / max(camera_of(self._viewer).zoom * np.abs(labels.scale[-2:]).mean(), 1e-9)
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
            vectors = Vectors(
                ndim=labels.ndim,
                name=NAME,
                edge_color="yellow",
                vector_style="line",
                opacity=1,
                **place,
            )
            add_on_top(self._viewer, vectors)
            self._vectors, self._place = vectors, place
        return vectors

    def close(self) -> None:
        """Remove the layer."""
        vectors, self._vectors = self._vectors, None
        if vectors is not None:
            take_away_safely(self._viewer, vectors)


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
