"""Work that is done in a thread a moment after it was asked for, once however often it was."""

import time
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, QTimer

from napari_nucseg._types import CancelCheck, Progress
from napari_nucseg.widgets._worker import Task

Work = Callable[[Progress, CancelCheck], Any]


class Deferred:
    """One kind of work, done again and again.

    Parameters
    ----------
    parent : QObject
        Owner of the timer.
    title : str
        What it does, for napari's list of running tasks.
    prepare : callable
        Called in the main thread; returns the work, or None if there is none.
    done : callable
        Called in the main thread with the task; not if it was cancelled.
    restart : bool
        Whether work that is under way is cancelled when it is asked for again.
    """

    def __init__(
        self,
        parent: QObject,
        title: str,
        prepare: Callable[[], Work | None],
        done: Callable[[Task[Any]], None],
        *,
        restart: bool = False,
    ) -> None:
        self._title = title
        self._prepare = prepare
        self._done = done
        self._restart = restart
        self._task: Task[Any] | None = None
        self._due: float | None = None
        self._timer = QTimer(parent)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._start)

    @property
    def busy(self) -> bool:
        """Whether work is under way, or about to be."""
        return self._task is not None or self._due is not None

    def schedule(self, delay: int) -> None:
        """Ask for the work in at most so many milliseconds."""
        due = time.monotonic() + delay / 1000
        if self._restart and self._task is not None:
            self._task.cancel()
        if self._restart or self._due is None or due < self._due:
            self._due = due
            self._timer.start(delay)

    def stop(self) -> None:
        """Forget what was asked for; cancel what is under way."""
        self._due = None
        if self._task is not None:
            self._task.cancel()

    def flush(self) -> None:
        """Do at once, in this thread, what was asked for; the timer may be gone already."""
        if self._due is not None:
            self._due = None
            work = self._prepare()
            if work is not None:
                work(_no_progress, _never)

    def _start(self) -> None:
        if self._due is None:
            return
        if self._task is not None:  # its end starts the next
            self._due = time.monotonic()  # Qt's timers fire early by up to a twentieth
            return
        self._due = None
        work = self._prepare()
        if work is not None:
            self._task = Task(work, self._title, self._finished)
            self._task.start()

    def _finished(self, task: Task[Any]) -> None:
        self._task = None
        if not task.cancelled:
            self._done(task)
        if self._due is not None and time.monotonic() >= self._due:
            self._start()


def _no_progress(_done: int, _total: int, _message: str) -> None:
    pass


def _never() -> bool:
    return False
