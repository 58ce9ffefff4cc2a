"""Moving the viewer to a part of a layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Layer


@dataclass(frozen=True)
class Extent:
    """Pixels of the screen that a part takes.

    Attributes
    ----------
    smallest, largest : float
        Below and above these, the zoom is set anew.
    good : float
        What it then takes.
    """

    smallest: float
    largest: float
    good: float


def camera_of(viewer: Any) -> Any:
    """Return the camera, which napari moved to the scene in 0.9."""
    return getattr(viewer, "scene", viewer).camera


def show_part(
    viewer: Any, layer: Layer, centre: Sequence[float], window: Sequence[slice], extent: Extent
) -> None:
    """Move slices and camera to a part of a layer.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    layer : Layer
    centre : sequence of float
        In pixels of the layer.
    window : sequence of slices
        One for each dimension of the layer.
    extent : Extent
    """
    world = np.array(layer.data_to_world(centre))
    first = viewer.dims.ndim - layer.ndim
    shown = list(viewer.dims.displayed)
    for axis in range(layer.ndim):
        if axis + first not in shown:
            viewer.dims.set_point(axis + first, world[axis])
    camera = camera_of(viewer)
    middle = np.zeros(3)
    inside = [axis - first for axis in shown]
    middle[3 - len(shown) :] = [world[axis] if axis >= 0 else 0 for axis in inside]
    camera.center = tuple(middle)
    low = layer.data_to_world([part.start - 0.5 for part in window])
    high = layer.data_to_world([part.stop - 0.5 for part in window])
    length = max(abs(high[axis] - low[axis]) for axis in inside if axis >= 0)
    if not extent.smallest <= length * camera.zoom <= extent.largest:
        camera.zoom = extent.good / length
