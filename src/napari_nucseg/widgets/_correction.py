"""What the package knows about a labels layer that is being corrected; kept in its metadata."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer, Shapes

from napari_nucseg._types import AnyArray, CancelCheck, LabelArray
from napari_nucseg.correction.autosave import autosave_folder
from napari_nucseg.correction.drawing import ellipse_vertices
from napari_nucseg.correction.review import Position, Reviewed
from napari_nucseg.correction.snapshot import Snapshot
from napari_nucseg.errors import InputError
from napari_nucseg.linking.features import describe_labels
from napari_nucseg.widgets import _correct_messages as messages
from napari_nucseg.widgets._origin import find_source, same_source
from napari_nucseg.widgets._results import RECORD
from napari_nucseg.widgets._step import Steps

Features = Mapping[str, AnyArray]
"""One row for each nucleus, see `linking.features.describe_nuclei`."""

CORRECTION = "napari_nucseg_correction"
"""Key in `layer.metadata` of the layer's `Correction`."""

_TIME = ("t", "time", "frame", "frames")
_AREA_SHAPES = ("rectangle", "ellipse", "polygon")


@dataclass
class Correction:
    """State of correcting one layer.

    Attributes
    ----------
    predicted : Snapshot
        The labels before any correction.
    is_prediction : bool
        Whether that is what a model predicted, untouched.
    reviewed : Reviewed
    layer_id : str
        Of the layer; a duplicated layer carries the metadata of another.
    folder : Path
        Where it is autosaved.
    restored : str
        Name of the folder whose corrections were restored, which stays as it is; or "".
    steps : Steps
        Here, as an undo may come while another layer is being corrected, or none.
    """

    predicted: Snapshot
    is_prediction: bool
    reviewed: Reviewed
    layer_id: str
    folder: Path
    restored: str = ""
    steps: Steps = field(default_factory=Steps)


def begin(layer: Labels, predicted: Snapshot) -> Correction:
    """Begin to correct a layer whose content was just copied."""
    record = layer.metadata.get(RECORD, {})
    return Correction(
        predicted=predicted,
        is_prediction=record.get("fingerprint") == predicted.fingerprint,
        reviewed=Reviewed(predicted.shape),
        layer_id=layer.unique_id,
        folder=autosave_folder() / uuid.uuid4().hex,
    )


def correction_of(layer: Labels) -> Correction | None:
    """Return the state of a layer that is being corrected, if it is."""
    state = layer.metadata.get(CORRECTION)
    if not isinstance(state, Correction) or state.layer_id != layer.unique_id:
        return None
    return state if state.predicted.shape == tuple(layer.data.shape) else None


def folders_in_use(layers: Any) -> dict[str, str]:
    """Return names of the folders that layers are autosaved in, each with that of its layer."""
    states = {layer.name: correction_of(layer) for layer in layers if isinstance(layer, Labels)}
    return {state.folder.name: name for name, state in states.items() if state is not None}


def reviewed_part(layer: Labels) -> Reviewed | None:
    """Return what was marked as reviewed in a layer; None if nobody corrects it."""
    state = correction_of(layer)
    if state is None:
        return None
    state.steps.turned(layer.data)  # an undo that no widget saw, as it was closed
    return state.reviewed


def reviewed_mask(layer: Labels) -> AnyArray:
    """Return which pixels of a labels layer were marked as reviewed, bool, in its shape."""
    reviewed = reviewed_part(layer)
    return np.zeros(layer.data.shape, bool) if reviewed is None else reviewed.mask()


def check_layer(layer: Labels) -> None:
    """Raise InputError unless the layer's labels are an array that can be written to."""
    if layer.multiscale:
        raise InputError(messages.on_disk(layer.name, "a pyramid"))
    if not isinstance(layer.data, np.ndarray):
        kind = type(layer.data)
        name = f"{kind.__module__.partition('.')[0]}.{kind.__name__}"
        raise InputError(messages.on_disk(layer.name, f"a {name}"))
    if not layer.data.flags.writeable:
        raise InputError(messages.on_disk(layer.name, "read-only"))


def label_axes(layer: Labels) -> str:
    """Return the axes of labels by what was segmented; nothing if that does not fit."""
    axes = "".join(a for a in layer.metadata.get(RECORD, {}).get("axes", "") if a not in "CS")
    return axes if len(axes) == layer.ndim else ""


def linked_features(layer: Labels) -> Callable[[LabelArray, CancelCheck], Features] | None:
    """Return what makes the table of nuclei of corrected labels; None if they were not linked.

    What is returned may be called in a thread.
    """
    record = layer.metadata.get(RECORD, {})
    made_with, axes = record.get("parameters", {}), label_axes(layer)
    if not axes or not (made_with.get("link_depth") or made_with.get("link_time")):
        return None
    parents = {int(child): int(mother) for child, mother in record.get("parents", {}).items()}

    def describe(labels: LabelArray, cancelled: CancelCheck) -> Features:
        return describe_labels(labels, axes, parents, cancelled)

    return describe


