"""A Tracks layer of nuclei that were linked in time."""

from typing import Any

import numpy as np
from magicgui.widgets import PushButton
from napari.layers import Labels, Tracks

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
        self._task: Task[FloatArray] | None = None
        self.changed.connect(self._press)

    def follow(self, layer: Labels) -> None:
        """Serve this layer from now on."""
        linked = layer.metadata[RECORD]["parameters"]["link_time"]
        self._layer = layer if linked and time_axis(layer) == 0 else None
        self.visible = self._layer is not None

    @property
    def busy(self) -> bool:
        """Whether paths are being computed."""
        return self._task is not None

    def _press(self) -> None:
        layer = self._layer
        if layer is None or self.busy or layer not in self._viewer.layers:
            return
        data = layer.data

        def work(_progress: Progress, cancelled: CancelCheck) -> FloatArray:
            return track_points(np.asarray(data), cancelled)

        def done(task: Task[FloatArray]) -> None:
            self._task = None
            if task.failure is not None or task.result is None:  # napari has shown a failure
                return
            if layer in self._viewer.layers and layer.data is data:
                show_tracks(self._viewer, layer, task.result)

        self._task = Task(work, f"following the nuclei of '{layer.name}'", done)
        self._task.start()


def show_tracks(viewer: Any, layer: Labels, points: FloatArray) -> Tracks | None:
    """Add the paths of the nuclei of a movie, with their descent, as a layer of their own.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    layer : Labels
        Its first axis is time; corrections in it count. Divisions are those that were found.
    points : array
        What `linking.features.track_points` returns for it.

    Returns
    -------
    Tracks or None
        None if there are no nuclei.
    """
    if not len(points):
        return None
    there = set(points[:, 0].astype(int).tolist())
    found = layer.metadata[RECORD]["parents"]
    parents = {int(child): int(mother) for child, mother in found.items()}
    graph = {c: [m] for c, m in parents.items() if c in there and m in there}
    tracks = Tracks(points, graph=graph, name=f"{layer.name} tracks", **geometry(layer))
    viewer.layers.append(tracks)
    return tracks
