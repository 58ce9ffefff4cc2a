"""The dock widget that segments a folder or a plate."""

from pathlib import Path
from typing import Any
from weakref import ref

from napari.layers import Layer
from psygnal import Signal
from qtpy.compat import isalive
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_nucseg._types import CancelCheck, Progress
from napari_nucseg.batch.batch import Batch
from napari_nucseg.batch.items import Item
from napari_nucseg.batch.outcome import Outcome, Status
from napari_nucseg.command_line import command_line
from napari_nucseg.counted import counted
from napari_nucseg.errors import NucsegError
from napari_nucseg.io.inputs import IMAGE_SUFFIXES
from napari_nucseg.widgets._batch_form import BatchForm
from napari_nucseg.widgets._batch_run import BatchRun, TimeLeft
from napari_nucseg.widgets._batch_table import RUNNING, item_name
from napari_nucseg.widgets._dock import DockWatcher
from napari_nucseg.widgets._messages import model_lost, show_warning
from napari_nucseg.widgets._model_choice import ModelChoice
from napari_nucseg.widgets._opened import Opened, read_item, show_opened
from napari_nucseg.widgets._worker import Task
from napari_nucseg.widgets.menu import docked_segment_widget

NO_SEGMENT_WIDGET = "There is no Segment widget in this window to take parameters from."