def time_axis(layer: Labels) -> int | None:
    """Return which axis of the labels is time, by what was segmented or by its label."""
    axes = label_axes(layer)
    if "T" in axes:
        return axes.index("T")
    named = [n for n, label in enumerate(layer.axis_labels[:-2]) if str(label).lower() in _TIME]
    return named[0] if named else None


def geometry(layer: Layer) -> dict[str, Any]:
    """Return the keywords that put another layer of as many dimensions where this one lies."""
    return {
        "scale": layer.scale,
        "translate": layer.translate,
        "rotate": layer.rotate,
        "shear": layer.shear,
        "affine": np.asarray(layer.affine.affine_matrix),
        "units": layer.units,
        "axis_labels": layer.axis_labels,
    }


def probability_of(layer: Labels, layers: Any) -> Image | None:
    """Return the probability map that was made with a labels layer."""
    made = layer.metadata.get(RECORD, {})
    for other in layers:
        record = other.metadata.get(RECORD)
        if isinstance(other, Image) and isinstance(record, dict) and same_source(made, record):
            return other
    return None


def source_of(layer: Labels, layers: Any) -> Image | None:
    """Return the image that labels were made from, or the only image there is."""
    images = [o for o in layers if isinstance(o, Image) and RECORD not in o.metadata]
    source = find_source(layer.metadata.get(RECORD, {}), images)
    if source is not None:
        return source
    return images[0] if len(images) == 1 else None


def image_mismatch(layer: Labels, layers: Any) -> str:
    """Return a warning if labels and their image have different Y or X, else nothing."""
    image = source_of(layer, layers)
    if image is None:
        return ""
    data = image.data[0] if image.multiscale else image.data
    shape = tuple(data.shape[:-1] if image.rgb else data.shape)[-2:]
    own = tuple(layer.data.shape[-2:])
    return "" if shape == own else messages.other_shape(own, image.name, shape)


def plane_position(layer: Labels, viewer: Any) -> Position:
    """Return the position, along the leading axes, of the plane (Y, X) that is shown.

    Raises
    ------
    InputError
        Other axes are shown, or the plane lies beside the labels.
    """
    first = viewer.dims.ndim - layer.ndim
    shown = {axis - first for axis in viewer.dims.displayed}
    if shown != {layer.ndim - 2, layer.ndim - 1}:
        raise InputError(messages.NOT_YX)
    point = np.rint(layer.world_to_data(viewer.dims.point)).astype(int)[:-2]
    if (point < 0).any() or (point >= layer.data.shape[:-2]).any():
        raise InputError(messages.OTHER_PLANE)
    return tuple(int(index) for index in point)


def drawn_polygons(
    shapes: Shapes, layer: Labels, position: Position
) -> list[tuple[Position, AnyArray]]:
    """Return the shapes that have an area as planes and vertices in pixels of the labels.

    Parameters
    ----------
    shapes : Shapes
        With a transform of its own. Where it has fewer dimensions than the labels, its shapes lie
        on every plane; only the one that is shown counts, since nobody saw the others.
    layer : Labels
    position : tuple of int
        Of the plane that is shown.
    """
    polygons = []
    for vertices, kind in zip(shapes.data, shapes.shape_type, strict=True):
        if kind not in _AREA_SHAPES:
            continue
        world = [shapes.data_to_world(vertex) for vertex in vertices]
        corners = np.array([layer.world_to_data(point) for point in world])
        where = position
        if shapes.ndim >= layer.ndim:
            leading = corners[:, :-2]
            if np.ptp(leading, axis=0).max(initial=0) > 0.5:
                continue  # drawn across planes
            where = tuple(int(index) for index in np.rint(leading.mean(axis=0)))
        flat = corners[:, -2:]
        polygons.append((where, ellipse_vertices(flat) if kind == "ellipse" else flat))
    return polygons


def region_corners(
    window: tuple[slice, slice], position: Position, labels: Labels, shapes: Shapes, viewer: Any
) -> AnyArray:
    """Return the corners of a rectangle in a shapes layer that holds a window of the labels.

    Parameters
    ----------
    window : tuple of two slices
        Rows and columns of the labels.
    position : tuple of int
        Of the plane.
    labels : Labels
    shapes : Shapes
        With a transform of its own.
    viewer : napari.viewer.Viewer
        Tells where, along axes that the labels do not have.
    """
    rows, columns = ((part.start - 0.5, part.stop - 0.5) for part in window)
    flat = [(rows[0], columns[0]), (rows[0], columns[1]), (rows[1], columns[1])]
    flat.append((rows[1], columns[0]))
    world = np.tile(np.array(viewer.dims.point, float), (4, 1))
    world[:, -labels.ndim :] = [labels.data_to_world((*position, *corner)) for corner in flat]
    return np.array([shapes.world_to_data(point) for point in world])
