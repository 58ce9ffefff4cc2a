"""The search for a region to correct: its thread, and what ends it early."""

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from napari.layers import Shapes
from qtpy.QtWidgets import QApplication

from napari_nucseg.widgets import _correct_messages as messages
from napari_nucseg.widgets._messages import failed
from napari_nucseg.widgets._suggestion import Answer, Question, find_region
from napari_nucseg.widgets._worker import Task


class Suggester:
    """Searches for one region at a time; made and used in the main thread.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    say : callable
        ``say(text, loud)``, with a sentence that the user should know.
    switched : callable
        Called when a search begins and ends, however it does.
    chosen : callable
        Returns the shapes layer that is chosen, or None.
    found : callable
        Called as ``found(question, answer)`` with what was found, which still holds.
    """

    def __init__(
        self,
        viewer: Any,
        say: Callable[[str, bool], None],
        switched: Callable[[], None],
        chosen: Callable[[], Shapes | None],
        found: Callable[[Question, Answer], None],
    ) -> None:
        self._viewer = viewer
        self._say, self._switched, self._found = say, switched, found
        self._chosen = chosen
        self._question: Question | None = None
        self._task: Task[Answer] | None = None
        self._begun = -math.inf

    @property
    def busy(self) -> bool:
        """Whether a search is under way."""
        return self._task is not None

    @property
    def just_begun(self) -> bool:
        """Whether a press now is the second half of the double-click that began the search."""
        return 1000 * (time.monotonic() - self._begun) < QApplication.doubleClickInterval()

    def start(self, question: Question) -> None:
        """Search in a thread."""
        self.stop()
        name = question.source.name
        self._question = question
        self._task = Task(
            partial(find_region, question),
            f"looking for a region of '{name}' to correct",
            self._finished,
            self._progressed,
        )
        self._viewer.layers.events.removed.connect(self._removed)
        self._say(messages.SUGGESTING, False)
        self._switched()
        self._task.start()
        self._begun = time.monotonic()

    def stop(self, reason: str = "") -> None:
        """Give a search up, if there is one, and say why; its thread ends within one tile."""
        if self._task is not None:
            self._task.cancel()
            self._end()
            if reason:
                self._say(reason, False)

    def _end(self) -> None:
        self._viewer.layers.events.removed.disconnect(self._removed)
        self._task = self._question = None
        self._switched()

    def _removed(self, event: Any) -> None:
        question = self._question
        if question is None:
            return
        if event.value is question.source:
            self.stop(messages.image_removed(question.source.name))
        elif event.value is question.labels:
            self.stop()

    def _progressed(self, done: int, total: int, _message: str) -> None:
        if self.busy and total > 1:
            self._say(messages.searching(done, total), False)

    def _finished(self, task: Task[Answer]) -> None:
        question = self._question
        if task is not self._task or question is None:
            return  # given up before
        self._end()
        if task.cancelled:  # by napari, whose window closes
            return
        if task.error is not None:
            self._say(str(task.error), True)
        elif task.result is None:
            if task.failure is not None:
                self._say(failed("Looking for a region", task.failure), False)
        elif not question.is_current(self._chosen()):
            self._say(messages.SEARCH_OUTDATED, True)
        else:
            self._found(question, task.result)
