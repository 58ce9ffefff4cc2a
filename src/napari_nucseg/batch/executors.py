"""Where the images of a batch are worked on: in the caller, or by workers of dask.distributed."""

import logging
import math
import os
import queue
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

from napari_nucseg._types import CancelCheck, Progress
from napari_nucseg.batch.items import Item
from napari_nucseg.batch.outcome import Outcome, Status
from napari_nucseg.batch.work import (
    Work,
    describe_worker,
    segment_item,
    segment_on_worker,
    stop_run,
)
from napari_nucseg.errors import Cancelled, NucsegError, WorkerError

if TYPE_CHECKING:
    from distributed import Client

CONNECT_TIMEOUT = 10
"""Seconds after which a scheduler counts as unreachable, or as one without workers."""

STOP_TIMEOUT = 30
"""Seconds that workers have for the tile they are at when a run is cancelled."""

POLL = 0.2
"""Seconds between two looks at whether the caller wants to stop."""

AHEAD = 2
"""Images in flight per thread of a worker: one in work, one that is waiting beside it."""

RECOUNT = 1.0
"""Seconds between two looks at how many workers there are."""

ALLOWED_DEATHS = 1
"""How often a process may die at an image before the image is held to be the cause."""

LOST = (
    "The connection to the scheduler was lost. Finished images are kept; the same command goes on "
    "with the rest."
)

Finished = tuple[Item, Outcome]


class Executor(Protocol):
    """Works on items, at most `capacity` at a time."""

    @property
    def free(self) -> int:
        """How many more items may be submitted."""

    @property
    def busy(self) -> bool:
        """Whether there are items in work."""

    def submit(self, item: Item) -> None:
        """Begin an item."""

    def wait(self) -> list[Finished]:
        """Return finished items, at least one.

        Raises
        ------
        Cancelled
            The caller wants to stop, and no finished item is left to be returned.
        WorkerError
            The workers are lost.
        """


class CallerExecutor:
    """Works on one item after the other in the thread that waits.

    Parameters
    ----------
    work : Work
    started : callable
        Called with each item.
    tiles : callable or None
        Progress within an item.
    cancelled : callable
    """

    def __init__(
        self,
        work: Work,
        started: Callable[[Item], None],
        tiles: Progress | None,
        cancelled: CancelCheck,
    ) -> None:
        self._work, self._started, self._tiles, self._cancelled = work, started, tiles, cancelled
        self._item: Item | None = None

    @property
    def free(self) -> int:
        """See `Executor`."""
        return 0 if self.busy else 1

    @property
    def busy(self) -> bool:
        """See `Executor`."""
        return self._item is not None

    def submit(self, item: Item) -> None:
        """See `Executor`."""
        self._item = item

    def wait(self) -> list[Finished]:
        """See `Executor`."""
        item, self._item = self._item, None
        if item is None:
            return []
        self._started(item)
        if self._cancelled():
            raise Cancelled("The batch was cancelled.")
        return [(item, segment_item(item, self._work, self._tiles, self._cancelled))]


class WorkersExecutor:
    """Has workers do it; only paths go to them and only outcomes come back.

    Parameters
    ----------
    client : distributed.Client
    work : Work
    threads : int or None
        Cores for each worker process; None: as many as it was started with.
    started, cancelled : callable
        See `CallerExecutor`.
    """

    def __init__(
        self,
        client: "Client",
        work: Work,
        threads: int | None,
        started: Callable[[Item], None],
        cancelled: CancelCheck,
    ) -> None:
        self._client, self._work, self._threads = client, work, threads
        self._started, self._cancelled = started, cancelled
        self._run = uuid.uuid4().hex
        self._futures: dict[Any, Item] = {}
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._slots, self._counted = 0, -math.inf
        self._stopping = False

    @property
    def free(self) -> int:
        """See `Executor`."""
        return 0 if self._stopping else self._capacity() - len(self._futures)

    @property
    def busy(self) -> bool:
        """See `Executor`."""
        return self._stopping or bool(self._futures)

    def _capacity(self) -> int:
        """Return how many items may be in flight; workers may come and go."""
        if time.monotonic() > self._counted + RECOUNT:
            with _connection_kept():
                self._slots = AHEAD * max(1, sum(self._client.nthreads().values()))
            self._counted = time.monotonic()
        return self._slots

    def submit(self, item: Item) -> None:
        """See `Executor`."""
        self._started(item)
        arguments = (item.absolute(), self._work, self._run, self._threads)
        future = self._client.submit(segment_on_worker, *arguments, pure=False)
        self._futures[future] = item
        future.add_done_callback(self._ended.put)

    def wait(self) -> list[Finished]:
        """See `Executor`."""
        while True:
            if self._stopping:
                raise Cancelled("The batch was cancelled.")
            if self._cancelled():
                return self._stop()
            with suppress(queue.Empty):
                return self._collect(POLL)

    def _collect(self, timeout: float) -> list[Finished]:
        """Return items that end within some seconds, and forget their futures.

        Raises
        ------
        queue.Empty
            There is none.
        """
        done = [self._ended.get(timeout=timeout)]
        while not self._ended.empty():
            done.append(self._ended.get())
        outcomes = [(self._futures.pop(future), _outcome(future)) for future in done]
        return [(item, outcome) for item, outcome in outcomes if outcome is not None]

    def _stop(self) -> list[Finished]:
        """Tell the workers to stop; return what was finished meanwhile."""
        self._stopping = True
        with _connection_kept():
            self._client.run(stop_run, self._run, on_error="return")
        deadline = time.monotonic() + STOP_TIMEOUT
        found = []
        while self._futures and time.monotonic() < deadline:
            with suppress(queue.Empty):
                found += self._collect(POLL)
        return found


