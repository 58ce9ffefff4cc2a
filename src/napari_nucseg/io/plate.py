"""Metadata of OME-Zarr plates (HCS, versions 0.4 and 0.5): which fields there are.

The metadata are JSON files, which are read without loading zarr.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_nucseg.errors import ReadError
from napari_nucseg.io.ngff import RECORD, Version

CONVERTED = "bioformats2raw.layout"
"""Attribute of the groups that bioformats2raw writes."""

V2_GROUP, V2_ARRAY, V2_ATTRIBUTES, V3_METADATA = ".zgroup", ".zarray", ".zattrs", "zarr.json"

METADATA = (V2_GROUP, V2_ATTRIBUTES, V3_METADATA)
"""Files of a group."""


@dataclass(frozen=True)
class Field:
    """One field of view of a plate.

    Attributes
    ----------
    plate : Path
    well : str
        Row and column, such as ``"B/3"``.
    name : str
        Of the field within its well, such as ``"0"``.
    """

    plate: Path
    well: str
    name: str

    @property
    def path(self) -> Path:
        """The group of the field's image."""
        return self.plate / self.well / self.name


def is_zarr(path: Path) -> bool:
    """Tell whether a folder is a Zarr group or array."""
    return any(os.path.isfile(path / name) for name in (V3_METADATA, V2_GROUP, V2_ARRAY))


def is_plate(path: Path) -> bool:
    """Tell whether a folder is an OME-Zarr plate."""
    try:
        return is_zarr(path) and "plate" in read_ome(path)
    except ReadError:
        return False


def is_ome_image(path: Path) -> bool:
    """Tell whether a folder is an OME-Zarr image, which labels are not.

    One that bioformats2raw wrote counts too.
    """
    try:
        found = read_ome(image_group(path)) if is_zarr(path) else {}
    except ReadError:
        return False
    return "multiscales" in found and "image-label" not in found


def image_group(path: Path) -> Path:
    """Return the group of an image's pixels: of those that bioformats2raw wrote, the first.

    Raises
    ------
    ReadError
        Its metadata cannot be read.
    """
    found = read_ome(path)
    first = path / "0"
    converted = CONVERTED in found and "plate" not in found and is_zarr(first)
    return first if converted else path


def is_damaged(path: Path) -> bool:
    """Tell whether a folder has metadata of Zarr that cannot be read, so what it is is unknown."""
    try:
        read_ome(path)
    except ReadError:
        return path.is_dir()
    return False


def ome_version(group: Path) -> Version:
    """Return ``"0.5"`` for Zarr 3, ``"0.4"`` for Zarr 2, which 0.4 and earlier are written in."""
    return "0.5" if os.path.isfile(group / V3_METADATA) else "0.4"


def metadata_file(group: Path) -> Path:
    """Return the file with the attributes of a group, which there need not be."""
    return group / (V3_METADATA if ome_version(group) == "0.5" else V2_ATTRIBUTES)


def read_ome(group: Path) -> dict[str, Any]:
    """Read the OME-Zarr metadata of a group, ``{}`` if it has none.

    Raises
    ------
    ReadError
        They cannot be read.
    """
    newer = ome_version(group) == "0.5"
    path = metadata_file(group)
    try:
        found = json.loads(path.read_bytes())
        return {**(found.get("attributes", {}).get("ome", {}) if newer else found)}  # no list
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ReadError(f"Cannot read {path}: {error.strerror or error}.") from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ReadError(f"Cannot read {path}: it is not the JSON metadata of Zarr.") from error


def read_record(group: Path) -> dict[str, Any]:
    """Return our record in the attributes of labels, ``{}`` if there is none."""
    try:
        found = json.loads(metadata_file(group).read_bytes())
        attributes = found["attributes"] if ome_version(group) == "0.5" else found
        return {**attributes[RECORD]}
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return {}


def array_shape(array: Path) -> tuple[int, ...]:
    """Return the shape of a Zarr array.

    Raises
    ------
    ReadError
        Its metadata cannot be read.
    """
    path = array / (V3_METADATA if ome_version(array) == "0.5" else V2_ARRAY)
    try:
        return tuple(json.loads(path.read_bytes())["shape"])
    except OSError as error:
        raise ReadError(f"Cannot read {path}: {error.strerror or error}.") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ReadError(f"Cannot read {path}: it is not the metadata of a Zarr array.") from error


def list_fields(plate: Path) -> list[Field]:
    """Return all fields of all wells, in the order of the plate's metadata.

    Raises
    ------
    ReadError
        The metadata of the plate cannot be used, or it has no field. A well without metadata has
        one field ``0``, so that it fails by itself and is reported.
    """
    wells = read_ome(plate).get("plate", {})
    try:
        paths = [inside(well["path"]) for well in wells["wells"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ReadError(
            f"Cannot read the plate {plate}: its metadata list no wells with a path such as 'A/1' "
            f"({type(error).__name__}: {error})."
        ) from error
    fields = [Field(plate, well, name) for well in paths for name in _names(plate / well)]
    if not fields:
        raise ReadError(f"The plate {plate} has no fields: none of its wells lists an image.")
    return fields


def _names(well: Path) -> list[str]:
    """Return the fields of a well."""
    try:
        return [inside(image["path"]) for image in read_ome(well)["well"]["images"]]
    except (ReadError, KeyError, TypeError, ValueError):
        return ["0"]


def inside(path: Any) -> str:
    """Return a path below a group, as metadata of anyone state it.

    Raises
    ------
    ValueError
        It leads elsewhere, on Windows too.
    """
    parts = str(path).strip("/").split("/")
    unsafe = any(part in (".", "..") or "\\" in part or ":" in part for part in parts)
    if unsafe or not all(parts):
        raise ValueError(f"path {path!r}")
    return "/".join(parts)


def plate_metadata(plate: Path) -> Mapping[str, Any]:
    """Return the entry ``plate`` of the metadata: rows, columns, wells.

    Raises
    ------
    ReadError
    """
    return dict(read_ome(plate).get("plate", {}))
