"""The shell line that does what the form says."""

import math
from pathlib import Path
from typing import Any

from napari_nucseg.command_line import command_line
from napari_nucseg.errors import NucsegError, ReadError
from napari_nucseg.inference.job import given_diameter
from napari_nucseg.io.plate import image_group, is_zarr, read_ome
from napari_nucseg.io.signature import PLANE_SIGNATURES, TIFF_SIGNATURES, first_bytes
from napari_nucseg.io.stated_axes import stated_axes
from napari_nucseg.io.tiff import read_tiff_axes, tiff_size
from napari_nucseg.linking.stack import plane_step
from napari_nucseg.params import SegmentParams, parse_diameter
from napari_nucseg.widgets import _messages as messages
from napari_nucseg.widgets._channels_shown import axes_to_state, channels_shown
from napari_nucseg.widgets._image_form import Request
from napari_nucseg.widgets._layers import full_resolution, source_path

OUTPUT = "nuclei"
"""Output folder in the copied command."""

STACK = "PATH_OF_THE_STACK.tif"
"""In place of the path of a stack of several files, which is no file yet."""


def copied_command(request: Request, target: Path | None, *, overwrite: bool) -> tuple[str, str]:
    """Return the line, and what to say about it.

    Parameters
    ----------
    request : Request
    target : Path or None
        Of a run in blocks.
    overwrite : bool
    """
    path, shown = source_path(request.source), full_resolution(request.source)
    several = path is not None and _is_one_of_several(Path(path), shown.shape)
    if several:
        path = None
    stated = path is not None and _states_axes(Path(path), shown.shape, request.axes)
    params = _portable(request)
    axes = None if stated else request.axes
    channels: tuple[int, ...] | None = ()
    if path is not None and stated and not set(request.axes) & set("CS"):
        channels = channels_shown(path, shown)
    if path is not None and channels:
        axes = axes_to_state(path)
        params = params.model_copy(update={"channels": channels})
    line = command_line(
        STACK if several else path or request.name,
        OUTPUT if target is None else str(target),
        axes,
        params,
        overwrite=overwrite,
    )
    text = messages.command_copied(
        line,
        has_path=path is not None,
        several=several,
        part=bool(request.position) or request.region is not None,
        has_channel=channels is not None,
    )
    return line, text


def _is_one_of_several(path: Path, shape: tuple[int, ...]) -> bool:
    """Tell whether a layer is a stack of files, of which napari names the first or their folder.

    Parameters
    ----------
    path : Path
        What napari names.
    shape : tuple of int
        Of the layer, with samples.
    """
    if path.is_dir():
        return not is_zarr(path)
    try:
        start = first_bytes(path, "an image")
        if start.startswith(TIFF_SIGNATURES):
            return tiff_size(path) < math.prod(shape)
    except ReadError:  # an address, or a file that has gone
        return False
    planes = shape[:-3] if shape[-1] <= 4 else shape[:-2]  # without samples, alpha among them
    return start.startswith(PLANE_SIGNATURES) and len(planes) > 0


def _states_axes(path: Path, shape: tuple[int, ...], axes: str) -> bool:
    """Tell whether the shell is to read the axes from the file, as these are what it makes of them.

    So it is of an OME-Zarr, whose axes a layer may show in another order, and of a TIFF file of
    several channels if the layer shows one of them. Not if other axes were chosen.
    """
    try:
        if is_zarr(path):
            ome = "multiscales" in read_ome(image_group(path))
            return ome and stated_axes(path, shape) in (None, axes)
        if not first_bytes(path, "TIFF").startswith(TIFF_SIGNATURES):
            return False
        channels = "C" in read_tiff_axes(path)[0]
        return channels and "C" not in axes and stated_axes(path, shape) == axes
    except NucsegError:  # the command will say what is wrong with the file
        return False


def _portable(request: Request) -> SegmentParams:
    """Return the parameters with lengths as pixels: the file may not know the layer's scale."""
    params = request.params
    changes: dict[str, Any] = {}
    pixels = given_diameter(params, request.pixel_size)
    if pixels is not None and parse_diameter(params.diameter)[1]:
        changes["diameter"] = repr(pixels)
    if (params.link_depth or params.link_time) and "Z" in request.image_axes:
        changes["anisotropy"] = params.anisotropy or plane_step(request.pixel_size)
    return params.model_copy(update=changes)
