"""Drives the widget for correcting as a user does: with the mouse and with keys."""

from types import SimpleNamespace

import numpy as np
from napari.utils.key_bindings import KeymapHandler

TIMEOUT = 60_000


class Correcting:
    """A viewer and the widget."""

    def __init__(self, viewer, widget, qtbot):
        self.viewer, self.widget, self.qtbot = viewer, widget, qtbot

    def add(self, labels, **options):
        """Add a labels layer and wait until it may be corrected."""
        layer = self.viewer.add_labels(labels, **options)
        self.wait()
        return layer

    def wait(self):
        self.qtbot.waitUntil(lambda: not self.widget.busy, timeout=TIMEOUT)

    def press(self, key):
        """Press a key, as the canvas hands it on."""
        handler = KeymapHandler()
        handler.keymap_providers = [self.viewer]
        active = self.viewer.layers.selection.active
        if active is not None:
            handler.keymap_providers.insert(0, active)
        return handler.press_key(key)

    def drag(self, *points, button=1, modifiers=()):
        """Press, move and let go at points (Y, X) of the shown plane, in pixels of the labels."""
        layer = self.viewer.layers.selection.active
        event = SimpleNamespace(
            type="mouse_press",
            button=button,
            modifiers=modifiers,
            view_direction=self._direction(),
            dims_displayed=list(self.viewer.dims.displayed),
        )
        self._place(event, layer, points[0])
        running = [g for g in (f(layer, event) for f in layer.mouse_drag_callbacks) if g]
        running = [g for g in running if next(g, StopIteration) is None]
        event.type = "mouse_move"
        for point in points[1:]:
            self._place(event, layer, point)
            for generator in running:
                next(generator)
        event.type = "mouse_release"
        for generator in running:
            next(generator, None)
        self.wait()

    def click(self, point, **options):
        self.drag(point, **options)

    def _direction(self):
        if self.viewer.dims.ndisplay == 2:
            return None
        direction = np.zeros(self.viewer.dims.ndim)
        direction[-3] = 1
        return direction

    def _place(self, event, layer, point):
        where = np.array(layer.world_to_data(self.viewer.dims.point), float)
        shown = sorted(a - self.viewer.dims.ndim + layer.ndim for a in event.dims_displayed)
        where[shown[-2:]] = point
        if len(shown) == 3:
            where[shown[0]] = -5  # the ray begins in front of the volume
        event.position = tuple(np.array(layer.data_to_world(where)))
        event.pos = np.array(point, float)[::-1]

    def undo(self):
        self.press("Ctrl-Z")
        self.wait()

    def redo(self):
        self.press("Ctrl-Shift-Z")
        self.wait()

    @property
    def status(self):
        return self.widget.status.value

    @property
    def counts(self):
        return self.widget.counts.value


def disk(shape, centre, radius):
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= radius**2


def field():
    """A plane (Y, X), 60 x 100: two touching disks as nucleus 1, a square 2, a ring 3."""
    labels = np.zeros((60, 100), np.int32)
    labels[disk(labels.shape, (30, 20), 10) | disk(labels.shape, (30, 41), 10)] = 1
    labels[5:15, 60:70] = 2
    labels[30:50, 70:90] = 3
    labels[38:42, 78:82] = 0
    return labels
