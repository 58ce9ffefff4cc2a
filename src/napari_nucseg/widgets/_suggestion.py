"""Asking the model where in the plane that is shown it doubts most."""

import contextlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Shapes

from napari_nucseg._types import AnyArray, CancelCheck, Progress
from napari_nucseg.correction.review import Position, Reviewed
from napari_nucseg.correction.suggestions import SIZE, suggest_regions
from napari_nucseg.errors import InputError
from napari_nucseg.large.rule import LAZY_PLANE
from napari_nucseg.params import SegmentParams, make_params
from napari_nucseg.widgets import _correct_messages as messages
from napari_nucseg.widgets._correction import drawn_polygons, plane_position
from napari_nucseg.widgets._image_fit import Fit, image_of
from napari_nucseg.widgets._layers import full_resolution, pixel_size, take_plane
from napari_nucseg.widgets._results import RECORD

_ASKED_WITH = ("model", "diameter", "channels", "engine")
"""Parameters on which probabilities depend."""


@dataclass(frozen=True, eq=False)
class Question:
    """What to look for and where, settled when the button was pressed.

    Attributes
    ----------
    labels, source : layer
        Only the main thread touches them.
    image : array
        Of `source`, at full resolution.
    fit : Fit
    position : tuple of int
        Of the plane, along the leading axes of the labels.
    pixel_size : dict
    params : SegmentParams
    reviewed : Reviewed
    drawn : list
        Polygons of that plane, by position and vertices in pixels of the labels.
    """

    labels: Labels
    source: Image
    image: Any
    fit: Fit
    position: Position
    pixel_size: dict[str, float]
    params: SegmentParams
    reviewed: Reviewed
    drawn: list[tuple[Position, AnyArray]]

    def is_current(self) -> bool:
        """Tell whether the layers still have the shapes that they had; in the main thread."""
        return (
            tuple(full_resolution(self.source).shape) == tuple(self.image.shape)
            and tuple(self.labels.data.shape) == self.reviewed.shape
        )


@dataclass(frozen=True)
class Answer:
    """Where to correct.

    Attributes
    ----------
    window : tuple of two slices, or None
        Rows and columns of the plane; None where the model is sure.
    others : bool
        Whether shapes are drawn in the plane that are not marked as reviewed.
    """

    window: tuple[slice, slice] | None
    others: bool


def take_question(
    labels: Labels, reviewed: Reviewed, shapes: Shapes | None, viewer: Any
) -> Question:
    """Take what is shown; in the main thread.

    Raises
    ------
    InputError
        No plane is shown, or it is too large; or the image is not known.
    """
    position = plane_position(labels, viewer)
    source, fit = image_of(labels, viewer.layers)
    pixels = int(labels.data.shape[-2]) * int(labels.data.shape[-1])
    if pixels > LAZY_PLANE:
        raise InputError(messages.too_large(source.name, pixels, LAZY_PLANE))
    drawn = [] if shapes is None else drawn_polygons(shapes, labels, position)
    return Question(
        labels=labels,
        source=source,
        image=full_resolution(source),
        fit=fit,
        position=position,
        pixel_size=pixel_size(source, fit.axes),
        params=params_of(labels),
        reviewed=reviewed,
        drawn=[polygon for polygon in drawn if polygon[0] == position],
    )


def params_of(labels: Labels) -> SegmentParams:
    """Return the parameters that labels were made with, at the diameter that was found; or usual.

    Raises
    ------
    InputError
        What the layer knows about that cannot be used.
    """
    record = labels.metadata.get(RECORD, {})
    made_with = record.get("parameters", {})
    options = {name: made_with[name] for name in _ASKED_WITH if name in made_with}
    if "diameter_pixels" in record:
        options["diameter"] = f"{record['diameter_pixels']:.6f}"
    return make_params(options)


def find_region(question: Question, progress: Progress, cancelled: CancelCheck) -> Answer:
    """Ask the model; runs in a thread.

    Raises
    ------
    InputError, ModelError, EngineError
        The image or the model cannot be used.
    Cancelled
    """
    place = question.fit.place(question.position)
    plane, axes = take_plane(question.image, question.fit.axes, place)
    reviewed = question.reviewed
    with contextlib.suppress(InputError):  # what is drawn may lie beside the image
        reviewed = reviewed.with_polygons(question.drawn)
    taken = reviewed.plane(question.position)
    found = suggest_regions(
        np.asarray(plane),  # what is lazy is read once
        axes,
        size=SIZE,
        params=question.params,
        pixel_size=question.pixel_size,
        taken=taken,
        progress=progress,
        cancelled=cancelled,
    )
    others = bool((taken & ~question.reviewed.plane(question.position)).any())
    return Answer(found[0].window if found else None, others)
