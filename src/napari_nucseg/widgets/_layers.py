"""From a napari layer to what `segment` needs, and from labels to where they lie."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Layer, Shapes
from napari.utils.transforms import Affine

from napari_nucseg._types import AnyArray
from napari_nucseg.errors import InputError
from napari_nucseg.widgets._temporary import is_temporary

MICROMETER = "micrometer"
_AREA_SHAPES = ("rectangle", "ellipse", "polygon")


def choices_of(layers: Any, kind: type[Layer]) -> list[tuple[str, Any]]:
    """Return name and layer of those that a user may choose from: not temporary ones."""
    return [
        (layer.name, layer)
        for layer in layers
        if isinstance(layer, kind) and not is_temporary(layer)
    ]


def full_resolution(layer: Image) -> Any:
    """Return the layer's array, of a multiscale layer its first level."""
    return layer.data[0] if layer.multiscale else layer.data


def source_path(layer: Layer) -> str | None:
    """Return the absolute path or the address of a layer's image, if it has one."""
    path = layer.source.path
    if path:
        return path if "://" in path else os.path.abspath(path)
    store = getattr(full_resolution(layer), "store", None)  # of a zarr array
    root = getattr(store, "root", None)
    return os.path.abspath(root) if isinstance(root, Path) else None


def image_named(name: str, layers: Any) -> Image | None:
    """Return the image layer of this name; napari has one at most."""
    return next((one for one in layers if isinstance(one, Image) and one.name == name), None)


def pixel_size(layer: Image, axes: str) -> dict[str, float]:
    """Return micrometres per pixel of each spatial axis that has a length; {} if there is none."""
    sizes = {}
    for axis, scale, unit in zip(axes.removesuffix("S"), layer.scale, layer.units, strict=True):
        if axis in "ZYX" and unit.is_compatible_with(MICROMETER):
            sizes[axis] = abs(float((float(scale) * unit).to(MICROMETER).magnitude))
    return sizes


def current_position(layer: Image, axes: str, point: Sequence[float]) -> dict[str, int]:
    """Return the index along T and Z of the plane that contains a point of the world."""
    centre = np.rint(layer.world_to_data(point)).astype(int)
    shape = full_resolution(layer).shape
    return {
        axis: int(np.clip(centre[dim], 0, shape[dim] - 1))
        for dim, axis in enumerate(axes.removesuffix("S"))
        if axis in "TZ"
    }


def take_plane(image: Any, axes: str, position: Mapping[str, int]) -> tuple[Any, str]:
    """Return an array without the axes in `position`, lazily where it is lazy, and its axes."""
    plane = image[tuple(position.get(axis, slice(None)) for axis in axes)]
    return plane, "".join(axis for axis in axes if axis not in position)


def axes_geometry(axes: str, sizes: Mapping[str, float]) -> dict[str, Any]:
    """Return scale, units and axis labels of a layer.

    Parameters
    ----------
    axes : str
        Letters of the layer's dimensions.
    sizes : mapping
        Micrometres per pixel by axis, where known.
    """
    return {
        "scale": [sizes.get(axis, 1.0) for axis in axes],
        "units": [MICROMETER if axis in sizes else "pixel" for axis in axes],
        "axis_labels": list(axes.lower()),
    }


def result_dims(axes: str) -> list[int]:
    """Return the dimensions of the image layer that its labels layer has.

    A leading C is dropped. napari aligns layers at their last dimensions, so any other C stays, as
    one voxel that spans all channels; without it, T or Z would slide with the channels.
    """
    return [dim for dim, axis in enumerate(axes.removesuffix("S")) if dim or axis != "C"]


def expand(result: AnyArray, result_axes: str, axes: str) -> AnyArray:
    """Give a result (labels, probabilities) the dimensions of its layer; new ones have length 1."""
    sizes = dict(zip(result_axes, result.shape, strict=True))
    return result.reshape([sizes.get(axes[dim], 1) for dim in result_dims(axes)])


def result_geometry(layer: Image, axes: str, position: Mapping[str, int]) -> dict[str, Any]:
    """Return the keywords that put a result's layer where its image lies.

    Parameters
    ----------
    layer : Image
        The source.
    axes : str
        Its axes.
    position : mapping of str to int
        Where a result of single planes starts along its axes, such as ``{"Z": 5}``.
    """
    dims = axes.removesuffix("S")
    kept = result_dims(axes)
    start = np.array([position.get(axis, 0) for axis in dims], float)
    scale = np.array(layer.scale, float)
    spanned = [dim for dim in kept if dims[dim] == "C"]
    for dim in spanned:
        start[dim] = (full_resolution(layer).shape[dim] - 1) / 2
    shear = _matrix(layer.shear, len(dims))
    placed = Affine(scale=scale, translate=layer.translate, rotate=layer.rotate, shear=shear)(start)
    for dim in spanned:
        scale[dim] *= full_resolution(layer).shape[dim]
    square = np.ix_(kept, kept)
    return {
        "scale": scale[kept],
        "translate": np.asarray(placed)[kept],
        "rotate": np.asarray(layer.rotate)[square],
        "shear": shear[square],
        "affine": np.asarray(layer.affine.set_slice(kept).affine_matrix),
        "units": tuple(layer.units[dim] for dim in kept),
        "axis_labels": tuple(layer.axis_labels[dim] for dim in kept),
    }


def _matrix(shear: Any, ndim: int) -> AnyArray:
    """Return a shear as a matrix; napari gives upper triangular ones as a vector."""
    shear = np.asarray(shear, float)
    if shear.ndim == 2:
        return shear
    matrix = np.eye(ndim)
    matrix[np.triu_indices(ndim, k=1)] = shear
    return matrix


def region_mask(shapes: Shapes, layer: Image, axes: str) -> AnyArray:
    """Return the union of the shapes as a mask of the image's planes.

    Parameters
    ----------
    shapes : Shapes
        Rectangles, ellipses and polygons count; lines and paths have no area.
    layer : Image
    axes : str
        Axes of `layer`.

    Returns
    -------
    array (Y, X), bool

    Raises
    ------
    InputError
        There is no shape with an area.
    """
    dims = [axes.index("Y"), axes.index("X")]
    corners, kinds = [], []
    for vertices, kind in zip(shapes.data, shapes.shape_type, strict=True):
        if kind in _AREA_SHAPES:
            world = [shapes.data_to_world(vertex) for vertex in vertices]
            corners.append(np.array([np.asarray(layer.world_to_data(p))[dims] for p in world]))
            kinds.append(kind)
    if not corners:
        raise InputError(
            f"The shapes layer '{shapes.name}' has no rectangle, ellipse or polygon; draw one "
            "around the nuclei to segment."
        )
    shape = full_resolution(layer).shape
    drawn = Shapes(corners, shape_type=kinds)
    return np.asarray(drawn.to_labels((shape[dims[0]], shape[dims[1]]))) > 0
