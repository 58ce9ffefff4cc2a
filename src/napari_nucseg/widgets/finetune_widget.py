"""The dock widget that adapts a model to corrected labels."""

import shutil
from pathlib import Path
from typing import Any
from weakref import WeakSet

from napari.layers import Image, Layer
from psygnal import Signal
from qtpy.compat import isalive

from napari_nucseg import registry
from napari_nucseg._types import AnyArray, CancelCheck, Progress
from napari_nucseg.errors import InputError, NucsegError
from napari_nucseg.finetune_params import FineTuneParams, make_finetune_params
from napari_nucseg.params import DEFAULT_MODEL
from napari_nucseg.training.finetune.job import CHECKPOINT
from napari_nucseg.training.finetune.messages import Log, Message, Verdict
from napari_nucseg.training.finetune.plan import base_model_problem
from napari_nucseg.training.finetune.start import FineTuneResult, remove_job, save_candidate
from napari_nucseg.training.finetune.target import check_output
from napari_nucseg.widgets import _finetune_messages as messages
from napari_nucseg.widgets._dock import DockWatcher
from napari_nucseg.widgets._finetune_form import FineTuneForm
from napari_nucseg.widgets._layers import full_resolution, image_named
from napari_nucseg.widgets._messages import failed, model_lost, show_warning
from napari_nucseg.widgets._model_choice import ModelChoice
from napari_nucseg.widgets._params_form import read_values
from napari_nucseg.widgets._training_data import Request, prepare_job
from napari_nucseg.widgets._training_run import Ending, TrainingRun
from napari_nucseg.widgets._unfinished_jobs import Unfinished, unfinished_jobs
from napari_nucseg.widgets._used_image import UsedImage
from napari_nucseg.widgets._worker import Task
from napari_nucseg.widgets.menu import segment_widget

NAME_LENGTH = 50
"""Characters of the base model's name that a proposed name keeps."""


