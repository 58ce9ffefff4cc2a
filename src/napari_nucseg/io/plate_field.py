"""The image of one field of an OME-Zarr plate: read lazily; labels written to a plate of their own.

Labels lie in a mirror of the plate, ``<plate>_labels.zarr/<row>/<column>/<field>``, each a label
image with the version, axes, units and transformations of its image. The plate is never written to.
"""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucseg._types import AnyArray
from napari_nucseg.errors import ReadError, WriteError
from napari_nucseg.io.atomic import write_error
from napari_nucseg.io.pixel_size import micrometres
from napari_nucseg.io.plate import Field, is_zarr, ome_version, plate_metadata, read_ome
from napari_nucseg.io.reading import LoadedImage
from napari_nucseg.io.writing import smallest_labels

LEVEL = "0"
CHUNK = 1024
"""Pixels along Y and X of a chunk of labels."""

_DAMAGE = (OSError, ValueError, TypeError, KeyError, RuntimeError)
"""What zarr and its codecs raise for chunks and metadata that are damaged."""


class LazyPixels:
    """A zarr array whose damaged chunks are reported as `ReadError` when they are read.

    Parameters
    ----------
    array : zarr.Array
    path : Path
        For messages.
    """

    def __init__(self, array: Any, path: Path) -> None:
        self._array, self._path = array, path
        self.shape, self.dtype, self.ndim = tuple(array.shape), array.dtype, array.ndim

    def __getitem__(self, index: Any) -> AnyArray:
        """Read a part."""
        try:
            return np.asarray(self._array[index])
        except IndexError:
            raise
        except _DAMAGE as error:
            raise ReadError(
                f"Cannot read {self._path}: a chunk is damaged ({type(error).__name__}: {error})."
            ) from error

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        """Read everything."""
        return np.asarray(self[...], dtype=dtype)


def read_field(group: Path) -> LoadedImage:
    """Open the first multiscale image of a group at full resolution.

    Parameters
    ----------
    group : Path
        Of an image, as in a well of a plate.

    Returns
    -------
    LoadedImage
        `data` reads lazily.

    Raises
    ------
    ReadError
        There is no image, or its metadata contradict it.
    """
    import zarr

    if not is_zarr(group):
        raise ReadError(f"Cannot read {group}: there is no Zarr group.")
    image, dataset = _image_metadata(group)
    try:
        names = [axis if isinstance(axis, str) else axis["name"] for axis in image["axes"]]
        path = group / str(dataset["path"])
        array = zarr.open_array(path, mode="r")
        pixel_size = _pixel_size(image, dataset) if len(names) == array.ndim else {}
    except _DAMAGE as error:
        raise ReadError(
            f"Cannot read {group}: the image that its metadata describe is not there or damaged "
            f"({type(error).__name__}: {error})."
        ) from error
    axes = "".join(map(str, names)).upper()
    if len(axes) != array.ndim or len(names) != array.ndim:
        raise ReadError(
            f"Cannot read {group}: its metadata state the axes {', '.join(map(str, names))}, but "
            f"the array has {array.ndim} dimensions (shape {array.shape})."
        )
    return LoadedImage(LazyPixels(array, path), axes, pixel_size, group)  # type: ignore[arg-type]


