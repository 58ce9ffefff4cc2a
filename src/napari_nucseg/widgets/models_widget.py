"""The dock widget that lists, shares, renames and removes models."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from magicgui.widgets import Container, PushButton
from psygnal import Signal
from qtpy.compat import isalive
from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog, QInputDialog, QMessageBox, QPlainTextEdit

from napari_nucseg import registry
from napari_nucseg._types import CancelCheck, Progress
from napari_nucseg.errors import NameTaken
from napari_nucseg.registry import Entry
from napari_nucseg.widgets import _messages as messages
from napari_nucseg.widgets._dock import DockWatcher
from napari_nucseg.widgets._look import make_steady_text
from napari_nucseg.widgets._model_choice import RegistryWatch
from napari_nucseg.widgets._models_table import ModelsTable
from napari_nucseg.widgets._scroll import ScrolledForm
from napari_nucseg.widgets._status import StatusLine
from napari_nucseg.widgets._worker import Task

ZIP = "Models (*.zip)"

STATUS_LINES = 2

Work = Callable[[CancelCheck], str]
"""Does something to models and returns the name of the one to choose then."""


class ModelsWidget(ScrolledForm):
    """Lists the bundled models and the user's; imports, exports, renames and removes them.

    What asks the user (`ask_zip`, `ask_target`, `ask_name`, `confirm_removal`) and what opens a
    folder (`open_path`) are methods of their own.

    Attributes
    ----------
    table : ModelsTable
    details : QPlainTextEdit
        All that is known about the chosen model.
    finished : psygnal.Signal
        Emitted in the main thread after something was done, or was refused.
    """

    finished = Signal()

    def __init__(self) -> None:
        self._task: Task[str] | None = None
        self.table = ModelsTable()
        self.details = QPlainTextEdit()
        self.details.setReadOnly(True)
        self.details.setPlaceholderText("Choose a model to see what it is and where it is from.")
        self.import_button = PushButton(
            text="Import...", tooltip="Add a model from a zip file. Nothing in it is executed."
        )
        self.export_button = PushButton(
            text="Export...", tooltip="Write the chosen model to one zip file, to share it."
        )
        self.rename_button = PushButton(text="Rename...", tooltip="Rename one of your models.")
        self.remove_button = PushButton(text="Remove...", tooltip="Delete one of your models.")
        self.folder_button = PushButton(
            text="Open folder", tooltip="Show the files of the chosen model, or all your models."
        )
        self.status = StatusLine()
        super().__init__(self._rows(), self.status)
        self.rows_layout.insertWidget(0, self.table, 2)
        self.rows_layout.insertWidget(1, self.details, 1)
        make_steady_text(self.status, STATUS_LINES)
        self._connect()
        self._watcher = DockWatcher(self.native)
        self._watch = RegistryWatch(self.native, self._registry_changed)
        self.refresh()

    def _rows(self) -> list[Any]:
        rows = [
            [self.import_button, self.export_button],
            [self.rename_button, self.remove_button, self.folder_button],
        ]
        boxes = [Container(widgets=row, layout="horizontal", labels=False) for row in rows]
        for box in boxes:
            box.margins = (0, 0, 0, 0)
        return [*boxes, self.status]

    def _connect(self) -> None:
        self.import_button.changed.connect(self.import_model)
        self.export_button.changed.connect(self.export_model)
        self.rename_button.changed.connect(self.rename_model)
        self.remove_button.changed.connect(self.remove_model)
        self.folder_button.changed.connect(self.open_folder)
        self.table.itemSelectionChanged.connect(self._show_chosen)

    @property
    def running(self) -> bool:
        """Whether something is being done to models."""
        return self._task is not None

    def refresh(self, chosen: str | None = None) -> None:
        """Read the models again; the chosen one stays chosen, or `chosen` becomes it."""
        before = self.table.chosen
        entries = registry.list_models()
        wanted = chosen or (before.name if before else None)
        if entries != self.table.entries or (before.name if before else None) != wanted:
            self.table.show_entries(entries, wanted)
            self._show_chosen()
        problem = registry.folder_problem()
        if problem is not None:
            self.status.value = problem

    def _registry_changed(self, old: str, new: str) -> None:
        if isalive(self.native):
            before = self.table.chosen
            self.refresh(new if before is not None and before.name == old else None)

    def _show_chosen(self) -> None:
        entry = self.table.chosen
        facts = [] if entry is None else registry.model_facts(entry)
        self.details.setPlainText("\n".join(f"{name}: {text}" for name, text in facts))
        self._enable()

    def _enable(self) -> None:
        entry, free = self.table.chosen, not self.running
        own = entry is not None and not entry.bundled
        good = entry is not None and entry.model is not None
        self.import_button.enabled = free
        self.export_button.enabled = free and good
        self.rename_button.enabled = free and own and good
        self.remove_button.enabled = free and own

    def import_model(self) -> None:
        """Ask for a zip file and add the model in it."""
        path = self.ask_zip()
        if path is not None:
            self._import(path, None)

    def _import(self, path: Path, name: str | None) -> None:
        self._start(
            lambda cancelled: registry.import_model(path, name, cancelled=cancelled).name,
            f"importing {path.name}",
            partial(self._imported, path),
        )

    def _imported(self, path: Path, task: Task[str]) -> None:
        """Ask for another name if the model's own belongs to another one."""
        if isinstance(task.error, NameTaken):
            name = self.ask_name(str(task.error), f"{path.stem}-2")
            if name is not None:
                self._import(path, name)
                return
        self._report(task, f"Imported '{task.result}'.")

    def export_model(self) -> None:
        """Ask for a file and write the chosen model to it."""
        entry = self.table.chosen
        path = self.ask_target(entry.name) if entry is not None else None
        if entry is None or path is None:
            return

        def work(cancelled: CancelCheck) -> str:
            # The dialog has asked already whether to replace the file.
            registry.export_model(entry.name, path, overwrite=True, cancelled=cancelled)
            return entry.name

        self._start(
            work,
            f"exporting '{entry.name}'",
            partial(self._report, text=f"Exported '{entry.name}' to {path}."),
        )

    def rename_model(self) -> None:
        """Ask for a name and give it to the chosen model."""
        entry = self.table.chosen
        name = self.ask_name(f"New name of '{entry.name}'", entry.name) if entry else None
        if entry is None or name is None or name == entry.name:
            return
        self._start(
            lambda _: registry.rename_model(entry.name, name).name,
            f"renaming '{entry.name}'",
            partial(self._report, text=f"Renamed '{entry.name}' to '{name}'."),
        )

    def remove_model(self) -> None:
        """Delete the chosen model, if the user says so once more."""
        entry = self.table.chosen
        if entry is None or not self.confirm_removal(entry):
            return

        def work(_: CancelCheck) -> str:
            registry.remove_model(entry.name)
            return ""

        text = f"Removed '{entry.name}'."
        self._start(work, f"removing '{entry.name}'", partial(self._report, text=text))

    def open_folder(self) -> None:
        """Show the folder of the chosen model, or that of all the user's models."""
        entry = self.table.chosen
        path = registry.models_folder() if entry is None else entry.path
        if path.is_dir():
            self.open_path(path)
        else:
            self.status.value = f"{path} does not exist yet: you have no models of your own."

    def _start(self, work: Work, title: str, done: Callable[[Task[str]], None]) -> None:
        """Do something in a thread; one thing at a time."""
        if self.running:
            return

        def run(_: Progress, cancelled: CancelCheck) -> str:
            return work(cancelled)

        def ended(task: Task[str]) -> None:
            self._task = None
            if isalive(self.native):
                done(task)
            self.finished.emit()

        self._task = Task(run, title, ended)
        self.status.value = f"{title[0].upper()}{title[1:]} ..."
        self._enable()
        self._task.start()

    def _report(self, task: Task[str], text: str) -> None:
        """Say how it ended, and choose the model that it was about."""
        if task.error is not None:
            self.status.show_error(str(task.error))
        elif task.failure is not None:  # napari has shown it
            self.status.value = f"That failed: {type(task.failure).__name__}: {task.failure}"
        else:
            self.status.value = messages.CANCELLED if task.cancelled else text
        self.refresh(task.result or None)
        self._enable()

    def ask_zip(self) -> Path | None:
        """Ask which file to import."""
        path, _ = QFileDialog.getOpenFileName(self.native, "Import a model", "", ZIP)
        return Path(path) if path else None

    def ask_target(self, name: str) -> Path | None:
        """Ask where to export a model to; asks again before it gives an existing file."""
        proposed = f"{name}.zip"
        path, _ = QFileDialog.getSaveFileName(self.native, "Export the model", proposed, ZIP)
        return Path(path) if path else None

    def ask_name(self, question: str, proposed: str) -> str | None:
        """Ask for the name of a model."""
        name, agreed = QInputDialog.getText(self.native, "Name", question, text=proposed)
        return name.strip() if agreed and name.strip() else None

    def confirm_removal(self, entry: Entry) -> bool:
        """Ask whether a model shall really be deleted."""
        yes, no = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No
        question = f"Delete the model '{entry.name}' in {entry.path} for good?"
        return QMessageBox.question(self.native, "Remove", question, yes | no, no) == yes

    def open_path(self, path: Path) -> None:
        """Open a folder in the file manager."""
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))
