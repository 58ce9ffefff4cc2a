"""The form of the batch widget: where images are, where results go, the parameters."""

import os
from pathlib import Path
from typing import Any

from magicgui.widgets import CheckBox, Container, LineEdit, ProgressBar, PushButton, SpinBox
from qtpy.QtWidgets import QPlainTextEdit

from napari_nucseg.errors import InputError
from napari_nucseg.inference.relabel import LIVE_PARAMETERS
from napari_nucseg.io.pixel_size import parse_pixel_size
from napari_nucseg.params import LINK_PARAMETERS, SegmentParams, make_params
from napari_nucseg.widgets._batch_run import BatchRequest
from napari_nucseg.widgets._batch_table import BatchTable
from napari_nucseg.widgets._link_form import LinkForm
from napari_nucseg.widgets._look import align_labels, keep_room, make_steady_text, narrow, row
from napari_nucseg.widgets._model_choice import model_choices
from napari_nucseg.widgets._params_form import field_widget, read_values, show_channels
from napari_nucseg.widgets._scroll import ScrolledForm
from napari_nucseg.widgets._status import StatusLine

SEPARATOR = "; "
"""Between several files in the field for the input."""

MAX_ERRORS = 1000
"""Failed images that are listed; the summary has all."""

MAX_WORKERS = 256

STATUS_LINES = 4
"""What was segmented, skipped and why, and what failed."""

MAIN = ("model", "diameter")
"""Parameters that are always shown; the others are among the further settings."""

SWITCHES = ("drop_border", "probabilities")

FURTHER = "More settings"


