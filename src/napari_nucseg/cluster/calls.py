"""Calls of functions in workers, and what came of them."""

import math
import queue
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from napari_nucseg.cluster import worker
from napari_nucseg.errors import WorkerDied, WorkerError

if TYPE_CHECKING:
    from distributed import Client

STOP_TIMEOUT = 30
"""Seconds that workers have for the tile they are at when a run is cancelled."""

AHEAD = 2
"""Calls in flight per thread of a worker: one in work, one that is waiting beside it."""

RECOUNT = 1.0
"""Seconds between two looks at how many workers there are."""

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
        worker.leads.set()

    def __len__(self) -> int:
        return len(self._items)

    @property
    def free(self) -> int:
        """How many more calls may be in flight; workers may come and go."""
        if time.monotonic() > self._counted + RECOUNT:
            with _connection_kept():
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
def _connection_kept() -> Iterator[None]:
    """Explain the error of a call to a scheduler that is gone."""
    try:
        yield
    except OSError as error:
        raise WorkerError(LOST) from error
