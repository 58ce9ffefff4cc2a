"""What the menus call."""

from typing import Any

import napari.viewer

from napari_nucseg.widgets._dock import dock_of
from napari_nucseg.widgets.segment_widget import SegmentWidget

DOCK_NAME = "Segment nuclei (Nucleus Segmentation)"
"""The name that napari itself gives the dock when it is opened from the Plugins menu."""


def open_segment_widget(napari_viewer: napari.viewer.Viewer) -> None:
    """Dock the segment widget, or show the one that the Plugins menu opened."""
    segment_widget(napari_viewer)


def docked_segment_widget(napari_viewer: Any) -> SegmentWidget | None:
    """Return the segment widget if it is docked in this viewer."""
    window = getattr(napari_viewer, "window", None)  # none where a viewer is only a model
    docked = window.dock_widgets.values() if window is not None else ()
    return next((one for one in docked if isinstance(one, SegmentWidget)), None)


def segment_widget(napari_viewer: napari.viewer.Viewer) -> SegmentWidget:
    """Return the segment widget in its dock, opened if need be."""
    widget = docked_segment_widget(napari_viewer)
    if widget is None:
        widget = SegmentWidget(napari_viewer)
        napari_viewer.window.add_dock_widget(widget, name=DOCK_NAME, area="right")
    dock = dock_of(widget.native)
    if dock is not None:
        dock.show()
        dock.raise_()
    return widget