class BatchWidget(BatchForm):
    """Segments the images of a folder, or the fields of a plate, as ``napari-nucseg segment`` does.

    What asks the user (`ask_folder`, `ask_files`, `ask_output`) are methods of their own.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer

    Attributes
    ----------
    finished : psygnal.Signal
        Emitted in the main thread after a batch ended, or an image was opened.
    """

    finished = Signal()

    def __init__(self, napari_viewer: Any) -> None:
        self._viewer = napari_viewer
        self._run: BatchRun | None = None
        self._opening: Task[Opened] | None = None
        self._batch: Batch | None = None
        self._time = TimeLeft(0)
        self._shown: dict[Path, list[ref[Layer]]] = {}  # what was opened, by the file of its labels
        self._shut = False
        super().__init__()
        self._connect()
        if docked_segment_widget(napari_viewer) is not None:
            self.take_params()

    def _connect(self) -> None:
        pressed = {
            self.run_button: self.run,
            self.cancel_button: self.cancel,
            self.take_button: self.take_params,
            self.open_button: self.open_chosen,
            self.copy_button: self.copy_command,
            self.folder_button: self.choose_folder,
            self.files_button: self.choose_files,
            self.output_button: self.choose_output,
        }
        for button, action in pressed.items():
            button.changed.connect(action)
        self.table.doubleClicked.connect(self.open_chosen)
        self.table.selectionModel().selectionChanged.connect(self._enable_open)
        self._watcher = DockWatcher(self.native, self._close, self.align)
        self._model_choice = ModelChoice(self.fields["model"], self._model_lost)

    @property
    def running(self) -> bool:
        """Whether a batch is under way, or an image is being opened."""
        return self._run is not None or self._opening is not None

    # choosing

    def take_params(self) -> None:
        """Take the parameters of the Segment widget of this window."""
        widget = docked_segment_widget(self._viewer)
        if widget is None:
            self.status.value = NO_SEGMENT_WIDGET
            return
        try:
            self.set_params(widget.params())
        except NucsegError as error:
            self.status.show_error(str(error))
            return
        self.status.value = "The parameters are those of the Segment widget."

    def choose_folder(self) -> None:
        """Ask for the folder or plate to segment."""
        folder = self.ask_folder()
        if folder is not None:
            self.set_inputs([folder])

    def choose_files(self) -> None:
        """Ask for single images."""
        files = self.ask_files()
        if files:
            self.set_inputs(files)

    def choose_output(self) -> None:
        """Ask where results go."""
        folder = self.ask_output()
        if folder is not None:
            self.output_field.value = folder

    def copy_command(self) -> None:
        """Copy the equivalent shell line to the clipboard."""
        try:
            asked = self.request()
        except NucsegError as error:
            self.status.show_error(str(error))
            return
        line = command_line(
            asked.inputs,
            asked.output,
            asked.axes,
            asked.params,
            pixel_size=asked.pixel_size,
            overwrite=asked.overwrite,
            workers=asked.workers,
        )
        QApplication.clipboard().setText(line)
        self.status.value = f"Copied: {line}"

    # running

    def run(self) -> None:
        """Segment all images in a thread; a press during a run is ignored."""
        if self._run is not None:
            return
        try:
            asked = self.request()
        except NucsegError as error:
            self.status.show_error(str(error))
            return
        self.show_running(True)
        self.table.rows.show_items([])
        self.status.value = "Looking for images ..."
        self._run = BatchRun(
            asked, self._planned, self._started, self._item_finished, self._show_tiles, self._ended
        )
        self._run.start()

    def cancel(self) -> None:
        """Stop within one tile; what is finished is kept."""
        if self._run is not None:
            self._run.cancel()
            self.status.value = "Stopping ..."

    def _planned(self, batch: Batch) -> None:
        if self._gone():
            return
        self._batch = batch
        self._time = TimeLeft(len(batch.items))
        self.table.rows.show_items(batch.items)
        self.progress.max = len(batch.items)
        self.progress.value = 0
        self.status.value = self._time.describe()

    def _started(self, item: Item) -> None:
        if not self._gone():
            self.table.rows.set_state(item, RUNNING)

    def _item_finished(self, item: Item, outcome: Outcome) -> None:
        if self._gone():
            return
        if outcome.status is not Status.SKIPPED:
            self._shown.pop(item.labels, None)  # Open reads the new labels
        self._time.count(outcome)
        self.table.rows.set_state(item, outcome)
        self.progress.value = self._time.done
        self.status.value = self._time.describe()
        if outcome.status is Status.FAILED:
            self.show_error_line(f"{item_name(item)}: {outcome.message}")
        self._enable_open()

    def _show_tiles(self, done: int, total: int, message: str) -> None:
        if self._run is not None and not self._gone() and total > 1:
            self.status.value = f"{self._time.describe()}; tile {done:,} of {total:,}: {message}"

    def _ended(self, task: Task[None]) -> None:
        batch = self._run.batch if self._run is not None else None
        self._run = None
        if self._gone():
            return
        self.show_running(False)
        self.table.rows.stop()
        if task.error is not None:
            self.status.show_error(str(task.error))
        elif task.failure is not None:  # napari has shown it
            self.status.value = f"That failed: {type(task.failure).__name__}: {task.failure}"
        elif batch is None:
            self.status.value = "Cancelled."
        elif task.cancelled:
            self.status.value = f"Cancelled. {batch.describe()}. Run goes on with the rest."
        else:
            self._show_end(batch)
        self.finished.emit()

    def _show_end(self, batch: Batch) -> None:
        self.status.value = f"{batch.describe()}; see {batch.summary.name} in the output folder."
        failed = batch.counts[Status.FAILED]
        if failed:
            images = counted(len(batch.items), "image")
            listed = "it is" if failed == 1 else "they are"
            show_warning(f"{failed} of {images} failed; {listed} listed below.")

    # opening

    def open_chosen(self, _: Any = None) -> None:
        """Add the chosen image and its labels to napari, or show them if they are there."""
        item, batch = self.table.chosen, self._batch
        if item is None or batch is None or self._opening or not self.table.has_result():
            return
        shown = [layer() for layer in self._shown.get(item.labels, ())]
        if shown and all(layer in self._viewer.layers for layer in shown):
            self._viewer.layers.selection.active = shown[-1]
            return

        def work(_progress: Progress, _cancelled: CancelCheck) -> Opened:
            return read_item(item, batch.work)

        def done(task: Task[Opened]) -> None:
            self._opening = None
            if self._gone():
                return
            if task.result is not None:
                layers = show_opened(self._viewer, task.result)
                self._shown[item.labels] = [ref(layer) for layer in layers]
            elif task.error is not None:
                self.status.show_error(str(task.error))
            self.finished.emit()

        self._opening = Task(work, f"opening {item_name(item)}", done)
        self._opening.start()

    def _enable_open(self, *_: Any) -> None:
        if not self._gone():
            self.open_button.enabled = self.table.has_result()

    # the rest

    def _model_lost(self, name: str) -> None:
        self.status.value = model_lost(name, self.fields["model"].value)
        show_warning(self.status.value)

    def _gone(self) -> bool:
        return self._shut or not isalive(self.native)

    def _close(self) -> None:
        self._shut = True
        if self._run is not None:
            self._run.cancel()

    def ask_folder(self) -> str | None:
        """Ask which folder or plate to segment."""
        folder = QFileDialog.getExistingDirectory(self.native, "Folder of images, or plate")
        return folder or None

    def ask_files(self) -> list[str]:
        """Ask which images to segment."""
        kinds = f"Images ({' '.join('*' + suffix for suffix in IMAGE_SUFFIXES)})"
        files, _ = QFileDialog.getOpenFileNames(self.native, "Images", "", kinds)
        return [str(Path(file)) for file in files]

    def ask_output(self) -> str | None:
        """Ask where results go."""
        folder = QFileDialog.getExistingDirectory(self.native, "Folder for the results")
        return folder or None
