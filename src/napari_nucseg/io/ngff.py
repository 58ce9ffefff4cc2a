"""Metadata of OME-Zarr images, versions 0.4 (Zarr 2) and 0.5 (Zarr 3), and of older ones in part.

https://ngff.openmicroscopy.org/specifications. Pydantic checks what is read, zarr stores it.
"""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator

from napari_nucseg.errors import ReadError
from napari_nucseg.io.pixel_size import check_pixel_size, micrometres

Version = Literal["0.4", "0.5"]

RECORD = "napari-nucseg"
"""Attribute of a group of labels with how they came about."""

ZARR_FORMAT: dict[Version, Literal[2, 3]] = {"0.4": 2, "0.5": 3}

MICROMETER = "micrometer"
"""As OME-Zarr writes the unit."""

_LETTERS = {"time": "T", "channel": "C"}
_PRIMARIES = ("FF0000", "00FF00", "0000FF")
"""Colours of the channels of a colour image."""


class Axis(BaseModel):
    """An axis; `type` and `unit` may be missing."""

    name: str
    type: str | None = None
    unit: str | None = None

    @property
    def letter(self) -> str:
        """The letter of TZCYX that means the same; the name in upper case for other axes."""
        return _LETTERS.get(self.type or "", self.name.upper())


class Transformation(BaseModel):
    """A scale or a translation, one number per axis; other types are passed over."""

    type: str
    scale: list[float] | None = None
    translation: list[float] | None = None


class Dataset(BaseModel):
    """An array of a pyramid."""

    path: str
    coordinateTransformations: list[Transformation] = []


class Multiscale(BaseModel):
    """A pyramid; the first dataset has full resolution."""

    axes: list[Axis] = Field(default=[Axis(name=name) for name in "tczyx"])  # up to version 0.2
    datasets: list[Dataset] = Field(min_length=1)
    coordinateTransformations: list[Transformation] = []

    @field_validator("axes", mode="before")
    @classmethod
    def _name_axes(cls, value: Any) -> Any:
        """Read version 0.3, where axes are strings."""
        is_list = isinstance(value, list)
        return [{"name": v} if isinstance(v, str) else v for v in value] if is_list else value


@dataclass(frozen=True)
class Placement:
    """Where an image lies: what its pixels measure, and where the first one is.

    Attributes
    ----------
    scale, translation : dict of str to float
        By axis letter, in `units`; for the axes that the metadata tell.
    units : dict of str to str
        By axis letter, as OME-Zarr writes them, such as ``micrometer``.
    """

    scale: Mapping[str, float]
    translation: Mapping[str, float]
    units: Mapping[str, str]

    @property
    def pixel_size(self) -> dict[str, float]:
        """Micrometres by axis (Z, Y, X), for those that are known."""
        sizes = {a: micrometres(self.scale.get(a), self.units.get(a, "")) for a in "ZYX"}
        return {axis: abs(size) for axis, size in sizes.items() if size and math.isfinite(size)}

    def resized(self, pixel_size: Mapping[str, float]) -> "Placement":
        """Return the same with other pixels; the first one stays where it is.

        Parameters
        ----------
        pixel_size : mapping
            Axis letter (Z, Y, X) to micrometres. Axes that have this size already keep their unit.

        Raises
        ------
        InputError
            It is no mapping of such letters to positive numbers.
        """
        check_pixel_size(pixel_size)
        scale, translation, units = dict(self.scale), dict(self.translation), dict(self.units)
        for axis, size in pixel_size.items():
            old, unit = scale.get(axis, 1.0), units.get(axis, "")
            stated = micrometres(old, unit)
            if stated is not None and math.isclose(abs(stated), size):
                continue
            scale[axis] = math.copysign(size, old)  # an axis may be reversed
            units[axis] = MICROMETER
            if axis in translation:
                shift = micrometres(translation[axis], unit)
                if shift is None:  # its unit is no length: so many pixels as before
                    shift = translation[axis] / old * size if old else 0.0
                translation[axis] = shift
        return Placement(scale, translation, units)


UNPLACED = Placement({}, {}, {})
"""Of images that tell nothing about it."""


def ngff_version(attributes: Mapping[str, Any]) -> Version:
    """Return the version that the attributes of a group are written in; 0.4 stands for older."""
    return "0.5" if "ome" in attributes else "0.4"


