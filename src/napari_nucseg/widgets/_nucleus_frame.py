"""The frame around the nucleus that the list is at."""

import itertools
from functools import partial
from typing import Any

import numpy as np
from napari.layers import Labels, Shapes
from qtpy.QtCore import QTimer

from napari_nucseg._types import AnyArray
from napari_nucseg.correction.doubt import Doubt
from napari_nucseg.widgets._camera import camera_of
from napari_nucseg.widgets._correction import geometry
from napari_nucseg.widgets._temporary import add_on_top, take_away

NAME = "current nucleus"

WIDTH, GAP = 2.0, 6.0
"""Of the line, and between it and the nucleus, in pixels of the screen."""

MOST_PLANES = 100
"""Planes in which a nucleus is framed; one that lies in more is framed in the plane to look at."""


class NucleusFrame:
    """A shapes layer of its own that frames one nucleus, in all of its planes.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._shapes: Shapes | None = None
        self._place: dict[str, Any] = {}

    def show(self, labels: Labels, doubt: Doubt) -> None:
        """Frame a nucleus, and no other."""
        shapes = self._layer(labels)
        pixel = 1 / max(camera_of(self._viewer).zoom * np.abs(labels.scale[-2:]).mean(), 1e-9)
        shapes.data = []
        shapes.add_rectangles(
            frames(doubt, labels.data.shape, GAP * pixel),
            edge_width=WIDTH * pixel,
            edge_color="yellow",
            face_color="transparent",
        )
        shapes.editable = False  # napari resets it with the data

    def _layer(self, labels: Labels) -> Shapes:
        """Return the layer, which may be hidden; a new one if it was removed or labels moved."""
        shapes, place = self._shapes, geometry(labels)
        if shapes is None or shapes not in self._viewer.layers or not _same(place, self._place):
            self.close()
            shapes = Shapes(ndim=labels.ndim, name=NAME, opacity=1, **place)
            add_on_top(self._viewer, shapes)
            self._shapes, self._place = shapes, place
        return shapes

    def close(self) -> None:
        """Remove the layer; if it is selected, only after what is going on now.

        napari may be about to remove it, with the labels that were selected, too.
        """
        shapes, self._shapes = self._shapes, None
        if shapes is None:
            return
        if shapes in self._viewer.layers.selection:
            QTimer.singleShot(0, partial(take_away, self._viewer, shapes))
        else:
            take_away(self._viewer, shapes)


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
