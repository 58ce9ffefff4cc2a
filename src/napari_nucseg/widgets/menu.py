"""What the menus call."""

import napari.viewer

from napari_nucseg.widgets._dock import dock_of
from napari_nucseg.widgets.segment_widget import SegmentWidget

DOCK_NAME = "Segment nuclei (Nucleus Segmentation)"
"""The name that napari itself gives the dock when it is opened from the Plugins menu."""


def open_segment_widget(napari_viewer: napari.viewer.Viewer) -> None:
    """Dock the segment widget, or show the one that the Plugins menu opened."""
    segment_widget(napari_viewer)


def segment_widget(napari_viewer: napari.viewer.Viewer) -> SegmentWidget:
    """Return the segment widget in its dock, opened if need be."""
    docked = napari_viewer.window.dock_widgets.values()
    widget = next((one for one in docked if isinstance(one, SegmentWidget)), None)
    if widget is None:
        widget = SegmentWidget(napari_viewer)
        napari_viewer.window.add_dock_widget(widget, name=DOCK_NAME, area="right")
    dock = dock_of(widget.native)
    if dock is not None:
        dock.show()
        dock.raise_()
    return widget
