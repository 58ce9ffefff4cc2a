"""Where the images of a batch are worked on: in the caller, or by workers of dask.distributed."""

import uuid
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, cast

from napari_nucseg._types import CancelCheck, Progress
from napari_nucseg.batch.items import Item
from napari_nucseg.batch.outcome import Outcome, Status
from napari_nucseg.batch.work import Work, segment_item, segment_on_worker, stop_run
from napari_nucseg.cancelling import check_cancelled
from napari_nucseg.cluster.calls import ClusterCalls, result_of
from napari_nucseg.errors import Cancelled, WorkerDied, WorkerError

if TYPE_CHECKING:
    from distributed import Client

POLL = 0.2
"""Seconds between two looks at whether the caller wants to stop."""

Finished = tuple[Item, Outcome]


class Executor(Protocol):
    """Works on items, several at a time."""

    @property
    def free(self) -> int:
        """How many more items may be submitted."""

    @property
    def busy(self) -> bool:
        """Whether there are items in work."""

    def submit(self, item: Item) -> None:
        """Begin an item."""

    def wait(self) -> list[Finished]:
        """Return the next finished item, if it has an outcome; others stay for `wait` or `stop`.

        Raises
        ------
        Cancelled
            The caller wants to stop.
        WorkerError
            The workers are lost.
        """

    def stop(self) -> list[Finished]:
        """Let what is in work end within one tile; return items that finish meanwhile."""


class CallerExecutor:
    """Works on one item after the other in the thread that waits.

    Parameters
    ----------
    work : Work
    started : callable
        Called with each item.
    tiles : callable or None
        Progress within an item.
    cancelled : callable or None
    """

    def __init__(
        self,
        work: Work,
        started: Callable[[Item], None],
        tiles: Progress | None,
        cancelled: CancelCheck | None,
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
        check_cancelled(self._cancelled, "The batch was cancelled.")
        return [(item, segment_item(item, self._work, self._tiles, self._cancelled))]

    def stop(self) -> list[Finished]:
        """See `Executor`; nothing is in work unless the caller waits."""
        return []


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
        cancelled: CancelCheck | None,
    ) -> None:
        self._work, self._threads = work, threads
        self._started, self._cancelled = started, cancelled
        self._run = uuid.uuid4().hex
        self._calls = ClusterCalls(client)
        self._ended = deque[tuple[Item, Any]]()

    @property
    def free(self) -> int:
        """See `Executor`."""
        return self._calls.free

    @property
    def busy(self) -> bool:
        """See `Executor`."""
        return bool(self._calls) or bool(self._ended)

    def submit(self, item: Item) -> None:
        """See `Executor`."""
        self._started(item)
        arguments = (item.absolute(), self._work, self._run, self._threads)
        self._calls.submit(item, segment_on_worker, *arguments)

    def wait(self) -> list[Finished]:
        """See `Executor`."""
        while True:
            check_cancelled(self._cancelled, "The batch was cancelled.")
            if not self._ended:
                self._ended += self._calls.collect(POLL)
            if self._ended:
                return _finished(*self._ended.popleft())

    def stop(self) -> list[Finished]:
        """See `Executor`; says nothing of lost workers, as that is not why the caller stops."""
        ended = list(self._ended)
        self._ended.clear()
        ended += self._calls.stop(stop_run, self._run)
        finished: list[Finished] = []
        for item, future in ended:
            with suppress(WorkerError):  # without an outcome; those beside it are kept
                finished += _finished(item, future)
        return finished


def _finished(item: Item, future: Any) -> list[Finished]:
    """Return an item with the outcome of its future, nothing if that was cancelled."""
    result = result_of(future)
    if isinstance(result, Cancelled):
        return []
    if isinstance(result, WorkerError):
        raise result
    if isinstance(result, WorkerDied):
        message = str(result).capitalize()
        return [(item, Outcome(Status.FAILED, message=message, died=True))]
    if isinstance(result, BaseException):  # before or after the work on the image
        return [(item, Outcome.unforeseen(result))]
    return [(item, cast(Outcome, result))]
