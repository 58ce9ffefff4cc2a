"""The lower part of the widget: what was reviewed, and where to go on."""

from collections.abc import Callable
from typing import Any

import numpy as np
from magicgui.widgets import ComboBox, Container, Label, PushButton
from napari.layers import Labels, Shapes
from qtpy.compat import isalive

from napari_nucseg.correction.review import Reviewed
from napari_nucseg.errors import InputError
from napari_nucseg.widgets import _correct_messages as messages
from napari_nucseg.widgets._camera import Extent, show_part
from napari_nucseg.widgets._correction import (
    drawn_polygons,
    geometry,
    plane_position,
    region_corners,
)
from napari_nucseg.widgets._corrector import Corrector
from napari_nucseg.widgets._layers import choices_of
from napari_nucseg.widgets._look import make_text, narrow, renew_choices, row
from napari_nucseg.widgets._suggester import Suggester
from napari_nucseg.widgets._suggestion import Answer, Question, take_question

SPACING = 3
REVIEW_LAYER = "reviewed"

SUGGEST, STOP = "Suggest a region", "Stop looking"
"""What the button does, by whether a search is under way."""

COLOURS = {"edge_color": "cyan", "face_color": "transparent"}
"""Of what is drawn: the nuclei inside stay visible."""

REGION = Extent(smallest=250, largest=600, good=450)


