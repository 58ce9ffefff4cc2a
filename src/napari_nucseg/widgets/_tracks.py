"""A Tracks layer of nuclei that were linked in time."""

from typing import Any

import numpy as np
from napari.layers import Labels, Tracks

from napari_nucseg.linking.features import track_points
from napari_nucseg.widgets._correction import geometry
from napari_nucseg.widgets._results import RECORD


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
