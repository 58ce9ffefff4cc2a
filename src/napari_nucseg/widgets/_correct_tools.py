"""Tools that act on the canvas: clicking nuclei, drawing lines and outlines."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Labels

from napari_nucseg._types import AnyArray
from napari_nucseg.correction.planes import Plane
from napari_nucseg.widgets import _correct_messages as messages
from napari_nucseg.widgets._camera import camera_of
from napari_nucseg.widgets._preview import Preview

CLICK = 5.0
"""Pixels of the screen that the mouse may move in a click; more is panning."""


@dataclass(frozen=True)
class Tool:
    """A way to correct with the mouse.

    Attributes
    ----------
    name : str
    title, key, hint : str
        As they are shown.
    draws : bool
        Whether it is dragged, else clicked.
    """

    name: str
    title: str
    key: str
    hint: str
    draws: bool = False


TOOLS = (
    Tool(
        "split",
        "Split",
        "S",
        "Drag a line across a nucleus, from outside to outside. Cuts it in this plane.",
        draws=True,
    ),
    Tool("merge", "Merge", "J", "Click two nuclei: they become one, in all planes."),
    Tool("delete", "Delete", "D", "Click a nucleus to delete it in all planes."),
    Tool(
        "outline",
        "Redraw",
        "O",
        "Draw around a nucleus: in this plane it becomes exactly what you draw.",
        draws=True,
    ),
    Tool("fill", "Fill holes", "H", "Click a nucleus: holes in it are filled in this plane."),
    Tool(
        "separate",
        "Separate",
        "U",
        "Click a nucleus that lies in several places: each place gets an id of its own.",
    ),
)


class CanvasTool:
    """The tool that is on, if any.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    drawn : callable
        ``drawn(tool, points, plane)`` with points (n, 2) in the plane, in pixels of the labels.
    clicked : callable
        ``clicked(tool, nucleus)``; the nucleus is 0 beside all nuclei.
    refused : callable
        Gets a sentence why nothing can be done here.
    changed : callable
        Called when the tool that is on changed.
    """

    def __init__(
        self,
        viewer: Any,
        drawn: Callable[[Tool, AnyArray, Plane], None],
        clicked: Callable[[Tool, int], None],
        refused: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        self._viewer = viewer
        self._drawn, self._clicked = drawn, clicked
        self._refused, self._changed = refused, changed
        self._layer: Labels | None = None
        self._preview = Preview(viewer)
        self._own_change = False
        self.tool: Tool | None = None
        viewer.layers.selection.events.active.connect(self._active_changed)
        viewer.dims.events.ndisplay.connect(self._view_changed)

    def start(self, tool: Tool, layer: Labels) -> None:
        """Turn a tool on for a layer, which becomes the active one; any other is turned off.

        A tool that draws is refused in the 3D view.
        """
        if self._needs_2d(tool):
            self.stop()
            self._refused(messages.ONLY_2D)
            return
        self._end()
        with self.staying_on():
            self._viewer.layers.selection.active = layer
            layer.mode = "pan_zoom"
            layer.mouse_pan = layer.mouse_pan and not tool.draws
            layer.cursor = "crosshair" if tool.draws else "pointing"
        layer.mouse_drag_callbacks.append(self._drag)
        layer.events.mode.connect(self._mode_changed)
        self.tool, self._layer = tool, layer
        self._changed()

    @contextmanager
    def staying_on(self) -> Iterator[None]:
        """Leave the tool on while a layer that is not the user's comes or goes."""
        self._own_change = True
        try:
            yield
        finally:
            self._own_change = False

    def stop(self) -> None:
        """Turn the tool off."""
        if self.tool is not None:
            self._end()
            self._changed()

    def close(self) -> None:
        """Turn the tool off and listen no more."""
        self.stop()
        self._viewer.layers.selection.events.active.disconnect(self._active_changed)
        self._viewer.dims.events.ndisplay.disconnect(self._view_changed)

    def _end(self) -> None:
        layer, self._layer = self._layer, None
        tool, self.tool = self.tool, None
        if layer is None or tool is None:
            return
        layer.events.mode.disconnect(self._mode_changed)
        layer.mouse_drag_callbacks.remove(self._drag)
        self._preview.close()
        if layer.mode == "pan_zoom":
            layer.mouse_pan = True
            layer.cursor = "standard"

    def _active_changed(self, event: Any) -> None:
        own = self._own_change or event.value is self._layer
        if self._layer is not None and not own:
            self.stop()

    def _needs_2d(self, tool: Tool) -> bool:
        return tool.draws and self._viewer.dims.ndisplay != 2

    def _view_changed(self, _event: Any = None) -> None:
        if self.tool is not None and self._needs_2d(self.tool):
            self.stop()
            self._refused(messages.ONLY_2D)

    def _mode_changed(self, _event: Any = None) -> None:
        self.stop()  # the user took one of napari's own tools

    def _drag(self, layer: Labels, event: Any) -> Iterator[None]:
        """Follow the mouse from press to release, as napari calls it."""
        tool = self.tool
        if tool is None or event.button != 1 or tuple(event.modifiers):
            return
        if tool.draws:
            yield from self._draw(tool, layer, event)
        else:
            yield from self._click(tool, layer, event)

    def _click(self, tool: Tool, layer: Labels, event: Any) -> Iterator[None]:
        start = np.array(event.pos)
        yield
        while event.type == "mouse_move":
            yield
        if np.abs(np.array(event.pos) - start).max() > CLICK:
            return
        value = layer.get_value(
            event.position,
            view_direction=event.view_direction,
            dims_displayed=list(event.dims_displayed),
            world=True,
        )
        self._clicked(tool, int(value or 0))

    def _draw(self, tool: Tool, layer: Labels, event: Any) -> Iterator[None]:
        first = self._viewer.dims.ndim - layer.ndim
        shown = sorted(axis - first for axis in event.dims_displayed)
        if len(shown) != 2 or shown[0] < 0:
            self._refused(messages.ONLY_2D)
            return
        points = [layer.world_to_data(event.position)]
        place = np.rint(points[0]).astype(int)
        hidden = [axis for axis in range(layer.ndim) if axis not in shown]
        if any(not 0 <= place[axis] < layer.data.shape[axis] for axis in hidden):
            self._refused(messages.OTHER_PLANE)
            return
        zoom = camera_of(self._viewer).zoom
        yield
        while event.type == "mouse_move":
            points.append(layer.world_to_data(event.position))
            with self.staying_on():
                self._preview.show(layer, np.array(points), zoom)
            yield
        points.append(layer.world_to_data(event.position))
        with self.staying_on():
            self._preview.close()
        plane = tuple(None if axis in shown else int(place[axis]) for axis in range(layer.ndim))
        self._drawn(tool, np.array(points)[:, shown], plane)