class ReviewForm(Container):
    """Buttons that mark parts as reviewed, and the shapes layer they use.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    say : callable
        ``say(text, loud)``, with a sentence that the user should know.

    Attributes
    ----------
    corrector : Corrector or None
        Of the layer that is reviewed.
    suggester : Suggester
    """

    def __init__(self, viewer: Any, say: Callable[[str, bool], None]) -> None:
        self._viewer = viewer
        self._say = say
        self.corrector: Corrector | None = None
        self.whole_button = PushButton(text="Whole image", tooltip="All planes are reviewed.")
        self.plane_button = PushButton(
            text="This plane  R", tooltip="The plane that is shown is reviewed. Key: R"
        )
        self.shapes = ComboBox(
            label="Shapes",
            choices=lambda _: choices_of(viewer.layers, Shapes),
            tooltip="Rectangles, ellipses and polygons of this layer can be marked as reviewed.",
        )
        self.add_button = PushButton(
            text="Add a review layer",
            tooltip="Add a shapes layer that lies on the labels, to draw in.",
        )
        self.mark_button = PushButton(
            text="Mark shapes", tooltip="What the shapes hold is reviewed."
        )
        self.clear_button = PushButton(text="Clear", tooltip="Nothing is reviewed any more.")
        self.suggest_button = PushButton(
            text=SUGGEST,
            tooltip=(
                "Draw a rectangle where the model doubts most, in the plane that is shown, to be "
                "corrected next."
            ),
        )
        self.text = Label(label="Reviewed", value="")
        state, chooser = Container(widgets=[self.text]), Container(widgets=[self.shapes])
        rows = [
            state,
            row(self.whole_button, self.plane_button, self.clear_button),
            chooser,
            self.suggest_button,
            row(self.add_button, self.mark_button),
        ]
        super().__init__(widgets=rows, labels=False)
        self.margins = chooser.margins = state.margins = (0, 0, 0, 0)
        self.native.layout().setSpacing(SPACING)
        narrow([self.shapes])
        make_text(self.text)
        self.suggester = Suggester(viewer, say, self._switched, self._chosen, self._show_answer)
        self.whole_button.changed.connect(self.mark_all)
        self.plane_button.changed.connect(self.mark_plane)
        self.clear_button.changed.connect(self.unmark)
        self.add_button.changed.connect(self.add_layer)
        self.mark_button.changed.connect(self.mark_shapes)
        self.suggest_button.changed.connect(self.suggest)

    def refresh(self) -> None:
        """Read the layer list again."""
        renew_choices(self.shapes)

    def show_state(self) -> None:
        """Show how much was reviewed."""
        corrector = self.corrector
        if corrector is None or corrector.state is None or corrector.analysis is None:
            return
        reviewed, doubts = corrector.state.reviewed, corrector.analysis.doubts
        centres = np.array([doubt.centre for doubt in doubts])  # of a movie, in each frame
        inside = int(reviewed.contains(centres).sum())
        self.text.value = messages.reviewed(reviewed.fraction, inside, len(doubts))

    def _mark(self, change: Callable[[Reviewed, Labels], Reviewed]) -> bool:
        """Change what is reviewed, given what was and the layer; tell whether it worked."""
        corrector = self.corrector
        if corrector is None or corrector.state is None:
            return False
        try:
            corrector.set_reviewed(change(corrector.state.reviewed, corrector.layer))
        except InputError as error:
            self._say(str(error), True)
            return False
        self.show_state()
        self._say(messages.MARKED if corrector.state.reviewed.bits else messages.UNMARKED, False)
        return True

    def mark_all(self) -> None:
        """Mark the whole image as reviewed."""
        self._mark(lambda seen, _: seen.with_all())

    def mark_plane(self) -> None:
        """Mark the plane that is shown as reviewed."""
        self._mark(lambda seen, layer: seen.with_plane(plane_position(layer, self._viewer)))

    def unmark(self) -> None:
        """Mark nothing as reviewed."""
        self._mark(lambda seen, _: Reviewed(seen.shape))

    def mark_shapes(self) -> None:
        """Mark what the shapes of the chosen layer hold as reviewed."""
        shapes = self.shapes.value
        if shapes is None:
            self._say(messages.NO_SHAPES, True)
            return

        def change(seen: Reviewed, layer: Labels) -> Reviewed:
            position = plane_position(layer, self._viewer)
            return seen.with_polygons(drawn_polygons(shapes, layer, position))

        if self._mark(change) and self.corrector is not None:
            self._viewer.layers.selection.active = self.corrector.layer  # for the keys of the tools

    def add_layer(self) -> None:
        """Add a shapes layer where the labels lie, ready to draw rectangles."""
        if self.corrector is None:
            return
        shapes = make_review_layer(self.corrector.layer)
        self._add(shapes)
        self._viewer.layers.selection.active = shapes
        shapes.mode = "add_rectangle"
        self._say(messages.DRAW_REVIEW, False)

    def _add(self, shapes: Shapes) -> None:
        """Add a shapes layer, and choose it."""
        self._viewer.layers.append(shapes)
        self.refresh()
        self.shapes.value = shapes

    # where to go on

    def suggest(self) -> None:
        """Search for the region in which the model doubts most; during a search, give it up."""
        corrector = self.corrector
        if self.suggester.just_begun:
            return
        if self.suggester.busy:
            self.suggester.stop(messages.SEARCH_CANCELLED)
        elif corrector is not None and corrector.state is not None:
            reviewed, shapes = corrector.state.reviewed, self.shapes.value
            try:
                question = take_question(corrector.layer, reviewed, shapes, self._viewer)
            except InputError as error:
                self._say(str(error), True)
                return
            self.suggester.start(question)

    def _switched(self) -> None:
        if isalive(self.native):
            self.suggest_button.text = STOP if self.suggester.busy else SUGGEST

    def _chosen(self) -> Shapes | None:
        layer: Shapes | None = self.shapes.value if isalive(self.native) else None
        return layer

    def _show_answer(self, question: Question, answer: Answer) -> None:
        """Draw the region that was found, or say why there is none."""
        if answer.window is not None:
            self._show_region(question, answer.window, answer.others)
            return
        chosen = self.corrector is not None and self.corrector.layer is question.labels
        here = chosen and question.is_shown(self._viewer)
        text = messages.no_region(answer.why, None if here else question.labels.name)
        self._say(question.with_caveat(text), False)

    def _show_region(self, question: Question, window: tuple[slice, slice], others: bool) -> None:
        """Draw a region and go there, unless other labels were chosen meanwhile."""
        if not isalive(self.native):
            return
        active, chosen = self._viewer.layers.selection.active, self.shapes.value
        labels, position = question.labels, question.position
        shapes = question.shapes or make_review_layer(labels)
        corners = region_corners(window, position, labels, shapes, self._viewer)
        shapes.add_rectangles([corners], **COLOURS)
        shapes.visible = True
        if question.shapes is None:
            self._add(shapes)  # with what it holds, so that napari draws it once
        if self.corrector is None or self.corrector.layer is not labels:
            self._viewer.layers.selection.active = active
            if chosen is not None:  # for the other labels
                self.shapes.value = chosen
            self._say(messages.suggested_elsewhere(labels.name), True)
            return
        centre = [*position, *((part.start + part.stop - 1) / 2 for part in window)]
        where = [*(slice(index, index + 1) for index in position), *window]
        show_part(self._viewer, labels, centre, where, REGION)
        self._viewer.layers.selection.active = labels  # for the keys of the tools
        text = messages.SUGGESTED_TOO if others else messages.SUGGESTED
        self._say(question.with_caveat(text), False)


def make_review_layer(labels: Labels) -> Shapes:
    """Return an empty shapes layer that lies on labels."""
    return Shapes(
        ndim=labels.ndim,
        name=REVIEW_LAYER,
        edge_width=2,
        **COLOURS,
        **geometry(labels),
    )