def _image_metadata(group: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the first multiscale image and its first dataset."""
    try:
        image = read_ome(group)["multiscales"][0]
        dataset = image["datasets"][0]
    except (KeyError, IndexError, TypeError) as error:
        raise ReadError(
            f"Cannot read {group}: it has no OME-Zarr metadata of an image (multiscales)."
        ) from error
    return image, dataset


def _pixel_size(image: dict[str, Any], dataset: dict[str, Any]) -> dict[str, float]:
    """Return micrometres by axis, where unit and scale are known."""
    axes = image["axes"]
    scale = np.ones(len(axes))
    for entry in (dataset, image):
        for change in entry.get("coordinateTransformations", ()):
            if change.get("type") == "scale":
                scale = scale * np.asarray(change["scale"], float)
    sizes = {
        axis["name"].upper(): micrometres(value, str(axis.get("unit", "")))
        for axis, value in zip(axes, scale, strict=True)
        if isinstance(axis, dict)
    }
    return {a: s for a, s in sizes.items() if a in "ZYX" and s is not None and 0 < s < np.inf}


def prepare_plate(target: Path, source: Path) -> None:
    """Create the plate that results go to, with the wells of `source`; what is there stays.

    Raises
    ------
    ReadError
        The metadata of `source` cannot be read.
    WriteError
        There is something else at `target`, or it cannot be written.
    """
    plate = dict(plate_metadata(source))
    version = ome_version(source)
    if target.exists() and not (is_zarr(target) and "plate" in read_ome(target)):
        raise WriteError(f"{target} exists already and is no plate; choose another --output.")
    if target.exists() and ome_version(target) != version:
        raise WriteError(f"{target} is a plate of another version; choose another --output.")
    try:
        _write_group(target, version, {"plate": plate})
        for row in {str(well["path"]).split("/")[0] for well in plate["wells"]}:
            _write_group(target / row, version, {})
        for well in plate["wells"]:
            images = read_ome(source / well["path"]).get("well", {"images": [{"path": "0"}]})
            _write_group(target / well["path"], version, {"well": images})
    except OSError as error:
        raise write_error(target, error) from error


def _write_group(path: Path, version: str, ome: dict[str, Any]) -> None:
    """Write a group with metadata."""
    import zarr

    newer = version == "0.5"
    attributes = {"ome": {"version": version, **ome}} if newer and ome else ome
    zarr.open_group(path, mode="a", zarr_format=3 if newer else 2).attrs.update(attributes)


def write_field(
    target: Path, field: Field, data: AnyArray, axes: str, image: LoadedImage, *, overwrite: bool
) -> None:
    """Write labels or maps of a field; they are there only when they are complete.

    Parameters
    ----------
    target : Path
        Group to write.
    field : Field
        Its image, whose axes, units and transformations the result gets.
    data : array of int or float
        Integers become a label image.
    axes : str
        Letters of the data, all of them axes of `image`.
    image : LoadedImage
        `axes` are the letters of all its axes.
    overwrite : bool
        Whether an existing result may be replaced.

    Raises
    ------
    WriteError
        If it exists and `overwrite` is false, or cannot be written.
    """
    if target.exists() and not overwrite:
        raise WriteError(f"{target} exists already; allow overwriting or choose another place.")
    is_labels = np.asarray(data).dtype.kind in "iu"
    if is_labels:
        data = smallest_labels(data)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        for left in target.parent.glob(f".{target.name}.*.partial"):  # by a killed process
            shutil.rmtree(left)
        _write_image(partial, field, data, _result_metadata(field.path, axes, image), is_labels)
        if target.exists():
            shutil.rmtree(target)
        os.replace(partial, target)
    except OSError as error:
        raise write_error(target, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_image(
    path: Path, field: Field, data: AnyArray, image: dict[str, Any], is_labels: bool
) -> None:
    """Write a group with one array."""
    import zarr

    version = ome_version(field.plate)
    newer = version == "0.5"
    ome: dict[str, Any] = {"multiscales": [image if newer else {"version": version, **image}]}
    if is_labels:
        label = {"source": {"image": _relative(field.path, path)}}
        ome["image-label"] = label if newer else {"version": version, **label}
    _write_group(path, version, ome)
    height, width = data.shape[-2:]
    array = zarr.create_array(
        path / LEVEL,
        shape=data.shape,
        dtype=data.dtype,
        chunks=(*(1,) * (data.ndim - 2), min(height, CHUNK), min(width, CHUNK)),
        zarr_format=3 if newer else 2,
        dimension_names=[axis["name"] for axis in image["axes"]] if newer else None,
        chunk_key_encoding={"name": "default" if newer else "v2", "separator": "/"},
    )
    array[...] = data


def _relative(source: Path, start: Path) -> str:
    """Return how a group is reached from another one."""
    try:
        return Path(os.path.relpath(source, start)).as_posix()
    except ValueError:  # on another drive of Windows
        return source.absolute().as_posix()


def _result_metadata(group: Path, axes: str, image: LoadedImage) -> dict[str, Any]:
    """Return the multiscale metadata of the source, restricted to the axes of a result."""
    source, dataset = _image_metadata(group)
    kept = [image.axes.index(axis) for axis in axes]
    named = [axis if isinstance(axis, dict) else {"name": axis} for axis in source["axes"]]

    def restrict(entry: dict[str, Any]) -> list[dict[str, Any]]:
        changes = []
        for change in entry.get("coordinateTransformations", ()):
            kind = change.get("type")
            if kind in ("scale", "translation") and kind in change:
                changes.append({"type": kind, kind: [change[kind][dim] for dim in kept]})
        return changes

    made: dict[str, Any] = {
        "name": "nuclei",
        "axes": [named[dim] for dim in kept],
        "datasets": [
            {
                "path": LEVEL,
                "coordinateTransformations": restrict(dataset)
                or [{"type": "scale", "scale": [1.0] * len(kept)}],
            }
        ],
    }
    if whole := restrict(source):
        made["coordinateTransformations"] = whole
    return made
