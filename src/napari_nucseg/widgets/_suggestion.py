"""Asking the model where in the plane that is shown it doubts most."""

import contextlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Shapes

from napari_nucseg._types import AnyArray, CancelCheck, Progress
from napari_nucseg.correction.review import Position, Reviewed
from napari_nucseg.correction.suggestions import SIZE, has_room, suggest_regions
from napari_nucseg.errors import InputError
from napari_nucseg.large.rule import LAZY_PLANE
from napari_nucseg.params import SegmentParams, make_params
from napari_nucseg.widgets import _correct_messages as messages
from napari_nucseg.widgets._correction import correction_of, drawn_polygons, plane_position
from napari_nucseg.widgets._image_fit import Fit, caveat, image_of
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
    shapes : Shapes or None
        The layer in which the region will be drawn; only the main thread touches it.
    drawn : list
        Its polygons, of every plane, by position and vertices in pixels of the labels.
    caveat : str
        What to know about the choice of the image and its axes, in sentences; often empty.
    """

    labels: Labels
    source: Image
    image: Any
    fit: Fit
    position: Position
    pixel_size: dict[str, float]
    params: SegmentParams
    reviewed: Reviewed
    shapes: Shapes | None
    drawn: list[tuple[Position, AnyArray]]
    caveat: str

    def with_caveat(self, text: str) -> str:
        """Return a sentence about the answer, and what to know about the image."""
        return f"{text} {self.caveat}".rstrip()

    def is_shown(self, viewer: Any) -> bool:
        """Tell whether the viewer still shows the plane; in the main thread."""
        try:
            return plane_position(self.labels, viewer) == self.position
        except InputError:
            return False

    def is_current(self, shapes: Shapes | None) -> bool:
        """Tell whether an answer still holds; in the main thread.

        Parameters
        ----------
        shapes : Shapes or None
            The layer that is chosen by now.
        """
        state = correction_of(self.labels)
        return (
            full_resolution(self.source) is self.image
            and state is not None
            and state.reviewed is self.reviewed
            and shapes is self.shapes
            and _same(_drawn(shapes, self.labels, self.position), self.drawn)
        )


@dataclass(frozen=True)
class Answer:
    """Where to correct.

    Attributes
    ----------
    window : tuple of two slices, or None
        Rows and columns of the plane; None where the model is sure.
    others : bool
        Whether shapes are drawn, in whatever plane, that are not marked as reviewed: *Mark shapes*
        marks them too.
    why : str
        Why there is no window: the end of a sentence.
    """

    window: tuple[slice, slice] | None
    others: bool
    why: str = ""


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
    return Question(
        labels=labels,
        source=source,
        image=full_resolution(source),
        fit=fit,
        position=position,
        pixel_size=pixel_size(source, fit.axes),
        params=params_of(labels),
        reviewed=reviewed,
        shapes=shapes,
        drawn=_drawn(shapes, labels, position),
        caveat=caveat(source, labels, fit),
    )


def _drawn(
    shapes: Shapes | None, labels: Labels, position: Position
) -> list[tuple[Position, AnyArray]]:
    return [] if shapes is None else drawn_polygons(shapes, labels, position)


def _same(now: list[tuple[Position, AnyArray]], before: list[tuple[Position, AnyArray]]) -> bool:
    return len(now) == len(before) and all(
        here == there and np.array_equal(corners, others)
        for (here, corners), (there, others) in zip(now, before, strict=True)
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
    marked = question.reviewed
    with contextlib.suppress(InputError):  # what is drawn may lie beside the image
        marked = marked.with_polygons(question.drawn)
    taken = marked.plane(question.position)
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
    others = marked.area > question.reviewed.area
    if found:
        return Answer(found[0].window, others)
    return Answer(None, others, _why_none(taken, question.reviewed.plane(question.position)))


def _why_none(taken: AnyArray, reviewed: AnyArray) -> str:
    """Say why no region was found in a plane, of which some is taken: reviewed, or drawn."""
    if reviewed.all():
        return messages.ALL_REVIEWED
    if taken.all():
        return messages.ALL_DRAWN
    if not has_room(taken, SIZE):
        return messages.NO_ROOM
    return messages.SURE_OF_REST if taken.any() else messages.SURE
