"""Layers that come and go with a tool, a run or a list: never the active one, never offered."""

from functools import partial
from typing import Any

from napari.layers import Labels, Layer
from qtpy.QtCore import QTimer

TEMPORARY = "napari_nucseg_temporary"
"""Key in `layer.metadata` of these layers."""

DRAWN_MS = 500
"""Until the canvas was surely drawn again."""


def is_temporary(layer: Layer) -> bool:
    """Tell whether a layer is none of the user's."""
    return TEMPORARY in layer.metadata


def add_on_top(viewer: Any, layer: Layer) -> None:
    """Add a layer; what is selected stays so."""
    layer.metadata[TEMPORARY] = True
    layers = viewer.layers
    selected, active = set(layers.selection), layers.selection.active
    layers.append(layer)
    layers.selection = selected
    layers.selection.active = active


def take_away(viewer: Any, layer: Layer) -> None:
    """Remove a layer unless the user did; what else is selected stays so."""
    layers = viewer.layers
    if layer in layers:
        selected = set(layers.selection) - {layer}
        layers.remove(layer)
        layers.selection = selected


def take_away_safely(viewer: Any, layer: Layer) -> None:
    """Remove a layer that may go together with the labels: a little later, if it does.

    If it is selected, napari may be about to remove it, too. And if the canvas is not drawn between
    the removal of labels and of other layers, napari 0.9 with the software OpenGL of Mesa ends in a
    segmentation fault as soon as labels are added again.
    """
    left = any(isinstance(one, Labels) and not is_temporary(one) for one in viewer.layers)
    if left and layer not in viewer.layers.selection:
        take_away(viewer, layer)
    else:
        QTimer.singleShot(DRAWN_MS, partial(take_away, viewer, layer))
