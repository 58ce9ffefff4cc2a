"""What will be done, resolved once from parameters and image, then frozen."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_nucseg._types import AnyArray, CancelCheck
from napari_nucseg.axes import Planes, plan_planes, resolve_axes
from napari_nucseg.counted import counted
from napari_nucseg.errors import InputError
from napari_nucseg.inference.diameter import estimate_diameter
from napari_nucseg.inference.engine import Engine, make_engine
from napari_nucseg.inference.maps import PlaneInput
from napari_nucseg.inference.samples import take_samples
from napari_nucseg.io.pixel_size import check_pixel_size
from napari_nucseg.linking.stack import check_linking, plane_step
from napari_nucseg.model.folder import ModelFolder
from napari_nucseg.params import MICROMETRE, SegmentParams, parse_diameter
from napari_nucseg.preprocessing.normalize import measure_range
from napari_nucseg.registry import find_model

SMALLEST_PLANE = 8
"""Pixels along Y and X below which there is nothing to recognise."""

SMALLEST_DIAMETER, LARGEST_DIAMETER = 2, 2000
"""In pixels; outside, what an image is rescaled to would be absurdly large or empty."""

TILE, HALO = 1024, 64


@dataclass(frozen=True)
class SegmentJob:
    """A resolved segmentation: everything after this reads only it.

    Attributes
    ----------
    params : SegmentParams
        As the caller gave them.
    model : ModelFolder
    engine : Engine
    planes : Planes
        How to walk over the image.
    prepared : PlaneInput
        How each plane becomes the network's input.
    diameter : float
        Typical diameter of a nucleus in pixels of the image: given, estimated, or the model's own.
    estimated : bool
        `diameter` was estimated from nuclei in the image.
    messages : tuple of str
        What the user should know about the image, such as non-finite pixels.
    given : float or None
        The diameter in pixels, if it was given and makes a difference: not for constant images, nor
        for models that resize whole images.
    step : float
        From plane to plane in pixels of Y and X; 1 where the pixel size is not known.
    tile, halo : int
        In network pixels.
    """

    params: SegmentParams
    model: ModelFolder
    engine: Engine
    planes: Planes
    prepared: PlaneInput
    diameter: float
    estimated: bool
    messages: tuple[str, ...]
    given: float | None
    step: float = 1.0
    tile: int = TILE
    halo: int = HALO


def resolve_job(
    image: Any,
    axes: str | None,
    params: SegmentParams,
    *,
    rgb: bool | None = None,
    pixel_size: Mapping[str, float] | None = None,
    cancelled: CancelCheck | None = None,
) -> SegmentJob:
    """Check the image, open the model, measure intensities, settle the diameter.

    Parameters
    ----------
    image : array
        numpy, dask or zarr; only single planes are read, and of huge ones only windows.
    axes, rgb
        See `axes.resolve_axes`.
    params : SegmentParams
    pixel_size : mapping, optional
        Axis letter to micrometres per pixel.
    cancelled : callable, optional
        Asked before every plane that the intensities are measured from, and before every tile that
        the diameter is estimated from.

    Raises
    ------
    InputError, ModelError, EngineError, Cancelled
    """
    check_dtype(image.dtype)
    planes = plan_planes(image.shape, resolve_axes(image.shape, axes, rgb=rgb))
    _check_plane_shape(planes)
    check_linking(planes.output_axes, params)
    model = find_model(params.model)
    channels = _choose_channels(planes, params)
    given = given_diameter(params, pixel_size)  # before anything is read
    samples = take_samples(image, planes, channels, cancelled)
    messages = _describe_pixels(samples.pixels, math.prod(planes.output_shape) * len(channels))
    color = "S" in planes.axes
    intensity = measure_range(samples.pixels, model.config.input, joint=color)
    engine = make_engine(model, params.engine)
    native = PlaneInput(model.config, intensity, channels, color, scale=1.0)
    estimated = None
    constant = _is_constant(samples.pixels)  # which is said already
    if not constant:
        messages += _describe_channels(native, params)
    if given is None and not model.config.fixed_size:
        estimated = estimate_diameter(
            samples.read_busiest(image, planes), native, engine, cancelled
        )
        if estimated is None and not constant:
            messages.append(
                "No nuclei were seen that could be measured, so they were searched for at "
                f"{model.config.diameter:.3g} px, the model's own diameter."
            )
    diameter = given or estimated or model.config.diameter
    return SegmentJob(
        params=params,
        model=model,
        engine=engine,
        planes=planes,
        prepared=replace(native, scale=model.config.scale_for(diameter)),
        diameter=diameter,
        estimated=estimated is not None,
        messages=tuple(messages),
        given=None if constant or model.config.fixed_size else given,
        step=plane_step(pixel_size),
    )


def check_dtype(dtype: Any) -> None:
    """Raise InputError unless pixels of this dtype are real numbers."""
    kind = np.dtype(dtype).kind
    if kind not in "buif":
        raise InputError(
            f"Pixels must be real numbers (integers or floats); this image has dtype {dtype}."
        )


def _check_plane_shape(planes: Planes) -> None:
    height, width = planes.output_shape[-2:]
    if min(height, width) < SMALLEST_PLANE:
        raise InputError(
            f"The image is {height} x {width} pixels in Y and X; at least {SMALLEST_PLANE} x "
            f"{SMALLEST_PLANE} are needed (axes {planes.axes}, shape {planes.shape})."
        )


def _choose_channels(planes: Planes, params: SegmentParams) -> tuple[int, ...]:
    if "S" in planes.axes:
        return (0, 1, 2)
    count = planes.n_channels
    beyond = [c for c in params.channels if c >= count]
    if beyond:
        raise InputError(
            f"channels: the image has {count} (counted from 0), got {', '.join(map(str, beyond))}."
        )
    return params.channels or tuple(range(count))


def _describe_pixels(samples: list[AnyArray], n_pixels: int) -> list[str]:
    """Return remarks about non-finite pixels and constant images; InputError if none is finite.

    `samples` may be a part of the image's `n_pixels`.
    """
    if samples[0].dtype.kind == "f":
        total = sum(s.size for s in samples)
        finite = sum(int(np.isfinite(s).sum()) for s in samples)
        if finite == 0:
            raise InputError("Every pixel of the image is NaN or infinite; nothing can be seen.")
        if finite < total:
            count = counted(total - finite, "pixel")
            seen = count if total == n_pixels else f"At least {count}"
            verbs = ("is", "was") if total - finite == 1 else ("are", "were")
            return [f"{seen} {verbs[0]} NaN or infinite and {verbs[1]} taken as background."]
    if _is_constant(samples):
        lowest = samples[0].min()
        return [f"The image is constant (every pixel is {lowest}), so it shows no nuclei."]
    return []


def _describe_channels(prepared: PlaneInput, params: SegmentParams) -> list[str]:
    """Return a remark if chosen channels had no effect, or several were combined without choice."""
    if prepared.color and set(params.channels) not in (set(), set(prepared.channels)):
        return [
            "The image is in colour (RGB), so all three colours were used; channels "
            f"{', '.join(map(str, params.channels))} had no effect."
        ]
    if not prepared.color and not params.channels and len(prepared.varied_channels()) > 1:
        return [
            f"The {len(prepared.channels)} channels were combined by their maximum; give Channels, "
            "counted from 0, to use only the nuclear stain."
        ]
    return []


def _is_constant(samples: list[AnyArray]) -> bool:
    lowest = samples[0].min()
    return all(s.min() == lowest == s.max() for s in samples)


def given_diameter(params: SegmentParams, pixel_size: Mapping[str, float] | None) -> float | None:
    """Return the diameter that was asked for in pixels, or None for ``auto``.

    Parameters
    ----------
    params : SegmentParams
    pixel_size : mapping or None
        Axis letter to micrometres per pixel.

    Raises
    ------
    InputError
        It is a length and the image has no pixel size, or it is absurd; or `pixel_size` cannot be
        understood or is not above 0.
    """
    if pixel_size is not None:
        check_pixel_size(pixel_size)
    if params.diameter == "auto":
        return None
    number, unit = parse_diameter(params.diameter)
    pixels = number * MICROMETRE[unit] / _pixel_size(params, pixel_size or {}) if unit else number
    if not SMALLEST_DIAMETER <= pixels <= LARGEST_DIAMETER:
        raise InputError(
            f"diameter '{params.diameter}' is {pixels:,.6g} px; expected "
            f"{SMALLEST_DIAMETER} to {LARGEST_DIAMETER}."
        )
    return pixels


def _pixel_size(params: SegmentParams, pixel_size: Mapping[str, float]) -> float:
    """Return micrometres per pixel, the geometric mean of Y and X."""
    known = [axis for axis in "YX" if axis in pixel_size]
    if len(known) == 2:
        return math.sqrt(pixel_size["Y"] * pixel_size["X"])
    missing = " and ".join(axis for axis in "YX" if axis not in known)
    only = "".join(f", only in {axis} ({pixel_size[axis]:g} micrometres)" for axis in known)
    raise InputError(
        f"diameter '{params.diameter}' is a length, but the image has no pixel size in {missing}"
        f"{only}; give Pixel size in Y and X, or the diameter in pixels, such as '19'."
    )
