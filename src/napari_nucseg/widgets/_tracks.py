"""A Tracks layer of nuclei that were linked in time."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from magicgui.widgets import PushButton
from napari.layers import Labels, Tracks
from qtpy.compat import isalive

from napari_nucseg._types import CancelCheck, FloatArray, Progress
from napari_nucseg.linking.features import track_points
from napari_nucseg.widgets._correction import geometry, time_axis
from napari_nucseg.widgets._results import RECORD
from napari_nucseg.widgets._worker import Task


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
        self._task: Task[Tracks | None] | None = None
        self.changed.connect(self._press)
        viewer.layers.events.removed.connect(self._removed)

    def follow(self, layer: Labels) -> None:
        """Serve this layer from now on."""
        linked = layer.metadata[RECORD]["parameters"]["link_time"]
        self._layer = layer if linked and time_axis(layer) == 0 else None
        self.visible = self._layer is not None

    def _removed(self, event: Any) -> None:
        if event.value is self._layer:
            self._layer = None
            if isalive(self.native):
                self.visible = False

    @property
    def busy(self) -> bool:
        """Whether paths are being computed."""
        return self._task is not None

    def _press(self) -> None:
        layer = self._layer
        if layer is None or self.busy or layer not in self._viewer.layers:
            return
        data = layer.data
        parents = layer.metadata[RECORD]["parents"]
        look = {"name": f"{layer.name} tracks", **geometry(layer)}

        def work(_progress: Progress, cancelled: CancelCheck) -> Tracks | None:
            return make_tracks(track_points(np.asarray(data), cancelled), parents, look)

        def done(task: Task[Tracks | None]) -> None:
            self._task = None
            tracks = task.result  # none without nuclei; napari has shown a failure
            if tracks is not None and layer in self._viewer.layers and layer.data is data:
                self._viewer.layers.append(tracks)

        self._task = Task(work, f"following the nuclei of '{layer.name}'", done)
        self._task.start()


def make_tracks(
    points: FloatArray, parents: Mapping[str, int], look: Mapping[str, Any]
) -> Tracks | None:
    """Return the paths of the nuclei of a movie, with their descent, as a layer.

    It takes a second for 100,000 points, so it may run in a thread: no viewer has the layer yet.

    Parameters
    ----------
    points : array
        What `linking.features.track_points` returns. Corrections of the labels are in it.
    parents : mapping of str to int
        Id of each daughter, and of her mother, as they were found; those that are gone are left
        out.
    look : mapping
        Name and geometry of the layer.

    Returns
    -------
    Tracks or None
        None if there are no nuclei.
    """
    if not len(points):
        return None
    there = set(points[:, 0].astype(int).tolist())
    known = {int(child): int(mother) for child, mother in parents.items()}
    graph = {c: [m] for c, m in known.items() if c in there and m in there}
    return Tracks(points, graph=graph, **look)
