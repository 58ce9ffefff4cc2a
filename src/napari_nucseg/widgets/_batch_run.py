"""One batch in a thread, told about in the main thread."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from qtpy.QtCore import QObject, Signal

from napari_nucseg._types import CancelCheck, Progress
from napari_nucseg.batch.batch import Batch
from napari_nucseg.batch.items import Item
from napari_nucseg.batch.outcome import Outcome, Status
from napari_nucseg.counted import counted
from napari_nucseg.params import SegmentParams
from napari_nucseg.widgets._time_left import duration
from napari_nucseg.widgets._worker import Task


@dataclass(frozen=True)
class BatchRequest:
    """What the form asks for; see `segment_batch`."""

    inputs: Sequence[str]
    output: str
    params: SegmentParams
    axes: str | None
    pixel_size: Mapping[str, float] | None
    overwrite: bool
    workers: int


class _Relay(QObject):
    """Carries what happens from the thread to the main thread."""

    planned = Signal(object)
    started = Signal(object)
    finished = Signal(object, object)


class BatchRun:
    """Runs one batch.

    Parameters
    ----------
    request : BatchRequest
    planned, started, finished : callable
        Called in the main thread with the batch, with each item, and with its outcome too.
    tiles : callable
        Called in the main thread with the progress within an image.
    ended : callable
        Called in the main thread with the task.

    Attributes
    ----------
    batch : Batch or None
        As soon as it is planned; its counts are those so far.
    """

    def __init__(
        self,
        request: BatchRequest,
        planned: Callable[[Batch], None],
        started: Callable[[Item], None],
        finished: Callable[[Item, Outcome], None],
        tiles: Progress,
        ended: Callable[[Task[None]], None],
    ) -> None:
        self.batch: Batch | None = None
        self._request = request
        self._relay = _Relay()
        self._relay.planned.connect(planned)
        self._relay.started.connect(started)
        self._relay.finished.connect(finished)
        self._task = Task(self._work, "segmenting a folder", ended, tiles)

    def start(self) -> None:
        """Start the thread."""
        self._task.start()

    def cancel(self) -> None:
        """Stop within one tile; what is finished is kept."""
        self._task.cancel()

    def _work(self, progress: Progress, cancelled: CancelCheck) -> None:
        request = self._request
        self.batch = Batch.plan(
            request.inputs,
            request.output,
            request.params,
            axes=request.axes,
            pixel_size=request.pixel_size,
            overwrite=request.overwrite,
        )
        self._relay.planned.emit(self.batch)
        self.batch.run(
            workers=request.workers,
            started=self._relay.started.emit,
            tiles=progress,
            finished=self._relay.finished.emit,
            cancelled=cancelled,
        )


class TimeLeft:
    """Guesses from the images so far how long the others take.

    Parameters
    ----------
    total : int
        Number of images.
    clock : callable
        Seconds from any start.
    """

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._begun = clock, clock()
        self.total, self.done, self._worked = total, 0, 0

    def count(self, outcome: Outcome) -> None:
        """Count a finished image; skipped ones took no time."""
        self.done += 1
        self._worked += outcome.status is not Status.SKIPPED

    def describe(self) -> str:
        """Return how many are done, and how long it will take."""
        text = f"{self.done:,} of {counted(self.total, 'image')}"
        if not self._worked or self.done == self.total:
            return text
        seconds = (self._clock() - self._begun) / self._worked * (self.total - self.done)
        return f"{text}, {duration(seconds)} left"
