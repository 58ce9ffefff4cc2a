"""Where the images of a batch are worked on: in the caller, or by workers of dask.distributed."""

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, cast

from napari_nucseg._types import CancelCheck, Progress
from napari_nucseg.batch.items import Item
from napari_nucseg.batch.outcome import Outcome, Status
from napari_nucseg.batch.work import Work, segment_item, segment_on_worker, stop_run
from napari_nucseg.cluster import ClusterCalls, result_of
from napari_nucseg.errors import Cancelled, WorkerDied, WorkerError

if TYPE_CHECKING:
    from distributed import Client

POLL = 0.2
"""Seconds between two looks at whether the caller wants to stop."""

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
        cancelled: CancelCheck,
    ) -> None:
        self._client, self._work, self._threads = client, work, threads
        self._started, self._cancelled = started, cancelled
        self._run = uuid.uuid4().hex
        self._calls = ClusterCalls(client)

    @property
    def free(self) -> int:
        """See `Executor`."""
        return self._calls.free

    @property
    def busy(self) -> bool:
        """See `Executor`."""
        return bool(self._calls)

    def submit(self, item: Item) -> None:
        """See `Executor`."""
        self._started(item)
        arguments = (item.absolute(), self._work, self._run, self._threads)
        self._calls.submit(item, segment_on_worker, *arguments)

    def wait(self) -> list[Finished]:
        """See `Executor`."""
        while True:
            if self._cancelled():
                raise Cancelled("The batch was cancelled.")
            ended = self._calls.collect(POLL)
            if ended:
                return _outcomes(ended)

    def stop(self) -> list[Finished]:
        """See `Executor`."""
        return _outcomes(self._calls.stop(stop_run, self._run))


def _outcomes(ended: list[tuple[Item, Any]]) -> list[Finished]:
    """Return the outcomes of futures that were not cancelled."""
    outcomes = [(item, _outcome(future)) for item, future in ended]
    return [(item, outcome) for item, outcome in outcomes if outcome is not None]


def _outcome(future: Any) -> Outcome | None:
    """Return the outcome of a future, None if it was cancelled."""
    result = result_of(future)
    if isinstance(result, Cancelled):
        return None
    if isinstance(result, WorkerError):
        raise result
    if isinstance(result, WorkerDied):
        return Outcome(Status.FAILED, message=str(result).capitalize(), died=True)
    if isinstance(result, BaseException):  # before or after the work on the image
        return Outcome.unforeseen(result)
    return cast(Outcome, result)
