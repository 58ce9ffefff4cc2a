"""From layers to the rows that a model learns from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Shapes

from napari_nucseg._types import AnyArray, CancelCheck
from napari_nucseg.correction.review import Position, Reviewed
from napari_nucseg.errors import Cancelled, InputError
from napari_nucseg.finetune_params import FineTuneParams
from napari_nucseg.training.finetune.folder import read_rows
from napari_nucseg.training.finetune.rows import Row, make_row
from napari_nucseg.training.finetune.start import create_job
from napari_nucseg.widgets import _finetune_messages as messages
from napari_nucseg.widgets._correction import drawn_polygons, plane_position, reviewed_part
from napari_nucseg.widgets._image_fit import Fit, find_fit
from napari_nucseg.widgets._layers import full_resolution

REVIEWED, WHOLE = "reviewed", "whole"
"""Regions beside shapes layers: what the Correct widget marked, and everything."""

COPIED = 1 << 24
"""Pixels of labels up to which they are copied at once, in some ms; else first in the thread."""


@dataclass(frozen=True, eq=False)
class Source:
    """One row of the form, as it was when the button was pressed; not to be changed by anyone.

    Attributes
    ----------
    name : str
        Of the image layer.
    image : array
        As the layer holds it.
    fit : Fit
    channel : int
        Of an image with axis C.
    labels : array
        As the layer holds it.
    planes : dict
        Copies of the planes (Y, X) with reviewed pixels, unless they are too large.
    marked : Reviewed
    drawn : list
        Polygons that are reviewed besides, by position and vertices in pixels.
    """

    name: str
    image: Any
    fit: Fit
    channel: int
    labels: Any
    planes: dict[Position, AnyArray]
    marked: Reviewed
    drawn: list[tuple[Position, AnyArray]]

    @property
    def positions(self) -> list[Position]:
        """The planes with reviewed pixels."""
        return sorted({*self.marked.bits, *(position for position, _ in self.drawn)})

    def reviewed(self) -> Reviewed:
        """Return what is reviewed; drawing large polygons takes a while."""
        return self.marked.with_polygons(self.drawn) if self.drawn else self.marked


@dataclass(frozen=True, eq=False)
class Request:
    """All that a fine-tuning needs.

    Attributes
    ----------
    sources : list of Source
    folder : Path or None
        Data folder to learn from as well, or alone.
    output : str
    params : FineTuneParams
    """

    sources: list[Source]
    folder: Path | None
    output: str
    params: FineTuneParams


def take_source(image: Image, labels: Labels, region: Any, channel: int, viewer: Any) -> Source:
    """Take what a row of the form names; in the main thread.

    Parameters
    ----------
    image, labels : layer
    region : {'reviewed', 'whole'} or Shapes
    channel : int
    viewer : napari.viewer.Viewer

    Raises
    ------
    InputError
        They do not belong together, or nothing is reviewed.
    """
    data = full_resolution(labels)
    fit = find_fit(image, labels)
    if fit is None:
        shape = full_resolution(image).shape
        raise InputError(messages.mismatch(labels.name, data.shape, image.name, shape))
    marked, drawn = _region(labels, region, viewer)
    positions = {*marked.bits, *(position for position, _ in drawn)}
    if not positions:
        raise InputError(messages.not_reviewed(labels.name))
    pixels = len(positions) * data.shape[-2] * data.shape[-1]
    in_memory = isinstance(data, np.ndarray) and pixels <= COPIED
    planes = {p: np.array(data[p]) for p in positions} if in_memory else {}
    image_data = full_resolution(image)
    return Source(str(image.name), image_data, fit, channel, data, planes, marked, drawn)


def _region(
    labels: Labels, region: Any, viewer: Any
) -> tuple[Reviewed, list[tuple[Position, AnyArray]]]:
    """Return what is reviewed as planes, and as polygons of planes that exist."""
    shape = tuple(full_resolution(labels).shape)
    nothing = Reviewed(shape)
    if region == WHOLE:
        return nothing.with_all(), []
    if isinstance(region, Shapes):
        drawn = drawn_polygons(region, labels, plane_position(labels, viewer))
        inside = [
            (position, vertices)
            for position, vertices in drawn
            if all(0 <= i < size for i, size in zip(position, shape[:-2], strict=True))
        ]
        if not inside:
            raise InputError(messages.nothing_drawn(region.name))
        return nothing, inside
    reviewed = reviewed_part(labels)
    return nothing if reviewed is None else reviewed, []


def source_rows(source: Source, cancelled: CancelCheck) -> Iterator[Row]:
    """Give one row per reviewed plane; runs in a thread.

    Raises
    ------
    DatasetError
        Labels or image cannot be used.
    Cancelled
    """
    planes = source.planes or {p: np.array(source.labels[p]) for p in source.positions}
    reviewed = source.reviewed()
    for position in sorted(reviewed.bits):
        if cancelled():
            raise Cancelled(messages.CANCELLED)
        place = source.fit.place(position)
        name = " ".join([source.name, *(f"{a.lower()}{i:04d}" for a, i in place.items())])
        place["C"] = source.channel
        index = tuple(place.get(axis, slice(None)) for axis in source.fit.axes)
        yield make_row(
            name,
            np.asarray(source.image[index]),
            planes[position],
            reviewed.plane(position),
        )


def prepare_job(request: Request, cancelled: CancelCheck) -> Path:
    """Check everything and write a job folder; runs in a thread.

    Raises
    ------
    InputError, DatasetError, ModelError, WriteError
        Something cannot be used; nothing was written.
    Cancelled
    """
    rows = [row for source in request.sources for row in source_rows(source, cancelled)]
    if request.folder is not None and not rows:
        return create_job(str(request.folder), request.output, request.params)
    if request.folder is not None:
        rows += read_rows(request.folder)
    if cancelled():
        raise Cancelled(messages.CANCELLED)
    return create_job(_named_apart(rows), request.output, request.params)


def _named_apart(rows: Sequence[Row]) -> list[Row]:
    """Give rows of the same name a number."""
    seen: dict[str, int] = {}
    apart = []
    for row in rows:
        seen[row.name] = number = seen.get(row.name, 0) + 1
        apart.append(row if number == 1 else replace(row, name=f"{row.name} ({number})"))
    return apart