class BatchForm(ScrolledForm):
    """All that the user sees of the batch widget: the further settings, or the table instead.

    Attributes
    ----------
    input_field, output_field, axes_field, pixel_size_field : LineEdit
    fields : dict of str to magicgui widget
        One per parameter of `SegmentParams` that the widget offers.
    table : BatchTable
    errors : QPlainTextEdit
        One line per failed image.
    """

    def __init__(self) -> None:
        self._make_fields()
        self.table = BatchTable()
        self.errors = QPlainTextEdit()
        self.errors.setReadOnly(True)
        self.errors.setMaximumBlockCount(MAX_ERRORS)
        super().__init__(self._rows(), self.status)
        layout = self.rows_layout
        layout.insertWidget(layout.count() - 1, self.table, 2)
        layout.insertWidget(layout.count() - 1, self.errors, 1)
        layout.setStretchFactor(self._further.native, 1)
        self._further.native.layout().addStretch(1)
        narrow([self.fields["model"]])
        make_steady_text(self.status, STATUS_LINES)
        keep_room(self.progress)
        self._watch_further()

    def _make_fields(self) -> None:
        self.input_field = LineEdit(
            label="Input",
            tooltip="A folder of images, a pattern such as '/data/day1/*.tif', files, or an "
            "OME-Zarr plate.",
        )
        self.output_field = LineEdit(
            label="Output", tooltip="Folder for the results, created if it is missing."
        )
        self.axes_field = LineEdit(
            label="Axes", tooltip="Such as ZYX, of all images. Empty: as each file states."
        )
        self.pixel_size_field = LineEdit(
            label="Pixel size",
            tooltip="Micrometres per pixel of all images: one number for Y and X, such as 0.32, or "
            "one for each axis, such as Z=2,Y=0.32,X=0.32. Empty: as each file states.",
        )
        self._stated = [self.axes_field, self.pixel_size_field]
        self.folder_button = PushButton(text="Folder or plate...", tooltip="Choose the input.")
        self.files_button = PushButton(text="Files...", tooltip="Choose single images.")
        self.output_button = PushButton(text="Output...", tooltip="Choose where results go.")
        sliders = [name for name in LIVE_PARAMETERS if name not in LINK_PARAMETERS]
        self._link = LinkForm()
        self.fields = {
            "model": field_widget("model", choices=model_choices(), widget_type="ComboBox"),
            **{name: field_widget(name) for name in ("diameter", "channels", *sliders)},
            "probabilities": field_widget("probabilities"),
            **self._link.fields,
        }
        self.axes_field.changed.connect(self._offer_links)
        self._offer_links()
        self.take_button = PushButton(
            text="Take from Segment", tooltip="Take the parameters of the Segment widget."
        )
        self.further_box = CheckBox(
            text=FURTHER, tooltip="Show the other settings; Run shows the images again."
        )
        self.workers_field = SpinBox(
            label="Processes",
            min=1,
            max=MAX_WORKERS,
            tooltip="Processes that share the images and the cores; for many small images.",
        )
        self.overwrite_field = CheckBox(
            text="Overwrite", tooltip="Compute results that exist already again."
        )
        self.run_button = PushButton(text="Run", tooltip="Segment all images.")
        self.cancel_button = PushButton(
            text="Cancel", tooltip="Stop; what is finished is kept.", enabled=False
        )
        self.progress = ProgressBar(visible=False)
        self.status = StatusLine()
        self.open_button = PushButton(
            text="Open", tooltip="Add the chosen image and its labels to napari.", enabled=False
        )
        self.copy_button = PushButton(
            text="Copy as command", tooltip="Copy the shell line that does the same."
        )

    def _rows(self) -> list[Any]:
        where = Container(widgets=[self.input_field, self.output_field])
        main = Container(widgets=[self.fields[name] for name in MAIN])
        aside = (*MAIN, *SWITCHES, *LINK_PARAMETERS)
        plain = [field for name, field in self.fields.items() if name not in aside]
        settings = Container(widgets=[*self._stated, *plain, self.workers_field])
        switches = row(*(self.fields[name] for name in SWITCHES))
        self._further = Container(widgets=[settings, switches, self._link], labels=False)
        for group in (where, main, settings, self._further):
            group.margins = (0, 0, 0, 0)
        return [
            where,
            row(self.folder_button, self.files_button, self.output_button),
            main,
            row(self.take_button, self.further_box),
            row(self.run_button, self.cancel_button, self.overwrite_field),
            self.progress,
            self.status,
            self._further,
            row(self.open_button, self.copy_button),
        ]

    def _watch_further(self) -> None:
        """Show the further settings on demand only, and tell how many of them were changed."""
        fields = [*self._stated, self.workers_field]
        fields += [field for name, field in self.fields.items() if name not in MAIN]
        usual = [(field, field.value) for field in fields]

        def count(_: Any = None) -> None:
            changed = sum(field.value != value for field, value in usual)
            self.further_box.text = f"{FURTHER} ({changed} changed)" if changed else FURTHER

        for field in fields:
            field.changed.connect(count)
        # From the form, too, which would forget an error whose field is looked for.
        self.further_box.changed.disconnect()
        self.further_box.changed.connect(self._show_further)
        self._show_further(False)

    def _show_further(self, shown: bool) -> None:
        self._further.visible = shown
        self.table.setVisible(not shown)
        self.errors.setVisible(not shown and bool(self.errors.toPlainText()))
        self.open_button.visible = not shown
        if shown:
            self.align()

    def _axes(self) -> str:
        """Return the stated axes; without them, images may have both that can be linked."""
        return self.axes_field.value.strip().upper() or "TZ"

    def _offer_links(self, _: Any = None) -> None:
        self._link.offer(self._axes())

    def align(self) -> None:
        """Give all labels one width; those of the further settings another, as they are longer."""
        main = [self.fields[name] for name in MAIN]
        align_labels([self.input_field, self.output_field, *main])
        others = [field for name, field in self.fields.items() if name not in MAIN]
        align_labels([*self._stated, *others, self.workers_field])

    def set_params(self, params: SegmentParams) -> None:
        """Show parameters.

        Parameters
        ----------
        params : SegmentParams
        """
        for name, field in self.fields.items():
            value = getattr(params, name)
            field.value = show_channels(value) if name == "channels" else value

    def set_inputs(self, paths: list[str]) -> None:
        """Show what was chosen, and propose an output folder beside it."""
        proposed = _beside(self.input_field.value)
        if self.output_field.value in ("", proposed):
            self.output_field.value = _beside(paths[0])
        self.input_field.value = SEPARATOR.join(paths)

    def request(self) -> BatchRequest:
        """Return what the form asks for.

        Raises
        ------
        InputError
            Something is missing or cannot be used.
        """
        text, output = self.input_field.value.strip(), self.output_field.value.strip()
        if not text:
            raise InputError("Choose what to segment first: a folder, files or a plate.")
        if not output:
            raise InputError("Choose an output folder for the results first.")
        # Not Path.exists, which raises for a text that is too long for a path.
        whole = SEPARATOR.strip() not in text or os.path.exists(text)
        inputs = [text] if whole else [one.strip() for one in text.split(SEPARATOR.strip())]
        return BatchRequest(
            [one for one in inputs if one],
            output,
            make_params({**read_values(self.fields), **self._link.unused(self._axes())}),
            self.axes_field.value.strip() or None,
            parse_pixel_size(self.pixel_size_field.value.strip() or None),
            self.overwrite_field.value,
            self.workers_field.value,
        )

    def show_running(self, running: bool) -> None:
        """Show that a batch is under way, or is no more."""
        self.run_button.enabled = not running
        self.cancel_button.enabled = running
        self.progress.visible = running
        if running:
            self.progress.max = 0  # a busy bar, until the images are found
            self.errors.clear()
            self.errors.setVisible(False)
            self.further_box.value = False

    def show_error_line(self, line: str) -> None:
        """List a failed image."""
        self.errors.appendPlainText(line)
        self.errors.setVisible(not self.further_box.value)


def _beside(inputs: str) -> str:
    """Return the folder to propose for results: beside what is segmented."""
    if not inputs:
        return ""
    path = Path(inputs.split(SEPARATOR)[0])
    folder = path.parent if path.is_file() else path
    if not folder.name:  # a drive, which has nothing beside it
        return str(folder / "nuclei")
    return str(folder.with_name(f"{folder.stem}_nuclei"))
