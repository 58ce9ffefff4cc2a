"""Keeps a result up to date with the sliders, from the network's maps of the last run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QObject, QTimer

from napari_nucseg._types import AnyArray, CancelCheck, Progress
from napari_nucseg.inference.relabel import LIVE_PARAMETERS, relabel
from napari_nucseg.inference.result import SegmentationResult
from napari_nucseg.widgets._busy_sign import BusySign
from napari_nucseg.widgets._image_form import Request
from napari_nucseg.widgets._layers import expand
from napari_nucseg.widgets._results import Kind, Looked, Written
from napari_nucseg.widgets._worker import Task

MAX_MAPS = 1_000_000_000
"""Bytes of maps that are kept at most."""

DELAY = 120
"""Milliseconds without a change after which the labels are made anew."""


@dataclass(frozen=True, eq=False)
class Shown:
    """A result for display, with what takes too long in the main thread.

    Attributes
    ----------
    request : Request
        What it was made from.
    result : SegmentationResult
    arrays : dict
        Labels and, if asked for, probabilities, in the shape of their layers.
    looked : mapping
        Whether the layers of the result before were as written, when this one was ready.
    """

    request: Request
    result: SegmentationResult
    arrays: Mapping[Kind, Written]
    looked: Looked


def make_shown(request: Request, result: SegmentationResult, look: Callable[[], Looked]) -> Shown:
    """Prepare a result for display; runs in a thread."""
    found: dict[Kind, AnyArray | None] = {
        "probability": result.probabilities,
        "labels": result.labels,
    }
    arrays = {
        kind: Written.of(expand(data, result.axes, request.axes))
        for kind, data in found.items()
        if data is not None
    }
    return Shown(request, result, arrays, look())


class LiveUpdates:
    """Makes labels anew, in a thread, a moment after a slider was moved.

    Parameters
    ----------
    parent : QObject
        Owner of the timer.
    values : callable
        Returns the live parameters as they stand in the form.
    look_at : callable
        Called in the main thread with what is shown; see `ResultLayers.look_at`.
    may_update : callable
        Called in the main thread with what is to be shown; false if the layer must be left alone.
    show : callable
        Called in the main thread with what is to be shown.
    report : callable
        Called in the main thread with a task that failed.
    show_updating : callable
        Called in the main thread with whether an update is under way that takes long.
    """

    def __init__(
        self,
        parent: QObject,
        values: Callable[[], Mapping[str, Any]],
        look_at: Callable[[Shown], Callable[[], Looked]],
        may_update: Callable[[Shown], bool],
        show: Callable[[Shown], None],
        report: Callable[[Task[Any]], None],
        show_updating: Callable[[bool], None],
    ) -> None:
        self._values = values
        self._look_at = look_at
        self._may_update = may_update
        self._show = show
        self._report = report
        self._sign = BusySign(parent, show_updating)
        self._shown: Shown | None = None
        self._task: Task[Shown] | None = None
        self._timer = QTimer(parent)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY)
        self._timer.timeout.connect(self._update)

    @property
    def shown(self) -> Shown | None:
        """What the sliders act on, if anything."""
        return self._shown

    @property
    def busy(self) -> bool:
        """Whether an update is due or under way."""
        return self._task is not None or self._timer.isActive()

    def start(self, shown: Shown) -> None:
        """Let the sliders act on a result that keeps its maps."""
        self._shown = shown
        self.schedule()

    def stop(self) -> None:
        """Let the sliders act on nothing, and give the maps back."""
        self._shown = None
        self._timer.stop()
        self._sign.remove()
        if self._task is not None:
            self._task.cancel()

    def schedule(self) -> None:
        """Update after a moment, unless there is nothing to update or another change comes."""
        if self._shown is not None:
            self._timer.start()

    def _update(self) -> None:
        shown = self._shown
        if shown is None:
            return
        if self._task is not None:
            self._task.cancel()
            self._timer.start()
            return
        wanted = dict(self._values())
        made_with = shown.result.record["parameters"]
        if all(made_with[name] == wanted[name] for name in LIVE_PARAMETERS):
            self._sign.set(False)
            return
        look = self._look_at(shown)

        def work(progress: Progress, cancelled: CancelCheck) -> Shown:
            made = relabel(shown.result, cancelled=cancelled, **wanted)
            return make_shown(shown.request, made, look)

        self._task = Task(work, f"adjusting the nuclei of '{shown.request.name}'", self._finished)
        self._task.start()
        self._sign.set(True)

    def _finished(self, task: Task[Shown]) -> None:
        self._task = None
        if self._shown is None or task.cancelled:
            return
        self._sign.set(False)
        if task.result is None:
            self._report(task)
        elif not self._may_update(task.result):
            self.stop()
        else:
            self._shown = task.result
            self._show(task.result)
            self.schedule()