def ngff_content(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the attributes of a group say, whatever the version."""
    content = attributes.get("ome", attributes)
    return content if isinstance(content, Mapping) else {}


def read_multiscale(attributes: Mapping[str, Any], place: str) -> Multiscale:
    """Return the first pyramid of a group.

    Parameters
    ----------
    attributes : mapping
        Of the group.
    place : str
        For messages.

    Raises
    ------
    ReadError
        There is none, or its metadata are not those of OME-Zarr.
    """
    content = ngff_content(attributes)
    if "multiscales" not in content:
        kind = "a plate" if "plate" in content else "a group without metadata of an image"
        raise ReadError(
            f"Cannot read {place}: it is {kind}; expected an OME-Zarr image (with 'multiscales'), "
            "or the path of an array inside."
        )
    try:
        return Multiscale.model_validate(content["multiscales"][0])
    except (ValidationError, LookupError, TypeError) as error:
        detail = str(error)
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            detail = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise ReadError(
            f"Cannot read {place}: its OME-Zarr metadata are not valid ({detail})."
        ) from error


def read_placement(multiscale: Multiscale, place: str) -> Placement:
    """Return where the first dataset lies.

    Raises
    ------
    ReadError
        A transformation has not one number per axis.
    """
    letters = [axis.letter for axis in multiscale.axes]
    scale = dict.fromkeys(letters, 1.0)
    translation = dict.fromkeys(letters, 0.0)
    dataset = multiscale.datasets[0]
    for change in dataset.coordinateTransformations + multiscale.coordinateTransformations:
        for values in (change.scale, change.translation):
            if values is not None and len(values) != len(letters):
                raise ReadError(
                    f"Cannot read {place}: a coordinate transformation has {len(values)} numbers, "
                    f"expected one for each of the axes {''.join(letters)}."
                )
        for letter, factor in zip(letters, change.scale or (), strict=False):
            scale[letter] *= factor
            translation[letter] *= factor
        for letter, shift in zip(letters, change.translation or (), strict=False):
            translation[letter] += shift
    units = {axis.letter: axis.unit for axis in multiscale.axes if axis.unit}
    return Placement(scale, translation, units)


def is_colour(attributes: Mapping[str, Any]) -> bool:
    """Tell whether the channels are red, green and blue, by their names' colours in ``omero``."""
    omero = ngff_content(attributes).get("omero")
    channels = omero.get("channels") if isinstance(omero, Mapping) else None
    if not isinstance(channels, Sequence) or len(channels) != len(_PRIMARIES):
        return False
    shown = [str(c.get("color", "")).upper() if isinstance(c, Mapping) else "" for c in channels]
    return tuple(shown) == _PRIMARIES


def array_options(version: Version, axes: str) -> dict[str, Any]:
    """Return the keywords of `zarr.Group.create_array` that differ between the versions.

    Parameters
    ----------
    version : {'0.4', '0.5'}
    axes : str
        Of the array; version 0.5 names them in its metadata.
    """
    newer = version == "0.5"
    return {
        "dimension_names": list(axes.lower()) if newer else None,
        "chunk_key_encoding": {"name": "default" if newer else "v2", "separator": "/"},
    }


def path_from(group: Path, image: str) -> str:
    """Return how an image, at an absolute path or an address, is reached from a group."""
    if "://" in image:
        return image
    try:
        return Path(os.path.relpath(image, group)).as_posix()
    except ValueError:  # on another drive of Windows
        return Path(image).as_posix()


def label_attributes(
    version: Version,
    axes: str,
    placement: Placement,
    levels: Sequence[tuple[str, int]],
    *,
    source: str | None,
) -> dict[str, Any]:
    """Return the attributes of a group with a pyramid of labels.

    Parameters
    ----------
    version : {'0.4', '0.5'}
    axes : str
        Letters of TZYX.
    placement : Placement
        Of the first level.
    levels : sequence of (path, factor)
        How many pixels of the first level, along Y and X, one pixel of a level is.
    source : str, optional
        Path of the image, relative to the group.
    """
    kinds = {"T": "time"}
    described = []
    for axis in axes:
        unit = placement.units.get(axis)
        kind = {"name": axis.lower(), "type": kinds.get(axis, "space")}
        described.append({**kind, "unit": unit} if unit else kind)
    datasets = []
    for path, factor in levels:
        steps = [factor if axis in "YX" else 1 for axis in axes]
        scale = [placement.scale.get(a, 1.0) * n for a, n in zip(axes, steps, strict=True)]
        # Every factor-th pixel is kept, so the first ones lie at the same place.
        changes: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
        shift = [placement.translation.get(axis, 0.0) for axis in axes]
        if any(shift):
            changes.append({"type": "translation", "translation": shift})
        datasets.append({"path": path, "coordinateTransformations": changes})
    multiscale = {"name": "nuclei", "axes": described, "datasets": datasets, "type": "nearest"}
    label = {"source": {"image": source}} if source else {}
    if version == "0.5":
        return {"ome": {"version": version, "multiscales": [multiscale], "image-label": label}}
    return {
        "multiscales": [{"version": version, **multiscale}],
        "image-label": {"version": version, **label},
    }
