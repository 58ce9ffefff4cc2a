"""The form of the widget that segments nuclei."""

from typing import Any

from magicgui.widgets import Container, Label, ProgressBar, PushButton

from napari_nucseg.inference.relabel import LIVE_PARAMETERS
from napari_nucseg.params import LINK_PARAMETERS, SegmentParams, make_params
from napari_nucseg.widgets._image_form import ImageForm
from napari_nucseg.widgets._large_form import LargeForm
from napari_nucseg.widgets._link_form import LinkForm
from napari_nucseg.widgets._look import align_labels, keep_room, make_steady_text, narrow
from napari_nucseg.widgets._model_choice import model_choices
from napari_nucseg.widgets._params_form import field_widget, read_values
from napari_nucseg.widgets._scroll import ScrolledForm
from napari_nucseg.widgets._status import StatusLine
from napari_nucseg.widgets._tracks import TracksButton

SLIDERS = tuple(name for name in LIVE_PARAMETERS if name not in LINK_PARAMETERS)

STATUS_LINES = 4
"""What was found and why nuclei are missing; a longer text scrolls."""

LIVE_TITLE = "<b>Adjust the result</b> (without running again)"
UPDATING_TITLE = "<b>Updating the result ...</b>"
"""Not a bar that moves without end: without a GPU, drawing it can double the time of an update."""

LARGE_TITLE = "<b>Settings</b> (press Run after changing them)"


class SegmentForm(ScrolledForm):
    """All that the user sees of the widget.

    Parameters
    ----------
    viewer : napari.viewer.Viewer

    Attributes
    ----------
    image_form : ImageForm
        Image, axes, channels and part to segment.
    large_form : LargeForm
        Where the result of an image goes that is segmented in blocks.
    fields : dict of str to magicgui widget
        One per parameter of `SegmentParams` that the widget offers.
    """

    def __init__(self, viewer: Any) -> None:
        self.image_form = ImageForm(viewer)
        self._link, self.large_form = LinkForm(), LargeForm()
        self._updating = False
        self.fields = {
            "channels": self.image_form.channels,
            "model": field_widget("model", choices=model_choices(), widget_type="ComboBox"),
            **{name: field_widget(name) for name in ("diameter", *SLIDERS)},
            **self._link.fields,
            "probabilities": field_widget("probabilities"),
        }
        self.run_button = PushButton(text="Run", tooltip="Segment the nuclei.")
        self.cancel_button = PushButton(
            text="Cancel",
            tooltip="Stop; no layer is changed. Finished blocks are kept.",
            enabled=False,
        )
        self.progress = ProgressBar(visible=False)
        self.status = StatusLine()
        self.copy_button = PushButton(
            text="Copy as command",
            tooltip="Copy the shell line that does the same to the clipboard.",
        )
        self.tracks_button = TracksButton(viewer)
        super().__init__(self._rows(), self.status)
        self.rows_layout.addStretch(1)
        form = self.image_form
        narrow([form.image, form.axes, form.what, form.shapes, self.fields["model"]])
        make_steady_text(self.status, STATUS_LINES)
        keep_room(self.progress)
        for box in (form.image, form.axes, form.what):
            box.changed.connect(self.offer)
        self.offer()

    def _rows(self) -> list[Any]:
        fields = self.fields
        main = Container(widgets=[fields["model"], fields["diameter"], fields["probabilities"]])
        live = Container(widgets=[fields[name] for name in SLIDERS])
        buttons = Container(
            widgets=[self.run_button, self.cancel_button], layout="horizontal", labels=False
        )
        for group in (main, live, buttons):
            group.margins = (0, 0, 0, 0)
        self._live_title = Label(value=LIVE_TITLE)
        return [
            self.image_form,
            main,
            self.large_form,
            buttons,
            self.status,  # above what may need to be scrolled
            self.progress,
            self._live_title,
            live,
            self._link,
            self.tracks_button,  # it comes and goes
            self.copy_button,
        ]

    def params(self) -> SegmentParams:
        """Return the parameters in the form.

        Raises
        ------
        InputError
            One of them cannot be used.
        """
        hidden = set(self._link.unused(self.image_form.stacked))
        if self.image_form.reason_for_blocks:
            hidden.add("probabilities")
        if "C" not in (self.image_form.axes.value or ""):
            hidden.add("channels")
        fields = {name: field for name, field in self.fields.items() if name not in hidden}
        return make_params(read_values(fields))  # what is hidden, from an image before, is not used

    def offer(self, _: Any = None) -> None:
        """Show what the chosen image leaves open."""
        self.image_form.check_axes()
        reason = self.image_form.reason_for_blocks
        self.large_form.offer(self.image_form.image.value, reason)
        self.fields["probabilities"].visible = reason is None
        self._show_title()
        self._link.offer(self.image_form.stacked)

    def show_updating(self, updating: bool) -> None:
        """Show that the result is being adjusted, or no longer."""
        self._updating = updating
        self._show_title()

    def _show_title(self) -> None:
        live = UPDATING_TITLE if self._updating else LIVE_TITLE
        self._live_title.value = live if self.image_form.reason_for_blocks is None else LARGE_TITLE

    def align(self) -> None:
        """Give all labels one width."""
        align_labels([*self.image_form, self.large_form.target_field, *self.fields.values()])
