"""The upper part of the widget: which layers and which folder a model learns from."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from magicgui.widgets import ComboBox, Container, Label, PushButton
from napari.layers import Image, Labels, Layer, Shapes
from qtpy.QtWidgets import QFileDialog

from napari_nucseg.errors import InputError
from napari_nucseg.widgets import _finetune_messages as messages
from napari_nucseg.widgets._correction import source_of
from napari_nucseg.widgets._image_fit import fit_or_none
from napari_nucseg.widgets._layers import choices_of, full_resolution
from napari_nucseg.widgets._look import make_text, narrow, renew_choices
from napari_nucseg.widgets._origin import find_source
from napari_nucseg.widgets._results import RECORD
from napari_nucseg.widgets._training_data import REVIEWED, WHOLE, Source, take_source


class RowForm(Container):
    """One image with its corrected labels and what of them was reviewed.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    remove : callable
        Called with the row whose button was pressed.
    """

    def __init__(self, viewer: Any, remove: Callable[["RowForm"], None]) -> None:
        self._viewer = viewer
        self.image_box = ComboBox(
            label="Image", choices=self._images, tooltip="The image layer that was corrected."
        )
        self.labels_box = ComboBox(
            label="Labels", choices=self._labels, tooltip="The labels layer with its nuclei."
        )
        self.region_box = ComboBox(
            label="Reviewed",
            choices=self._regions,
            tooltip=(
                "Where the labels are right; nothing else is learned from. A shapes layer counts "
                "with its rectangles, ellipses and polygons."
            ),
        )
        self.channel_box = ComboBox(
            label="Channel", choices=[0], tooltip="The channel with the nuclear stain, from 0."
        )
        self.remove_button = PushButton(
            text="Remove this row", tooltip="The layers stay as they are."
        )
        super().__init__(
            widgets=[
                self.image_box,
                self.labels_box,
                self.region_box,
                self.channel_box,
                self.remove_button,
            ],
            labels=True,
        )
        self.margins = (0, 0, 0, 0)
        narrow(self.layer_boxes())
        self.image_box.changed.connect(self._image_changed)
        self.labels_box.changed.connect(self._show_channels)
        self.remove_button.changed.connect(lambda: remove(self))
        self._propose()
        self._show_channels()

    def layer_boxes(self) -> list[ComboBox]:
        """Return what chooses layers."""
        return [self.image_box, self.labels_box, self.region_box]

    def _images(self, _widget: Any = None) -> list[tuple[str, Any]]:
        return [
            pair
            for pair in choices_of(self._viewer.layers, Image)
            if RECORD not in pair[1].metadata
        ]

    def _labels(self, _widget: Any = None) -> list[tuple[str, Any]]:
        return choices_of(self._viewer.layers, Labels)

    def _regions(self, _widget: Any = None) -> list[tuple[str, Any]]:
        fixed = [("as marked in Correct", REVIEWED), ("the whole image", WHOLE)]
        return [*fixed, *choices_of(self._viewer.layers, Shapes)]

    def refresh(self) -> None:
        """Read the layer list again; the chosen layers stay chosen, whatever their names."""
        for box in self.layer_boxes():
            renew_choices(box)

    def _propose(self) -> None:
        """Choose the active layer and what belongs to it."""
        active = self._viewer.layers.selection.active
        if isinstance(active, Labels) and active in self.labels_box.choices:
            source = source_of(active, self._viewer.layers)
            if source in self.image_box.choices:
                self.image_box.value = source
            self.labels_box.value = active
        elif isinstance(active, Image) and active in self.image_box.choices:
            self.image_box.value = active
            self._image_changed()
        else:
            self._image_changed()

    def _image_changed(self, _image: Any = None) -> None:
        """Choose the labels that were made from the image, else the last that fit it."""
        image = self.image_box.value
        if image is not None:
            images = self.image_box.choices
            made = [c for c in self.labels_box.choices if _made_from(c, image, images)]
            fitting = made or [c for c in self.labels_box.choices if _fits(image, c)]
            if fitting and self.labels_box.value not in fitting:
                self.labels_box.value = fitting[-1]
        self._show_channels()

    def _show_channels(self, _labels: Any = None) -> None:
        """Offer the channels of the image if it has any."""
        image, labels = self.image_box.value, self.labels_box.value
        count, proposed = 1, 0
        if image is not None and labels is not None:
            fit = fit_or_none(image, labels)
            if fit is not None and "C" in fit.axes:
                count = full_resolution(image).shape[fit.axes.index("C")]
                used = labels.metadata.get(RECORD, {}).get("parameters", {}).get("channels", ())
                proposed = used[0] if len(used) == 1 and used[0] < count else 0
        if list(self.channel_box.choices) != list(range(count)):
            self.channel_box.choices = list(range(count))
        self.channel_box.value = proposed
        self.channel_box.visible = count > 1

    @property
    def is_complete(self) -> bool:
        """Whether it names an image and labels."""
        return self.image_box.value is not None and self.labels_box.value is not None

    def source(self) -> Source | None:
        """Return what the row names; None if it names nothing.

        Raises
        ------
        InputError
            It cannot be used.
        """
        image, labels = self.image_box.value, self.labels_box.value
        if labels is None and image is None:
            return None
        if image is None:
            raise InputError(messages.NO_IMAGE)
        if labels is None:
            raise InputError(messages.NO_LABELS)
        return take_source(
            image, labels, self.region_box.value, self.channel_box.value, self._viewer
        )


class RowsForm(Container):
    """Rows of layers, and a data folder.

    `ask_folder` asks the user.

    Parameters
    ----------
    viewer : napari.viewer.Viewer

    Attributes
    ----------
    rows : list of RowForm
    folder : Path or None
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self.rows: list[RowForm] = []
        self.folder: Path | None = None
        self._box = Container(widgets=[], labels=False)
        self.add_button = PushButton(
            text="Add a row", tooltip="Learn from another image and its labels as well."
        )
        self.folder_button = PushButton(
            text="Data folder...",
            tooltip=(
                "Learn from a folder with images/, labels/ and, where not everything was "
                "reviewed, reviewed/ as well."
            ),
        )
        self.forget_button = PushButton(text="Without the folder", tooltip="Do not use it.")
        buttons = Container(
            widgets=[self.add_button, self.folder_button],
            layout="horizontal",
            labels=False,
        )
        self.folder_text = Label(value="")
        super().__init__(
            widgets=[self._box, buttons, self.folder_text, self.forget_button], labels=False
        )
        for box in (self, self._box, buttons):
            box.margins = (0, 0, 0, 0)
        make_text(self.folder_text)
        self.add_button.changed.connect(self.add_row)
        self.folder_button.changed.connect(self.choose_folder)
        self.forget_button.changed.connect(lambda: self.set_folder(None))
        self.add_row()
        self.set_folder(None)

    def add_row(self, *_: Any) -> RowForm:
        """Add a row that proposes the active layer."""
        row = RowForm(self._viewer, self.remove_row)
        self.rows.append(row)
        self._box.append(row)
        self._show_buttons()
        return row

    def remove_row(self, row: RowForm) -> None:
        """Take a row away."""
        self.rows.remove(row)
        self._box.remove(row)
        row.native.deleteLater()
        self._show_buttons()

    def _show_buttons(self) -> None:
        for row in self.rows:
            row.remove_button.visible = len(self.rows) > 1 or self.folder is not None

    def refresh(self) -> None:
        """Read the layer list again."""
        for row in self.rows:
            row.refresh()

    def choose_folder(self) -> None:
        """Ask for a data folder."""
        folder = self.ask_folder()
        if folder is not None:
            self.set_folder(folder)

    def ask_folder(self) -> Path | None:
        """Ask which folder to learn from."""
        path = QFileDialog.getExistingDirectory(self.native, "Data folder")
        return Path(path) if path else None

    def set_folder(self, folder: Path | None) -> None:
        """Learn from a folder as well, or from none."""
        self.folder = folder
        self.folder_text.value = "" if folder is None else str(folder)
        self.folder_text.visible = self.forget_button.visible = folder is not None
        if folder is None and not self.rows:
            self.add_row()
        self._show_buttons()

    def layers(self) -> list[Layer]:
        """Return the layers that rows with both an image and labels name."""
        rows = [row for row in self.rows if row.is_complete]
        return [layer for row in rows for layer in (row.image_box.value, row.labels_box.value)]

    def sources(self) -> list[Source]:
        """Return what the rows name.

        Raises
        ------
        InputError
            One of them cannot be used, or there is nothing to learn from.
        """
        rows = self.rows
        if self.folder is not None:
            rows = [row for row in rows if row.is_complete]
        found = [source for source in (row.source() for row in rows) if source is not None]
        if not found and self.folder is None:
            raise InputError(messages.NO_ROWS)
        return found


def _made_from(labels: Labels, image: Image, images: Sequence[Image]) -> bool:
    source = find_source(labels.metadata.get(RECORD, {}), images)
    return source is image and _fits(image, labels)


def _fits(image: Image, labels: Labels) -> bool:
    return fit_or_none(image, labels) is not None
