"""The size of a pixel as TIFF files record it."""

import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from typing import Any

from napari_nucseg.io.pixel_size import micrometres

_RESOLUTION_UNITS = {2: 25400.0, 3: 1e4}
"""Micrometres by value of the tag ResolutionUnit: inch, centimetre."""

_LARGEST = 20.0
"""Above this many micrometres a resolution was meant for a printer (72 dpi are 353 micrometres)."""


_APERIO = re.compile(r"\|\s*MPP\s*=\s*([0-9.]+)")
"""Micrometres per pixel in the description of a slide (SVS)."""


def read_pixel_size(tif: Any) -> dict[str, float]:
    """Read the size of a pixel of the first image of a TIFF file.

    Parameters
    ----------
    tif : tifffile.TiffFile

    Returns
    -------
    dict
        Micrometres by axis (Z, Y, X), only for those that the file states.
    """
    if tif.is_ome:
        return _from_ome(tif.ome_metadata)
    if tif.is_imagej:
        return _from_imagej(tif.imagej_metadata or {}, tif.pages[0].tags)
    if tif.is_lsm:
        return _from_lsm(tif.lsm_metadata or {})
    page = tif.pages[0]
    return (_from_aperio(page.description) if page.is_svs else {}) or _from_tags(page.tags)


def _from_ome(xml: str) -> dict[str, float]:
    """Read the attributes PhysicalSizeX, Y and Z of the first ``Pixels`` element."""
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return {}
    pixels = next((e for e in root.iter() if e.tag.rpartition("}")[2] == "Pixels"), None)
    if pixels is None:
        return {}
    sizes = {}
    for axis in "ZYX":
        unit = pixels.get(f"PhysicalSize{axis}Unit", "µm")
        sizes[axis] = micrometres(pixels.get(f"PhysicalSize{axis}"), unit)
    return _known(sizes)


def _from_imagej(metadata: Mapping[str, Any], tags: Any) -> dict[str, float]:
    """Read the resolution tags and the spacing, which are in the unit of the ImageJ description."""
    unit = str(metadata.get("unit", "pixel"))
    sizes = {
        "Z": micrometres(metadata.get("spacing"), str(metadata.get("zunit", unit))),
        "Y": micrometres(_pixel(tags, "YResolution"), str(metadata.get("yunit", unit))),
        "X": micrometres(_pixel(tags, "XResolution"), unit),
    }
    return _known(sizes)


def _from_lsm(metadata: Mapping[str, Any]) -> dict[str, float]:
    """Read the sizes of a voxel, which Zeiss LSM files state in metres."""
    return _known({axis: micrometres(metadata.get(f"VoxelSize{axis}"), "m") for axis in "ZYX"})


def _from_aperio(description: str) -> dict[str, float]:
    """Read micrometres per pixel from a description such as ``Aperio ...|MPP = 0.5``."""
    stated = _APERIO.search(description)
    size = micrometres(stated[1], "um") if stated else None
    return _known({"Y": size, "X": size})


def _from_tags(tags: Any) -> dict[str, float]:
    """Read the resolution tags of a plain TIFF file, unless they are those of a printer."""
    tag = tags.get("ResolutionUnit")
    factor = None if tag is None else _RESOLUTION_UNITS.get(int(tag.value))
    pixels = {axis: _pixel(tags, f"{axis}Resolution") for axis in "YX"}
    if factor is None:
        return {}
    sizes = _known({a: None if size is None else size * factor for a, size in pixels.items()})
    return sizes if all(size <= _LARGEST for size in sizes.values()) else {}


def _pixel(tags: Any, name: str) -> float | None:
    """Return the inverse of a resolution tag: the size of a pixel in the unit of the resolution."""
    tag = tags.get(name)
    if tag is None or not isinstance(tag.value, tuple) or 0 in tag.value:
        return None
    return float(tag.value[1] / tag.value[0])


def _known(sizes: Mapping[str, float | None]) -> dict[str, float]:
    """Drop what is unknown or impossible."""
    return {
        axis: size
        for axis, size in sizes.items()
        if size is not None and math.isfinite(size) and size > 0
    }
