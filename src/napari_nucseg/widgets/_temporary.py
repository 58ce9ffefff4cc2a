"""Layers that come and go with a tool, a run or a list: never the active one, never offered."""

from typing import Any

from napari.layers import Layer

TEMPORARY = "napari_nucseg_temporary"
"""Key in `layer.metadata` of these layers."""


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
