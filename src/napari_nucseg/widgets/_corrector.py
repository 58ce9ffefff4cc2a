"""One labels layer that is being corrected: reading it, editing it, counting, saving."""

from collections.abc import Callable
from functools import partial
from typing import Any

from napari.layers import Labels
from qtpy.QtCore import QObject

from napari_nucseg._types import CancelCheck, LabelArray, Progress
from napari_nucseg.correction.autosave import Restored, Saved
from napari_nucseg.correction.edit import Edit
from napari_nucseg.correction.review import Reviewed
from napari_nucseg.correction.snapshot import Snapshot
from napari_nucseg.errors import NucsegError
from napari_nucseg.widgets import _correct_messages as messages
from napari_nucseg.widgets._correct_work import (
    Analysis,
    Opened,
    analyse,
    read_labels,
    read_saved,
    save_corrections,
)
from napari_nucseg.widgets._correction import (
    CORRECTION,
    Correction,
    Features,
    begin,
    correction_of,
    linked_features,
    probability_of,
    time_axis,
)
from napari_nucseg.widgets._deferred import Deferred, Work
from napari_nucseg.widgets._messages import failed
from napari_nucseg.widgets._restoration import Restoration
from napari_nucseg.widgets._results import RECORD
from napari_nucseg.widgets._step import Step
from napari_nucseg.widgets._worker import Task

INLINE = 1 << 24
"""Pixels up to which an edit is found at once, in some ms; more are searched in a thread."""

SETTLE = 300
"""Milliseconds without an edit after which counts and list are made anew."""

SAVE_SOON, SAVE_LATER = 200, 5000
"""Milliseconds until saving, after a correction of this widget and after one by napari's tools."""

MakeEdit = Callable[[LabelArray, int], Edit]
"""``make(labels, reserved)``, see `correction.ids.next_free_ids`."""


