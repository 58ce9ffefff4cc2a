"""Workers of dask.distributed: processes on this machine, or a cluster that is running."""

import logging
import math
import os
import queue
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event
from typing import TYPE_CHECKING, Any

import napari_nucseg
from napari_nucseg._native import native_messages_hidden
from napari_nucseg._opencv import cv2
from napari_nucseg.counted import counted
from napari_nucseg.errors import NucsegError, WorkerDied, WorkerError
from napari_nucseg.inference.engine import limit_threads
from napari_nucseg.model.folder import LITERT
from napari_nucseg.registry import find_model

if TYPE_CHECKING:
    from distributed import Client

CONNECT_TIMEOUT = 5
"""Seconds after which a scheduler counts as unreachable, or as one without workers."""

STOP_TIMEOUT = 30
"""Seconds that workers have for the tile they are at when a run is cancelled."""

AHEAD = 2
"""Calls in flight per thread of a worker: one in work, one that is waiting beside it."""

RECOUNT = 1.0
"""Seconds between two looks at how many workers there are."""

ALLOWED_DEATHS = 1
"""How often a process may die at a call before the call is held to be the cause."""

_leads = Event()
"""Set in a process that lets workers do something: its threads are its user's matter, also where
dask runs workers in it, as ``Client(processes=False)`` does."""

LOST = (
    "The connection to the scheduler was lost. What is finished is kept; the same command goes on "
    "with the rest."
)


class ClusterCalls:
    """Calls of functions that workers have not answered yet.

    Parameters
    ----------
    client : distributed.Client
    """

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._items: dict[Any, Any] = {}
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._slots, self._counted = 0, -math.inf
        _leads.set()

    def __len__(self) -> int:
        return len(self._items)

    @property
    def free(self) -> int:
        """How many more calls may be in flight; workers may come and go."""
        if time.monotonic() > self._counted + RECOUNT:
            with connection_kept():
                self._slots = AHEAD * max(1, sum(self._client.nthreads().values()))
            self._counted = time.monotonic()
        return self._slots - len(self)

    def submit(self, item: Any, function: Callable[..., Any], *arguments: Any) -> None:
        """Let a worker call a function; `item` names the call."""
        future = self._client.submit(function, *arguments, pure=False)
        self._items[future] = item
        future.add_done_callback(self._ended.put)

    def collect(self, timeout: float) -> list[tuple[Any, Any]]:
        """Return items and futures of calls that end within some seconds, and forget them."""
        try:
            done = [self._ended.get(timeout=timeout)]
        except queue.Empty:
            return []
        while not self._ended.empty():
            done.append(self._ended.get())
        return [(self._items.pop(future), future) for future in done]

    def stop(self, function: Callable[..., Any], *arguments: Any) -> list[tuple[Any, Any]]:
        """Call a function on all workers that makes them stop; return what ends meanwhile.

        Calls that go on are cancelled, also if something such as another Ctrl-C comes in between.
        A connection that is lost meanwhile is no error here: what has ended is returned.
        """
        ended: list[tuple[Any, Any]] = []
        try:
            with suppress(OSError):  # lost just now
                if self._items and self._connected:
                    self._client.run(function, *arguments, on_error="return")
                    deadline = time.monotonic() + STOP_TIMEOUT
                    while self._items and time.monotonic() < deadline:
                        ended += self.collect(timeout=deadline - time.monotonic())
            ended += self.collect(timeout=0)
        finally:
            if self._items and self._connected:
                with suppress(OSError):  # lost just now
                    self._client.cancel(list(self._items))
            self._items.clear()
        return ended

    @property
    def _connected(self) -> bool:
        """Whether workers can be told anything."""
        return bool(self._client.status == "running")


def result_of(future: Any) -> Any:
    """Return what an ended call returned, or its error as the caller should understand it.

    Parameters
    ----------
    future : distributed.Future

    Returns
    -------
    object
        A `WorkerError` means that all other calls would end alike, a `WorkerDied` that the process
        died at this call, several times. Other errors are those that the call raised, with their
        traceback on the worker.
    """
    from distributed import CancelledError, KilledWorker

    if future.cancelled():
        return WorkerError(LOST)
    error = future.exception()
    if isinstance(error, CancelledError):
        return WorkerError(LOST)
    if isinstance(error, KilledWorker):
        return WorkerDied("the worker process died while it was at work on it, several times.")
    if isinstance(error, ImportError):
        return WorkerError(f"A worker cannot run napari-nucseg ({error}).")
    return future.result() if error is None else error.with_traceback(future.traceback())


@contextmanager
def connection_kept() -> Iterator[None]:
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
                preload=[__name__],
            )
    except (OSError, RuntimeError) as error:
        raise WorkerError(
            f"{counted(workers, 'worker process')} cannot be started ({error}). A Python "
            "script that starts some needs the line: if __name__ == '__main__':"
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


@contextmanager
def opened_client(
    workers: int | None, scheduler: "str | Client | None"
) -> Iterator["Client | None"]:
    """Give who lets workers do something: the scheduler's client if there is one, else a new one.

    Parameters
    ----------
    workers : int or None
        Processes to start on this machine; None: none, the work is done in this process.
    scheduler : str, distributed.Client or None
        Instead of `workers`; a client stays open.

    Raises
    ------
    WorkerError
        The workers cannot be started, or the scheduler cannot be reached.
    """
    if isinstance(scheduler, str):
        with connected_client(scheduler) as client:
            yield client
    elif scheduler is None and workers is not None:
        with local_client(workers) as client:
            yield client
    else:
        yield scheduler


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


def dask_setup(_worker: Any) -> None:
    """Prepare a worker process that `local_client` starts; dask calls this.

    Ctrl-C, which a terminal sends to all processes, is left to the one that started them.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def threads_each(workers: int) -> int:
    """Return the cores for each of several workers, of those that this process may use."""
    limited = hasattr(os, "sched_getaffinity")  # Linux; jobs of a cluster often are
    cores = len(os.sched_getaffinity(0)) if limited else os.cpu_count() or 1
    return max(1, cores // workers)


def share_cores(threads: int | None) -> None:
    """Let this worker process use so many cores; None: as many as it was started with.

    A process that leads a run is left as it is.
    """
    from distributed import get_worker

    if _leads.is_set():
        return
    share = threads or get_worker().state.nthreads
    limit_threads(share)
    cv2.setNumThreads(share)


def describe_worker(model: str) -> tuple[str, str]:
    """Return the version of the package and the hash of a model, as this process has them."""
    with native_messages_hidden():
        import ai_edge_litert.interpreter  # noqa: F401 - greets when it is loaded
    return napari_nucseg.__version__, find_model(model).hashes[LITERT]
