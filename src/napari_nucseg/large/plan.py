"""What a run in blocks does, settled before the first one: a JSON file that any worker can read."""

import hashlib
from typing import Any, Literal

from pydantic import ValidationError

from napari_nucseg._types import CancelCheck
from napari_nucseg.axes import Planes
from napari_nucseg.errors import InputError, ReadError
from napari_nucseg.frozen import Frozen, first_problem
from napari_nucseg.inference.field_of_view import TOLERANCE, overlap_needed
from napari_nucseg.inference.job import SegmentJob, resolve_job
from napari_nucseg.inference.maps import PlaneInput
from napari_nucseg.inference.result import make_record
from napari_nucseg.io.lazy import LazyImage
from napari_nucseg.large.columns import Column, columns_to_link
from napari_nucseg.large.request import Request
from napari_nucseg.model.folder import ModelFolder
from napari_nucseg.preprocessing.blocks import BlockGrid
from napari_nucseg.preprocessing.normalize import IntensityRange
from napari_nucseg.preprocessing.tiling import grain

OUTER = 1920
"""Height and width of an automatic block with its overlap, in network pixels: 2 x 2 whole tiles."""

PARTS = 4
"""A block has so many chunks of the result along each axis, if its length can be divided."""

SMALLEST_CHUNK = 256
"""Height and width of a chunk, unless the block is smaller."""


class Plan(Frozen):
    """Everything a block needs, with `request`.

    Attributes
    ----------
    low, high, channels, color, scale
        See `inference.maps.PlaneInput`.
    diameter : float
        In pixels of the image.
    tile, halo : int
        In network pixels.
    block, overlap, chunk : int
        In pixels of the image.
    tolerance : float
        How far outside of a block the centre of its nuclei may lie, in pixels.
    step : float
        From plane to plane in pixels of Y and X.
    record : dict
        See `inference.result.SegmentationResult`.
    messages : tuple of str
        What the user should know.
    given : float or None
        See `inference.job.SegmentJob`.
    """

    format: Literal[3] = 3
    request: Request
    low: tuple[float, ...]
    high: tuple[float, ...]
    channels: tuple[int, ...]
    color: bool
    scale: float
    diameter: float
    tile: int
    halo: int
    block: int
    overlap: int
    chunk: int
    tolerance: float
    step: float
    record: dict[str, Any]
    messages: tuple[str, ...]
    given: float | None

    @property
    def planes(self) -> Planes:
        """The walk over the planes of the image."""
        return Planes(self.request.axes, self.request.shape)

    @property
    def grid(self) -> BlockGrid:
        """All blocks."""
        *stack, height, width = self.planes.output_shape
        return BlockGrid(tuple(stack), (height, width), self.block, self.overlap)

    @property
    def columns(self) -> list[Column]:
        """What is counted to link nuclei through planes and frames; nothing if they are not."""
        return columns_to_link(self.grid, self.planes.output_axes, self.request.params)

    @property
    def digest(self) -> str:
        """Hash of all of it."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def prepared(self, model: ModelFolder) -> PlaneInput:
        """Return how a window becomes the network's input."""
        intensity = IntensityRange(self.low, self.high)
        return PlaneInput(model.config, intensity, self.channels, self.color, self.scale)


def read_plan(text: bytes, place: str) -> Plan:
    """Read the JSON of a plan.

    Raises
    ------
    ReadError
        It is none, or of another version.
    """
    try:
        return Plan.model_validate_json(text)
    except ValidationError as error:
        field, problem = first_problem(error)
        raise ReadError(
            f"{place} is not the plan of a run that this version knows ({field}: {problem})."
        ) from error


def make_plan(image: LazyImage, request: Request, cancelled: CancelCheck | None) -> Plan:
    """Measure intensities and diameter, and lay out the blocks.

    Raises
    ------
    InputError, ReadError, ModelError, EngineError, Cancelled
    """
    job = resolve_job(
        image.array,
        request.axes,
        request.params,
        pixel_size=request.pixel_size,
        cancelled=cancelled,
    )
    if job.model.config.fixed_size:
        raise InputError(
            f"The model '{job.model.name}' resizes whole images to "
            f"{job.model.config.fixed_size} pixels, so it cannot work on blocks; choose another."
        )
    block, overlap = _layout(job, request)
    intensity = job.prepared.intensity
    return Plan(
        request=request,
        low=intensity.low,
        high=intensity.high,
        channels=job.prepared.channels,
        color=job.prepared.color,
        scale=job.prepared.scale,
        diameter=job.diameter,
        tile=job.tile,
        halo=job.halo,
        block=block,
        overlap=overlap,
        chunk=_chunk(block),
        tolerance=TOLERANCE * job.diameter,
        step=request.params.anisotropy or job.step,
        record={**make_record(job, request.params), "block": block, "overlap": overlap},
        messages=(*image.messages, *job.messages),
        given=job.given,
    )


def _layout(job: SegmentJob, request: Request) -> tuple[int, int]:
    """Return block and overlap: multiples of the grain, so that blocks see what the whole sees."""
    step = grain(job.prepared.scale)
    overlap = overlap_needed(job) if request.overlap is None else request.overlap
    overlap = -(-overlap // step) * step
    block = request.block
    if block is None:
        unit = PARTS * step
        wanted = OUTER / job.prepared.scale - 2 * overlap
        block = max(unit, int(wanted) // unit * unit)
    block = -(-block // step) * step
    if block < overlap and request.block is not None:
        raise InputError(
            f"block must be at least the overlap, {overlap} pixels here, got {request.block}."
        )
    return max(block, overlap), overlap


def _chunk(block: int) -> int:
    """Return the length of the chunks that make up a block."""
    lengths = [block // n for n in range(PARTS, 0, -1) if block % n == 0]
    return next((length for length in lengths if length >= SMALLEST_CHUNK), block)
