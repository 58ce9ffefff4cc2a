"""A Tracks layer of nuclei that were linked in time."""

from typing import Any

import numpy as np
from magicgui.widgets import PushButton
from napari.layers import Labels, Tracks

from napari_nucseg.linking.features import track_points
from napari_nucseg.widgets._correction import geometry, time_axis
from napari_nucseg.widgets._results import RECORD


class TracksButton(PushButton):
    """Adds the tracks of a labels layer; there only for one whose nuclei were linked in time.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__(
            text="Show tracks",
            tooltip="Add a Tracks layer: the path of each nucleus, and who descends from whom.",
            visible=False,
        )
        self._viewer = viewer
        self._layer: Labels | None = None
        self.changed.connect(self._press)

    def follow(self, layer: Labels) -> None:
        """Serve this layer from now on."""
        linked = layer.metadata[RECORD]["parameters"]["link_time"]
        self._layer = layer if linked and time_axis(layer) == 0 else None
        self.visible = self._layer is not None

    def _press(self) -> None:
        if self._layer is not None and self._layer in self._viewer.layers:
            show_tracks(self._viewer, self._layer)


def show_tracks(viewer: Any, layer: Labels) -> Tracks | None:
    """Add the paths of the nuclei of a movie, with their descent, as a layer of their own.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    layer : Labels
        Its first axis is time; corrections in it count. Divisions are those that were found.

    Returns
    -------
    Tracks or None
        None if there are no nuclei.
    """
    points = track_points(np.asarray(layer.data))
    if not len(points):
        return None
    there = set(points[:, 0].astype(int).tolist())
    found = layer.metadata[RECORD]["parents"]
    parents = {int(child): int(mother) for child, mother in found.items()}
    graph = {c: [m] for c, m in parents.items() if c in there and m in there}
    tracks = Tracks(points, graph=graph, name=f"{layer.name} tracks", **geometry(layer))
    viewer.layers.append(tracks)
    return tracks