def _outcome(future: Any) -> Outcome | None:
    """Return the outcome of a future, None if it was cancelled."""
    from distributed import CancelledError, KilledWorker

    try:
        return future.result()
    except Cancelled:
        return None
    except CancelledError as error:
        raise WorkerError(LOST) from error
    except KilledWorker:
        message = "The worker process died while it was at work on it, several times."
        return Outcome(Status.FAILED, message=message, died=True)
    except Exception as error:  # noqa: BLE001 - of any kind: it must not stop the other images
        return Outcome(Status.FAILED, message=f"{type(error).__name__}: {error}")


@contextmanager
def _connection_kept() -> Iterator[None]:
    """Explain the error of a call to a scheduler that is gone."""
    try:
        yield
    except OSError as error:
        raise WorkerError(LOST) from error


@contextmanager
def local_client(workers: int) -> Iterator["Client"]:
    """Start worker processes on this machine, and stop them.

    Raises
    ------
    WorkerError
        They cannot be started.
    """
    import dask
    from distributed import Client, LocalCluster

    try:
        with dask.config.set({"distributed.scheduler.allowed-failures": ALLOWED_DEATHS}):
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address=":0",
                silence_logs=logging.CRITICAL,
                preload=["napari_nucseg.batch.local_worker"],
            )
    except (OSError, RuntimeError) as error:
        raise WorkerError(
            f"{workers} worker processes cannot be started ({error}). A Python script that starts "
            "some needs the line: if __name__ == '__main__':"
        ) from error
    with cluster, Client(cluster, set_as_default=False) as client:
        yield client


@contextmanager
def connected_client(scheduler: str) -> Iterator["Client"]:
    """Connect to a scheduler that is running.

    Raises
    ------
    WorkerError
        It cannot be reached.
    """
    from distributed import Client

    try:
        client = Client(scheduler, timeout=CONNECT_TIMEOUT, set_as_default=False)
    except (OSError, ValueError, ImportError, TypeError) as error:
        reason = str(error).strip() or type(error).__name__
        raise WorkerError(
            f"The scheduler '{scheduler}' cannot be reached: {reason}. Expected the address that "
            "`dask scheduler` prints, such as tcp://192.168.0.1:8786."
        ) from error
    with client, _quiet("distributed.client", "distributed.core", "distributed.comm"):
        yield client


@contextmanager
def _quiet(*names: str) -> Iterator[None]:
    """Hide what loggers write, such as the traceback of a connection that was lost."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def check_workers(client: "Client", model: str) -> None:
    """Make sure that there are workers, and that they do the same as this process.

    Raises
    ------
    WorkerError
        There is none, or one lacks the package or the model, or has others.
    """
    try:
        client.wait_for_workers(1, timeout=CONNECT_TIMEOUT)
    except TimeoutError as error:
        raise WorkerError(
            f"The scheduler {client.scheduler.address} has no workers; start some with "
            f"`dask worker {client.scheduler.address}`."
        ) from error
    expected = describe_worker(model)
    for address, found in client.run(describe_worker, model, on_error="return").items():
        if isinstance(found, NucsegError):
            raise WorkerError(f"The worker {address} cannot use the model: {found}")
        if isinstance(found, BaseException):
            raise WorkerError(
                f"The worker {address} cannot run napari-nucseg ({type(found).__name__}: {found})."
            )
        if found != expected:
            raise WorkerError(
                f"The worker {address} has another version or another model '{model}': expected "
                f"{expected[0]} and sha256 {expected[1][:8]}, got {found[0]} and {found[1][:8]}."
            )


def threads_each(workers: int) -> int:
    """Return the cores for each of several processes on this machine."""
    return max(1, (os.cpu_count() or 1) // workers)