class FineTuneWidget(FineTuneForm):
    """Fine-tunes a model on corrected labels, in a child process.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer

    Attributes
    ----------
    finished : psygnal.Signal
        Emitted in the main thread after a training, or what was done with its model, ended.
    """

    finished = Signal()

    def __init__(self, napari_viewer: Any) -> None:
        self._viewer = napari_viewer
        self._task: Task[Any] | None = None
        self._training: TrainingRun | None = None
        self._saved = ""
        self._unsaved: Path | None = None
        self._unfinished: Unfinished | None = None
        self._proposed = ""
        self._used: WeakSet[Layer] = WeakSet()
        self._trained_on: UsedImage | None = None
        self._shut = False
        super().__init__(napari_viewer)
        self._connect()
        self._propose_name()
        self._look_for_unfinished()

    def _connect(self) -> None:
        pressed = {
            self.run_button: self.run,
            self.cancel_button: self.cancel,
            self.resume_button: self.resume,
            self.forget_button: self.forget,
            self.segment_button: self.segment_again,
            self.save_button: self.save_anyway,
            self.drop_button: self.drop,
        }
        for button, action in pressed.items():
            button.changed.connect(action)
        self.fields["model"].changed.connect(self._propose_name)
        layers = self._viewer.layers
        layers.events.removed.connect(self._layer_removed)
        for event in ("inserted", "removed", "reordered", "renamed"):
            getattr(layers.events, event).connect(self.reset_choices)
        self._watcher = DockWatcher(self.native, self._close, self.align)
        self._model_choice = ModelChoice(self.fields["model"], self._model_lost)

    @property
    def running(self) -> bool:
        """Whether anything is being prepared, trained or saved."""
        return self._task is not None or self._training is not None

    @property
    def child(self) -> int | None:
        """Process id of the training process, while there is one."""
        return None if self._training is None else self._training.pid

    def params(self) -> FineTuneParams:
        """Return the parameters in the form.

        Raises
        ------
        InputError
            One of them cannot be used.
        """
        return make_finetune_params(read_values(self.fields))

    def validation_error(self) -> str | None:
        """Return in one sentence why nothing can be started, as far as that is known at once."""
        try:
            self._request()
        except NucsegError as error:
            return str(error)
        return None

    def _request(self) -> Request:
        if TrainingRun.active:
            raise InputError(messages.BUSY)
        output = str(self.name_field.value).strip()
        if not output:
            raise InputError(messages.NO_NAME)
        registry.check_name(output)  # the path of a folder is for the shell
        params = self.params()
        sources = self.rows.sources()
        check_output(output)
        return Request(sources, self.rows.folder, output, params)

    # starting

    def run(self) -> None:
        """Check and write the data in a thread, then start the training."""
        if self.running:
            return
        try:
            request = self._request()
        except NucsegError as error:
            self.status.show_error(str(error))
            return
        self._trained_on = self._shown_image()
        self._used = WeakSet(self.rows.layers())
        self._begin(messages.PREPARING)

        def work(_: Progress, cancelled: CancelCheck) -> Path:
            return prepare_job(request, cancelled)

        self._task = Task(work, "preparing a fine-tuning", self._prepared)
        self._task.start()

    def _begin(self, text: str) -> None:
        self._saved, self._unsaved = "", None
        self.view.clear()
        self.view.wait()
        self.show_end(segment=False, save=False)
        self.show_running(True)
        self.status.value = text

    def _prepared(self, task: Task[Path]) -> None:
        self._task = None
        if self._shut or not isalive(self.native) or task.cancelled:
            if task.result is not None:  # written, and not to be started any more
                shutil.rmtree(task.result, ignore_errors=True)
            self._stand_by(messages.CANCELLED)
        elif task.result is None:
            self._stand_by("")
            self._show_problem(task)
        else:
            self._train(task.result)

    def _train(self, job: Path) -> None:
        """Start the child process on a job folder."""
        try:
            self._training = TrainingRun(job, self._told, self._ended)
            self._training.start()
        except NucsegError as error:
            self._training = None
            self._stand_by("")
            self.status.show_error(str(error))
            if not (job / CHECKPOINT).exists():
                shutil.rmtree(job, ignore_errors=True)
            return
        self.show_offer("")
        self.status.value = messages.STARTING

    def cancel(self) -> None:
        """Stop within one batch and keep the best weights so far; the second time at once."""
        if self._task is not None:
            self._task.cancel()
        elif self._training is not None and self._training.cancelled:
            self._training.close()
            self.status.value = messages.STOPPING
        elif self._training is not None:
            self._training.cancel()
            self.status.value = messages.CANCELLING

    # what the child tells

    def _told(self, message: Message, picture: AnyArray | None) -> None:
        if self._training is None or self._shut or not isalive(self.native):
            return
        text = self.view.show_message(message, picture)
        if text and not self._training.cancelled:
            self.status.value = text
        if isinstance(message, Log) and message.level == "warning":
            show_warning(message.text)

    def _ended(self, ending: Ending) -> None:
        self._training = None
        if self._shut or not isalive(self.native):
            return
        self._stand_by("")
        if ending.result is None:
            if ending.cancelled:
                self.status.value = ending.error
            else:
                self.status.show_error(ending.error)
        else:
            self._show_result(ending.result)
        self._offer(self._saved, ending.unsaved)
        self.finished.emit()

    def _show_result(self, result: FineTuneResult) -> None:
        """Say which model is better; the old one stays the one to use unless it is the new."""
        text = result.text
        if result.folder is not None:
            self._saved = result.folder.name
            text += " " + messages.saved(self._saved)
            self._propose_name()
        else:
            if result.verdict is Verdict.UNTOLD:
                text += " " + messages.LOOK
            show_warning(text)
        self.status.value = text

    def _offer(self, saved: str, unsaved: Path | None) -> None:
        """Offer what can be done with a saved model, or with one that lies in its job folder."""
        self._saved, self._unsaved = saved, unsaved
        can_segment = bool(saved) and self._image() is not None
        self.show_end(segment=can_segment, save=unsaved is not None)
        self._look_for_unfinished()

    def _image(self) -> UsedImage | None:
        """Return the image to segment again: what was trained on, else what the rows show."""
        return self._trained_on or self._shown_image()

    def _shown_image(self) -> UsedImage | None:
        """Return the first image of the rows."""
        images = (layer for layer in self.rows.layers() if isinstance(layer, Image))
        return next(map(UsedImage.of, images), None)

    def _stand_by(self, text: str) -> None:
        """Let everything be pressed again."""
        if not self._shut and isalive(self.native):
            self.view.stop()
            self.show_running(False)
            self.status.value = text

    # what can be done with the new model

    def save_anyway(self) -> None:
        """Save the new model, whatever the verdict, under the name in the form."""
        job, output = self._unsaved, str(self.name_field.value).strip()
        if job is None or self.running:
            return

        def work(_progress: Progress, _cancelled: CancelCheck) -> Path:
            registry.check_name(output)  # the path of a folder is for the shell
            return save_candidate(job, output)

        self.show_running(True)
        self._task = Task(work, f"saving '{output}'", self._was_saved)
        self._task.start()

    def _was_saved(self, task: Task[Path]) -> None:
        self._task = None
        self._stand_by("")
        if self._shut or not isalive(self.native):
            return
        if task.result is None:
            self._show_problem(task)
        else:
            self.status.value = messages.saved(task.result.name)
            self._offer(task.result.name, None)
            self._propose_name()
        self.finished.emit()

    def drop(self) -> None:
        """Delete the new model."""
        job = self._unsaved
        if job is not None and not self.running:
            self._offer("", None)
            self._delete(job, messages.DISCARDED)

    def segment_again(self) -> None:
        """Segment the first image with the new model, in the Segment widget."""
        wanted = self._image()
        if not self._saved or wanted is None:
            return
        image = wanted.find(self._viewer.layers)
        if image is None:
            other = image_named(wanted.name, self._viewer.layers)
            found = None if other is None else full_resolution(other).shape
            self.status.show_error(messages.image_gone(wanted.name, wanted.shape, found))
            return
        widget = segment_widget(self._viewer)
        if widget.running:
            self.status.show_error(messages.SEGMENT_BUSY)
            return
        widget.image_form.image.value = image
        widget.fields["model"].value = self._saved
        widget.run()

    # trainings that ended early

    def _look_for_unfinished(self) -> None:
        found = [one for one in unfinished_jobs() if one.job != self._unsaved]
        self._unfinished = one = found[0] if found else None
        if one is None:
            self.show_offer("")
        else:
            problem = base_model_problem(one.job)
            self.show_offer(messages.unfinished(one.output, one.when, problem))

    def resume(self) -> None:
        """Go on with the offered training."""
        if self.running or self._unfinished is None:
            return
        self._used, self._trained_on = WeakSet(), None
        self._begin(messages.STARTING)
        self._train(self._unfinished.job)

    def forget(self) -> None:
        """Delete the offered training."""
        if not self.running and self._unfinished is not None:
            self._delete(self._unfinished.job, messages.FORGOTTEN)

    def _delete(self, job: Path, text: str) -> None:
        """Delete a job folder in a thread, then say so."""

        def work(_progress: Progress, _cancelled: CancelCheck) -> None:
            remove_job(job)

        def done(task: Task[None]) -> None:
            self._task = None
            problem = task.error is not None or task.failure is not None
            self._stand_by("" if problem else text)
            if problem:
                self._show_problem(task, "Deleting the fine-tuning")
            if not self._shut and isalive(self.native):
                self._look_for_unfinished()
            self.finished.emit()

        self.show_running(True)
        self._task = Task(work, "deleting a fine-tuning", done)
        self._task.start()

    # the rest

    def _propose_name(self, _model: Any = None) -> None:
        """Propose a free name made from the base model's, unless the user gave one."""
        given = str(self.name_field.value)
        taken = {entry.name.casefold() for entry in registry.list_models()}
        if given not in ("", self._proposed) and given.casefold() not in taken:
            return
        base = str(self.fields["model"].value or DEFAULT_MODEL)[:NAME_LENGTH]
        number = 1
        while f"{base}-tuned-{number}".casefold() in taken:
            number += 1
        self._proposed = f"{base}-tuned-{number}"
        self.name_field.value = self._proposed

    def reset_choices(self, *_: Any) -> None:
        """Read the layer list again; napari calls this when layers come, go or are renamed."""
        if not self._shut and isalive(self.native):
            self.rows.refresh()

    def _layer_removed(self, event: Any) -> None:
        used = self.running and event.value in self._used
        if used and not self._shut and isalive(self.native):  # not aloud: closing removes all
            self.view.note(messages.source_removed(event.value.name))

    def _model_lost(self, name: str) -> None:
        self.status.value = model_lost(name, self.fields["model"].value)
        show_warning(self.status.value)

    def _show_problem(self, task: Task[Any], what: str = "Fine-tuning") -> None:
        """Say what went wrong; napari has shown what was not foreseen."""
        if task.error is not None:
            self.status.show_error(str(task.error))
        elif task.failure is not None:
            self.status.value = failed(what, task.failure)

    def _close(self) -> None:
        """Stop the child; its checkpoint stays, so that the training can be resumed."""
        self._shut = True
        if self._task is not None:
            self._task.cancel()
        if self._training is not None:
            self._training.close()