class Corrector:
    """Corrects one layer, from when it is chosen until another one is.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    layer : Labels
        Its data are an array in memory.
    parent : QObject
        Owner of the timers.
    opened : callable
        Called with `Opened` when the layer was read, and may be corrected.
    analysed : callable
        Called with `Analysis` after edits.
    say : callable
        ``say(text, loud)`` with what the user should know.
    """

    def __init__(
        self,
        viewer: Any,
        layer: Labels,
        parent: QObject,
        *,
        opened: Callable[[Opened], None],
        analysed: Callable[[Analysis], None],
        say: Callable[[str, bool], None],
    ) -> None:
        self.layer = layer
        self.analysis: Analysis | None = None
        self._viewer, self._opened, self._say = viewer, opened, say
        self._show_analysis = analysed
        self._closed = False
        self._task: Task[Any] | None = None
        self._reading = False
        self._said = ""
        self._analysing = Deferred(
            parent, "counting corrections", self._analysis_work, self._analysed, restart=True
        )
        self._saving = Deferred(parent, "saving corrections", self._save_work, self._saved)
        self._view = self._current_view()
        layer.events.paint.connect(self._painted)
        layer.events.set_data.connect(self._redrawn)
        layer.events.data.connect(self._replaced)
        self._read()

    @property
    def state(self) -> Correction | None:
        """What is kept in the layer; nothing until it was read."""
        return correction_of(self.layer)

    @property
    def ready(self) -> bool:
        """Whether the layer was read, can be corrected, and no edit is being searched for."""
        free = not self._closed and self._task is None
        return free and not self._reading and self.state is not None

    @property
    def busy(self) -> bool:
        """Whether anything is under way."""
        return self._task is not None or self._analysing.busy or self._saving.busy

    def close(self) -> None:
        """Save what is to be saved, and listen no more."""
        if self._closed:
            return
        self._closed = True
        self.layer.events.paint.disconnect(self._painted)
        self.layer.events.set_data.disconnect(self._redrawn)
        self.layer.events.data.disconnect(self._replaced)
        self._analysing.stop()
        if self._task is not None:
            self._task.cancel()
        try:
            self._saving.flush()
        except NucsegError as error:
            self._say(str(error), True)

    def edit(self, make: MakeEdit, done: Callable[[Edit], str]) -> None:
        """Find an edit, apply it as one step of napari's undo, and say what `done` returns."""
        state = self.state
        if not self.ready or state is None:
            self._say(messages.NOT_FREE, False)
        elif self._writable():
            self.compute(partial(make, self.layer.data, state.predicted.top), self._apply, done)

    def compute(
        self,
        work: Callable[[], Any],
        use: Callable[[Any, Callable[[Any], Any]], None],
        done: Callable[[Any], Any],
    ) -> None:
        """Compute something about the labels, at once if they are small, and use it."""
        if self.layer.data.size <= INLINE:
            try:
                found = work()
            except NucsegError as error:
                self._say(str(error), True)
                return
            use(found, done)
            return

        def in_thread(_progress: Progress, _cancelled: CancelCheck) -> Any:
            return work()

        self._start(in_thread, "correcting nuclei", lambda found: use(found, done))

    def _start(self, work: Work, title: str, use: Callable[[Any], None]) -> None:
        """Do something in a thread, during which there are no edits."""

        def finished(task: Task[Any]) -> None:
            if self._task is task:  # else the layer got another array meanwhile
                self._task = None
            if self._closed or task.cancelled:
                return
            if task.error is not None or task.failure is not None:
                self._report(task)
            else:
                use(task.result)

        self._task = Task(work, title, finished)
        self._task.start()

    def _report(self, task: Task[Any]) -> None:
        if task.error is not None:
            self._say(str(task.error), True)
        elif task.failure is not None:
            self._say(failed("Correcting", task.failure), False)  # napari has shown it

    def _writable(self) -> bool:
        """Tell whether the layer takes edits now; if not, say why.

        napari cannot edit what it has not sliced, as it does with hidden layers only when shown.
        """
        if not self.layer.visible:
            self._say(messages.HIDDEN, True)
        elif not self.layer.editable:
            self._say(messages.NOT_EDITABLE, True)
        elif not self.layer.loaded:
            self._say(messages.NOT_FREE, False)
        else:
            return True
        return False

    def _write(self, edit: Edit) -> bool:
        """Apply an edit as one step of napari's undo, unless the pixels changed meanwhile."""
        if not edit.is_current(self.layer.data):
            self._say(messages.MOVED_ON, True)
            return False
        if not self._writable():
            return False
        self.layer.data_setitem(edit.indices, edit.new)
        return True

    def _apply(self, edit: Edit, done: Callable[[Edit], str]) -> None:
        if self._write(edit):
            self._saving.schedule(SAVE_SOON)
            self._tell(Step(edit, done(edit)))

    def _tell(self, step: Step, more: str = "") -> None:
        if self.state is not None:
            self.state.steps.add(step, self.layer.data)
        self._say(f"{step.text} {more}".strip(), False)

    def set_reviewed(self, reviewed: Reviewed) -> None:
        """Mark as reviewed."""
        if self.state is not None:
            self.state.reviewed = reviewed
            self._saving.schedule(SAVE_SOON)

    def restore(self, saved: Saved, done: Callable[[], str]) -> None:
        """Bring saved corrections back, as one step of undo, and say what `done` returns.

        Where the labels are those that were saved, there is nothing to undo, and what was marked
        as reviewed stays so.
        """

        def use(found: tuple[Edit, Snapshot, Restored]) -> None:
            edit, predicted, restored = found
            state = self.state
            if state is None or not self._write(edit):
                return
            marked = restored.reviewed
            if edit.size == 0:
                marked = marked.with_region(state.reviewed)
            restoration = Restoration(state, predicted, marked, saved.folder.name)
            more = restoration.turn()
            self.touched()
            self._tell(Step(edit, done(), restoration.turn), more if edit.size else "")

        if self.ready and self._writable():
            self._start(partial(read_saved, saved, self.layer.data), "restoring", use)

    def touched(self) -> None:
        """Count and save again: something changed."""
        if self.state is not None and not self._closed:
            self._analysing.schedule(SETTLE)
            self._saving.schedule(SAVE_LATER)

    def _current_view(self) -> tuple[Any, ...]:
        dims = self._viewer.dims
        return dims.current_step, dims.order, dims.ndisplay

    def _painted(self, _event: Any = None) -> None:
        self.touched()

    def _redrawn(self, _event: Any = None) -> None:
        """See an undo or a redo, of which napari says no more than that the layer is redrawn."""
        before, self._view = self._view, self._current_view()
        if before == self._view:
            self.touched()
            self._say_turned(self._turn())

    def _turn(self) -> str:
        """Follow an undo or a redo; return what to say of it, or ""."""
        text = "" if self.state is None else self.state.steps.turned(self.layer.data)
        if text:
            self._saving.schedule(SAVE_SOON)
        return text

    def _say_turned(self, text: str) -> None:
        if text:
            self._say(text, False)

    def _replaced(self, _event: Any = None) -> None:
        """Read the layer again: its array is another one."""
        if self._task is not None:
            self._task.cancel()
        if self.state is not None:
            self.state.steps.clear()
        self._saving.stop()  # a save would mix the old prediction with the new array
        self._read()

    def _read(self) -> None:
        layer = self.layer
        self._reading = True
        self._say(messages.READING, False)
        work = partial(read_labels, layer.data, str(layer.name), time_axis(layer))
        self._start(work, f"reading '{layer.name}'", self._have_read)

    def _have_read(self, opened: Opened) -> None:
        self._reading = False
        turned = self._turn()  # while nobody watched
        state = self.state
        record = self.layer.metadata.get(RECORD, {})
        predicted = record.get("fingerprint") == opened.copy.fingerprint
        anew = state is not None and state.predicted.fingerprint != opened.copy.fingerprint
        if state is None or (predicted and anew):
            self.layer.metadata[CORRECTION] = begin(self.layer, opened.copy)
            if state is not None and state.reviewed.bits:
                self._say(messages.made_anew(self.layer.name), True)
        else:
            self._saving.schedule(SAVE_LATER)  # what was due may have been stopped
        self._analysing.schedule(0)
        self._opened(opened)
        self._say_turned(turned)

    def _analysis_work(self) -> Work | None:
        state = self.state
        if state is None or self._closed or self._reading:  # it is asked for again when read
            return None
        probability = probability_of(self.layer, self._viewer.layers)
        image = None
        if probability is not None and not probability.multiscale:
            if probability.data.shape == self.layer.data.shape:
                image = probability.data
            else:
                self._say_once(messages.probability_shape(probability.name))
        layer = self.layer
        describe = linked_features(layer)
        return partial(analyse, state.predicted, layer.data, image, time_axis(layer), describe)

    def _say_once(self, text: str) -> None:
        """Say what holds after every edit too, where it would hide what the edit did."""
        if text != self._said:
            self._said = text
            self._say(text, False)

    def _analysed(self, task: Task[Analysis]) -> None:
        if self._closed:
            return
        if task.result is None:
            self._report(task)
        else:
            self.analysis = task.result
            self._show_features(task.result.features)
            self._show_analysis(task.result)

    def _show_features(self, features: Features | None) -> None:
        """Bring the table of linked nuclei up to date, unless somebody has added to it."""
        if features is not None and not self._reading and set(self.layer.features) <= set(features):
            self.layer.features = features

    def _save_work(self) -> Work | None:
        state = self.state
        if state is None or self._reading:  # the layer shows another array than the state
            return None
        return partial(
            save_corrections,
            state.folder,
            str(self.layer.name),
            state.predicted,
            self.layer.data,
            state.reviewed,
            state.restored,
        )

    def _saved(self, task: Task[Any]) -> None:
        if not self._closed:
            self._report(task)
