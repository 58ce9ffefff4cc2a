"""Work in a thread, with progress and cancelling; its end is reported in the main thread."""

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal

from napari_nucseg._types import CancelCheck, Progress
from napari_nucseg.errors import Cancelled, NucsegError

T = TypeVar("T")


class _Relay(QObject):
    """Carries progress from the worker's thread to the main thread."""

    progressed = Signal(int, int, str)


class _Job:
    """The callable that napari runs; its text is shown when a window is closed during a run."""

    def __init__(self, run: Callable[[], None], title: str) -> None:
        self._run: Callable[[], None] | None = run
        self._title = title
        self.__name__ = title

    def __call__(self) -> None:
        if self._run is not None:
            self._run()

    def forget(self) -> None:
        """Let go of what was run: napari keeps every job until its window closes."""
        self._run = None

    def __str__(self) -> str:
        return self._title


class Task(Generic[T]):
    """One piece of work in a thread; made and started in the main thread.

    Parameters
    ----------
    work : callable
        ``work(progress, cancelled)``, runs in the thread.
    title : str
        What it does, for napari's list of running tasks.
    done : callable
        Called with the task in the main thread, however it ended: see the attributes.
    progressed : callable, optional
        Called in the main thread as ``progressed(done, total, message)``.

    Attributes
    ----------
    result : object or None
        What `work` returned.
    error : NucsegError or None
        What was wrong, if that was foreseen.
    failure : Exception or None
        What went wrong unforeseen; napari has shown it already.
    """

    def __init__(
        self,
        work: Callable[[Progress, CancelCheck], T],
        title: str,
        done: Callable[["Task[T]"], None],
        progressed: Callable[[int, int, str], None] | None = None,
    ) -> None:
        self.result: T | None = None
        self.error: NucsegError | None = None
        self.failure: Exception | None = None
        self._work = work
        self._done = done
        self._stop = threading.Event()
        self._relay = _Relay()
        if progressed is not None:
            self._relay.progressed.connect(progressed)
        self._job = _Job(self._run, title)
        self._worker: Any = create_worker(self._job, _start_thread=False)
        self._worker.errored.connect(self._failed)
        self._worker.finished.connect(self._finished)

    def start(self) -> None:
        """Start the work."""
        self._worker.start()

    def cancel(self) -> None:
        """Ask the work to stop; it does so within one tile."""
        self._stop.set()

    @property
    def cancelled(self) -> bool:
        """Whether it was asked to stop, here or by napari."""
        return self._stop.is_set() or self.abandoned

    @property
    def abandoned(self) -> bool:
        """Whether napari asked it to stop, as it does when its window closes."""
        return bool(self._worker.abort_requested)

    def _run(self) -> None:
        try:
            self.result = self._work(self._relay.progressed.emit, lambda: self.cancelled)
        except Cancelled:
            self._stop.set()
        except NucsegError as error:
            self.error = error

    def _failed(self, error: Exception) -> None:
        self.failure = error

    def _finished(self) -> None:
        self._job.forget()
        self._done(self)
