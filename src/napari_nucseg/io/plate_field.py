"""One field of an OME-Zarr plate: its image is read lazily, results go to a plate of their own.

Results lie in a mirror of the plate, such as ``<plate>_labels.zarr/<row>/<column>/<field>``, of its
version and with its wells. The plate itself is never written to.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucseg._types import AnyArray
from napari_nucseg.errors import ReadError, WriteError
from napari_nucseg.io.atomic import exists_error, write_error
from napari_nucseg.io.lazy import open_lazily
from napari_nucseg.io.leftovers import PARTIAL, REPLACED, hidden_beside
from napari_nucseg.io.loaded import LoadedImage
from napari_nucseg.io.ngff import RECORD, ZARR_FORMAT, array_options, label_attributes, path_from
from napari_nucseg.io.plate import inside, is_zarr, ome_version, plate_metadata, read_ome
from napari_nucseg.io.writing import smallest_labels

LEVEL = "0"
CHUNK = 1024
"""Pixels along Y and X of a chunk of a result."""


def read_field(group: Path, axes: str | None = None) -> LoadedImage:
    """Open the image of a field at full resolution.

    Parameters
    ----------
    group : Path
        Of an image, as in a well of a plate.
    axes : str, optional
        Instead of what the metadata state.

    Returns
    -------
    LoadedImage
        `data` is read as far as it is indexed, with an int or a slice for each axis.

    Raises
    ------
    ReadError, InputError
        There is no image, or its metadata or `axes` contradict it.
    """
    image = open_lazily(group, axes)
    path = Path(str(image.path))  # that of the first image, if there are several in the group
    return LoadedImage(
        image.array, image.axes, image.placement.pixel_size, path, image.placement, image.messages
    )


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
    if target.exists() and not (is_zarr(target) and "plate" in read_ome(target)):
        raise WriteError(f"{target} exists already and is no plate; choose another Output.")
    if target.exists() and ome_version(target) != ome_version(source):
        raise WriteError(f"{target} is a plate of another version; choose another Output.")
    try:
        _write_group(target, source, {"plate": plate})
        wells = [inside(well["path"]) for well in plate["wells"]]
        for row in {well.split("/")[0] for well in wells}:
            _write_group(target / row, source, {})
        for well in wells:
            _write_group(target / well, source, {"well": _read_well(source / well)})
    except OSError as error:
        raise write_error(target, error) from error


def _read_well(well: Path) -> Any:
    """Return the metadata of a well; of a damaged one, those of the field that is reported."""
    try:
        found = read_ome(well)
    except ReadError:
        found = {}
    return found.get("well", {"images": [{"path": "0"}]})


def _write_group(path: Path, source: Path, ome: dict[str, Any]) -> None:
    """Write a group with OME-Zarr metadata, of the version of a source."""
    import zarr

    version = ome_version(source)
    wrapped = version == "0.5" and ome
    attributes = {"ome": {"version": version, **ome}} if wrapped else ome
    zarr.open_group(path, mode="a", zarr_format=ZARR_FORMAT[version]).attrs.update(attributes)


@contextmanager
def field_with(
    target: Path,
    source: Path,
    data: AnyArray,
    axes: str,
    image: LoadedImage,
    *,
    record: Mapping[str, Any] | None = None,
    overwrite: bool,
) -> Iterator[None]:
    """Write labels or maps that are there only if what is written inside the context succeeds.

    Parameters
    ----------
    target : Path
        Group to write.
    source : Path
        Group of the image.
    data : array of int or float
        Integers become a label image.
    axes : str
        Letters of TZYX.
    image : LoadedImage
        The source, which tells where the result lies.
    record : mapping, optional
        More about the result, for the attribute ``napari-nucseg``; JSON-ready.
    overwrite : bool
        Whether an existing result may be replaced.

    Raises
    ------
    WriteError
        If it exists and `overwrite` is false, or cannot be written.
    """
    import zarr

    if target.exists() and not overwrite:
        raise exists_error(target)
    partial = hidden_beside(target, PARTIAL)
    try:
        _write_image(partial, source, np.asarray(data), axes, image)
        if record:
            zarr.open_group(partial, mode="r+").attrs[RECORD] = dict(record)
        yield
        _put(partial, target)
    except OSError as error:
        raise write_error(target, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _put(partial: Path, target: Path) -> None:
    """Give a complete group its name; an earlier one is removed only then."""
    replaced = hidden_beside(target, REPLACED)
    if target.exists():
        os.replace(target, replaced)
    try:
        os.replace(partial, target)
    except OSError:
        if replaced.exists() and not target.exists():
            os.replace(replaced, target)
        raise
    shutil.rmtree(replaced, ignore_errors=True)


def _write_image(path: Path, source: Path, data: AnyArray, axes: str, image: LoadedImage) -> None:
    """Write a group with one array."""
    import zarr

    version = ome_version(source)
    place = path_from(path, str(source.absolute()))
    attributes = label_attributes(version, axes, image.placement, [(LEVEL, 1)], source=place)
    if data.dtype.kind == "f":
        attributes.get("ome", attributes).pop("image-label")
    else:
        data = smallest_labels(data)
    group = zarr.open_group(path, mode="a", zarr_format=ZARR_FORMAT[version])
    group.attrs.update(attributes)
    array = group.create_array(
        LEVEL,
        shape=data.shape,
        dtype=data.dtype,
        chunks=(*(1,) * (data.ndim - 2), *(min(length, CHUNK) for length in data.shape[-2:])),
        **array_options(version, axes),
    )
    array[...] = data
