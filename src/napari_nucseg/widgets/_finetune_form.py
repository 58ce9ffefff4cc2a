"""The rows of the widget for fine-tuning; what they do is in `finetune_widget`."""

from typing import Any

from magicgui.widgets import CheckBox, Container, Label, LineEdit, PushButton
from magicgui.widgets.bases import ValueWidget

from napari_nucseg.finetune_params import ADVANCED, FineTuneParams
from napari_nucseg.widgets._look import align_labels, make_steady_text, make_text, narrow
from napari_nucseg.widgets._model_choice import model_choices
from napari_nucseg.widgets._params_form import field_widget
from napari_nucseg.widgets._scroll import ScrolledForm
from napari_nucseg.widgets._status import StatusLine
from napari_nucseg.widgets._training_rows import RowsForm
from napari_nucseg.widgets._training_view import TrainingView

EPOCHS = 10
"""Proposed where somebody wants a number."""

OPTIONS: dict[str, dict[str, Any]] = {
    "model": {"widget_type": "ComboBox"},
    "learning_rate": {"widget_type": "FloatSpinBox", "step": 1e-4},
}
"""How fields look that would look otherwise by their type."""

RATE_DECIMALS = 6

STATUS_LINES = 6
"""Which model is better, and where it was saved."""


class FineTuneForm(ScrolledForm):
    """Shows and chooses; knows nothing of trainings.

    Parameters
    ----------
    viewer : napari.viewer.Viewer

    Attributes
    ----------
    fields : dict of str to magicgui widget
        One per parameter of `FineTuneParams`.
    """

    def __init__(self, viewer: Any) -> None:
        self.rows = RowsForm(viewer)
        self.fields = make_fields()
        self.name_field = LineEdit(
            label="New model", tooltip="Name under which the new model is saved if it is better."
        )
        self.until_box = CheckBox(
            text="Train until it stops improving",
            value=True,
            tooltip="Else for a number of epochs.",
        )
        self.advanced_box = CheckBox(text="Advanced", value=False)
        self.run_button = PushButton(
            text="Fine-tune", tooltip="Check what was reviewed, then train in a process of its own."
        )
        self.cancel_button = PushButton(
            text="Cancel", tooltip="Stop and keep the best weights so far.", enabled=False
        )
        self.view = TrainingView()
        self.offer = Label(value="")
        self.resume_button = PushButton(text="Resume", tooltip="Go on from the last checkpoint.")
        self.forget_button = PushButton(text="Discard", tooltip="Delete what there is of it.")
        self.segment_button = PushButton(
            text="Segment again", tooltip="Segment the image with the new model, into a new layer."
        )
        self.save_button = PushButton(
            text="Save it", tooltip="Save the new model all the same, under the name above."
        )
        self.drop_button = PushButton(text="Discard it", tooltip="Delete the new model.")
        self.status = StatusLine()
        super().__init__(self._parts(), self.status)
        self.rows_layout.addStretch(1)
        self._polish()

    def _parts(self) -> list[Any]:
        basic = {n: w for n, w in self.fields.items() if not is_advanced(n)}
        advanced = [w for n, w in self.fields.items() if is_advanced(n)]
        basic_rows = [*basic.values(), self.name_field]
        basic_rows.insert(1, self.until_box)
        self._main = _column(basic_rows)
        self._advanced = _column(advanced)
        self._offers = _beside([self.resume_button, self.forget_button])
        self._ends = _beside([self.segment_button, self.save_button, self.drop_button])
        return [
            self.offer,
            self._offers,
            self.rows,
            self._main,
            self.advanced_box,
            self._advanced,
            _beside([self.run_button, self.cancel_button]),
            self.status,  # above what may need to be scrolled
            self._ends,
            self.view,
        ]

    def _polish(self) -> None:
        narrow([self.fields["model"]])
        self.fields["learning_rate"].native.setDecimals(RATE_DECIMALS)
        make_text(self.offer)
        make_steady_text(self.status, STATUS_LINES)
        self.rows.add_button.changed.connect(self.align)
        self.until_box.changed.connect(self._until_changed)
        self.fields["epochs"].changed.connect(self._epochs_changed)
        self._epochs_changed(0)
        self.advanced_box.changed.connect(self._show_advanced)
        self._show_advanced(False)
        self.show_offer("")
        self.show_end(segment=False, save=False)

    def _until_changed(self, until: bool) -> None:
        epochs = self.fields["epochs"]
        if until != (epochs.value == 0):
            epochs.value = 0 if until else EPOCHS

    def _epochs_changed(self, epochs: int) -> None:
        self.until_box.value = epochs == 0
        self.fields["epochs"].visible = epochs > 0

    def _show_advanced(self, shown: bool) -> None:
        self._advanced.visible = shown
        if shown:
            self.align()

    def align(self, *_: Any) -> None:
        """Give the labels beside all fields one width."""
        boxes = [
            box for row in self.rows.rows for box in (row.image_box, row.labels_box, row.region_box)
        ]
        align_labels([*boxes, *self.fields.values(), self.name_field])

    def show_offer(self, text: str) -> None:
        """Offer to go on with a training, or no longer."""
        self.offer.value = text
        self.offer.visible = self._offers.visible = bool(text)

    def show_end(self, *, segment: bool, save: bool) -> None:
        """Offer what can be done with a new model."""
        self.segment_button.visible = segment
        self.save_button.visible = self.drop_button.visible = save
        self._ends.visible = segment or save

    def show_running(self, running: bool) -> None:
        """Let only what is possible be pressed."""
        self.run_button.enabled = not running
        self.resume_button.enabled = self.forget_button.enabled = not running
        self.save_button.enabled = self.drop_button.enabled = not running
        self.segment_button.enabled = not running
        self.cancel_button.enabled = running


def make_fields() -> dict[str, ValueWidget]:
    """Return one field per parameter of fine-tuning."""
    fields = {}
    for name in FineTuneParams.model_fields:
        options = dict(OPTIONS.get(name, {}))
        if name == "model":
            options["choices"] = model_choices()
        fields[name] = field_widget(name, FineTuneParams, **options)
    return fields


def is_advanced(name: str) -> bool:
    """Whether a parameter is shown on demand only."""
    return FineTuneParams.model_fields[name].json_schema_extra == ADVANCED


def _column(widgets: list[Any]) -> Container:
    made = Container(widgets=widgets)
    made.margins = (0, 0, 0, 0)
    return made


def _beside(widgets: list[Any]) -> Container:
    made = Container(widgets=widgets, layout="horizontal", labels=False)
    made.margins = (0, 0, 0, 0)
    return made
