"""Where blocks are worked on: by threads of this process, or by workers of dask.distributed."""

import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from napari_nucseg._opencv import cv2
from napari_nucseg._types import CancelCheck
from napari_nucseg.cancelling import check_cancelled
from napari_nucseg.cluster.calls import ClusterCalls, result_of
from napari_nucseg.errors import (
    EngineError,
    ModelError,
    NucsegError,
    WorkerError,
    WriteError,
)
from napari_nucseg.large.block import Run, stop_work, work_on

if TYPE_CHECKING:
    from distributed import Client

POLL = 0.1
"""Seconds between two looks at whether the caller wants to stop."""

FATAL = (WriteError, ModelError, EngineError, WorkerError)
"""What would happen to every other block alike."""

Finished = tuple[Any, Any]
"""An item, and what came back or the error."""


class Executor(Protocol):
    """Calls methods of `Run`, several at a time."""

    @property
    def free(self) -> int:
        """How many more calls may be submitted."""

    @property
    def busy(self) -> bool:
        """Whether there are calls in work."""

    def submit(self, method: str, item: Any) -> None:
        """Begin a call."""

    def wait(self) -> list[Finished]:
        """Return what has finished within a moment, perhaps nothing."""

    def stop(self) -> None:
        """Let all calls end within one tile, and wait for it."""


class ThreadsExecutor:
    """Threads of this process.

    Parameters
    ----------
    run : Run
    workers : int
    """

    def __init__(self, run: Run, workers: int) -> None:
        self._run = run
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="nucseg-block")
        self._calls: dict[Future[Any], Any] = {}

    @property
    def free(self) -> int:
        """See `Executor`."""
        return self._workers - len(self._calls)

    @property
    def busy(self) -> bool:
        """See `Executor`."""
        return bool(self._calls)

    def submit(self, method: str, item: Any) -> None:
        """See `Executor`."""
        self._calls[self._pool.submit(getattr(self._run, method), item)] = item

    def wait(self) -> list[Finished]:
        """See `Executor`."""
        done, _ = wait(self._calls, timeout=POLL, return_when=FIRST_COMPLETED)
        return [(self._calls.pop(f), f.exception() or f.result()) for f in done]

    def stop(self) -> None:
        """See `Executor`."""
        self._run.stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)


class WorkersExecutor:
    """Workers of dask.distributed; only paths go to them and only counts come back.

    Parameters
    ----------
    client : distributed.Client
    folder : Path
        The work folder.
    digest : str
        Of the plan.
    threads : int or None
        Cores for each worker process; None: as many as it was started with.
    """

    def __init__(self, client: "Client", folder: Path, digest: str, threads: int | None) -> None:
        self._calls = ClusterCalls(client)
        self._arguments = (str(folder), digest, uuid.uuid4().hex)
        self._threads = threads

    @property
    def free(self) -> int:
        """See `Executor`."""
        return self._calls.free

    @property
    def busy(self) -> bool:
        """See `Executor`."""
        return bool(self._calls)

    def submit(self, method: str, item: Any) -> None:
        """See `Executor`."""
        self._calls.submit(item, work_on, *self._arguments, method, item, self._threads)

    def wait(self) -> list[Finished]:
        """See `Executor`."""
        return [(item, result_of(future)) for item, future in self._calls.collect(POLL)]

    def stop(self) -> None:
        """See `Executor`."""
        self._calls.stop(stop_work, *self._arguments, self._threads)


def work_through(
    executor: Executor,
    method: str,
    items: Iterable[Any],
    done: Callable[[Any, Any], None],
    cancelled: CancelCheck | None = None,
) -> dict[Any, str]:
    """Call a method of `Run` for all items; what fails is tried once more at the end.

    Parameters
    ----------
    executor : Executor
    method : str
    items : iterable
        Hashable, as ints are; slices are not before Python 3.12.
    done : callable
        Told each item and what came back.
    cancelled : callable, optional
        Asked several times a second, in the caller's thread.

    Returns
    -------
    dict
        Items that failed twice, and why.

    Raises
    ------
    Cancelled
    WriteError, ModelError, EngineError, WorkerError
        What would happen to all other items too.
    """
    waiting = deque(items)
    tries: Counter[Any] = Counter()
    failed: dict[Any, str] = {}
    while waiting or executor.busy:
        check_cancelled(cancelled, "Segmenting was cancelled; finished blocks are kept.")
        while waiting and executor.free > 0:
            executor.submit(method, waiting.popleft())
        for item, outcome in executor.wait():
            if not isinstance(outcome, BaseException):
                done(item, outcome)
                continue
            reason = _reason(outcome)
            tries[item] += 1
            if tries[item] == 1:
                waiting.append(item)
            else:
                failed[item] = reason
    return failed


def _reason(error: BaseException) -> str:
    """Return why a block failed; raise what is no matter of one block."""
    if isinstance(error, MemoryError | cv2.error):  # OpenCV has an error of its own for it
        return "the block, with all that is computed from it, does not fit into memory."
    if isinstance(error, FATAL) or not isinstance(error, NucsegError):
        raise error
    return str(error)
