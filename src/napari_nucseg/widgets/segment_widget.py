"""The dock widget that segments nuclei."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from napari.layers import Layer
from psygnal import Signal
from qtpy.compat import isalive
from qtpy.QtWidgets import QApplication

from napari_nucseg._types import CancelCheck, Progress
from napari_nucseg.errors import NucsegError
from napari_nucseg.inference.memory import bytes_to_keep
from napari_nucseg.inference.relabel import LIVE_PARAMETERS
from napari_nucseg.inference.segment import segment
from napari_nucseg.widgets import _messages as messages
from napari_nucseg.widgets._command import copied_command
from napari_nucseg.widgets._dock import DockWatcher
from napari_nucseg.widgets._image_form import Request
from napari_nucseg.widgets._large_run import LargeRun
from napari_nucseg.widgets._layers import result_geometry
from napari_nucseg.widgets._live import MAX_MAPS, LiveUpdates, Shown, make_shown
from napari_nucseg.widgets._model_choice import ModelChoice
from napari_nucseg.widgets._results import Kind, Looked, ResultLayers, is_locked
from napari_nucseg.widgets._segment_form import SegmentForm
from napari_nucseg.widgets._worker import Task


class SegmentWidget(SegmentForm):
    """Segments the nuclei of an image layer into a labels layer.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer

    Attributes
    ----------
    finished : psygnal.Signal
        Emitted in the main thread after a run ended, in whatever way.
    """

    finished = Signal()

    def __init__(self, napari_viewer: Any) -> None:
        self._viewer = napari_viewer
        self._results = ResultLayers(napari_viewer)
        self._task: Task[Any] | None = None
        self._large: LargeRun | None = None
        self._request: Request | None = None
        self._reason: str | None = None
        self._aloud = False
        self._before: Shown | None = None
        super().__init__(napari_viewer)
        self._live = LiveUpdates(
            self.native,
            self._live_values,
            self._look_at,
            self._may_update,
            self._show_update,
            self._show_problem,
            self._show_updating,
        )
        self._watcher = DockWatcher(self.native, self._close, self.align)
        self._connect()

    def _connect(self) -> None:
        self.run_button.changed.connect(self.run)
        self.cancel_button.changed.connect(self.cancel)
        self.copy_button.changed.connect(self.copy_command)
        for name in LIVE_PARAMETERS:
            self.fields[name].changed.connect(self._live_changed)
        layers = self._viewer.layers
        layers.selection.events.active.connect(self._follow)
        layers.events.removed.connect(self._layer_removed)
        for event in ("inserted", "removed", "reordered", "renamed"):
            getattr(layers.events, event).connect(self.reset_choices)
        self._model_choice = ModelChoice(self.fields["model"], self._model_lost)

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._task is not None

    @property
    def updating(self) -> bool:
        """Whether the labels are being adjusted, or are about to be."""
        return self._live.busy

    def run(self) -> None:
        """Segment the chosen image in a thread; a press during a run is ignored."""
        if self.running:
            return
        try:
            self.offer()  # a layer does not tell of new data
            request = self.image_form.request(self.params())
            if self.image_form.reason_for_blocks is None:
                start = self._start_at_once(request)
            else:
                start = self._start_in_blocks(request)
        except NucsegError as error:
            self.status.show_error(str(error))
            return
        self._before = self._live.shown
        self._live.stop()
        self._request, self._reason, self._aloud = request, None, False
        self._set_running(True)
        start()

    def _start_at_once(self, request: Request) -> Callable[[], None]:
        self._task = Task(
            partial(_segment, request, self._results.look_at(request.source)),
            f"segmenting '{request.name}'",
            self._run_finished,
            self._show_progress,
        )
        return self._task.start

    def _start_in_blocks(self, request: Request) -> Callable[[], None]:
        form = self.large_form
        target, overwrite = form.target(), form.overwrite.value
        self._large = LargeRun(
            self._viewer, request, target, overwrite, self._run_finished, self._show_blocks
        )
        self._task = self._large.task
        return self._large.start

    def cancel(self) -> None:
        """Stop the run within one tile; nothing is changed, and finished blocks are kept."""
        large = self._large
        self._stop(
            messages.CANCELLED if large is None else messages.large_cancelled(str(large.target))
        )

    def _stop(self, reason: str, *, aloud: bool = False) -> None:
        if self._task is not None and not self._task.cancelled:
            self._reason, self._aloud = reason, aloud
            self._task.cancel()

    def copy_command(self) -> None:
        """Copy the equivalent shell line to the clipboard."""
        try:
            self.offer()
            request = self.image_form.request(self.params())
            large = self.image_form.reason_for_blocks is not None
            form = self.large_form
            line, text = copied_command(
                request,
                form.target() if large else None,
                overwrite=large and bool(form.overwrite.value),
            )
        except NucsegError as error:
            self.status.show_error(str(error))
            return
        QApplication.clipboard().setText(line)
        self.status.value = text

    def reset_choices(self, *_: Any) -> None:
        """Read the layer list again; napari calls this when layers come, go or are renamed."""
        if isalive(self.native):
            self.image_form.refresh()

    def _follow(self, _event: Any = None) -> None:
        if isalive(self.native):
            self.image_form.follow()

    def _layer_removed(self, event: Any) -> None:
        if self.running and self._request is not None and event.value is self._request.source:
            name, large = self._request.name, self._large
            reason = (
                messages.source_removed(name)
                if large is None
                else messages.source_removed_large(name, str(large.target))
            )
            self._stop(reason, aloud=True)
        shown = self._live.shown
        if shown is not None and event.value is self._results.last(shown.request.source):
            self._live.stop()  # up to a gigabyte of maps is of no use any more
            if isalive(self.native):
                self.status.value = messages.labels_removed(str(event.value.name))

    def _close(self) -> None:
        self._before = None
        self._stop(messages.CLOSED)
        self._live.stop()

    def _set_running(self, running: bool) -> None:
        self.run_button.enabled = not running
        self.cancel_button.enabled = running
        self.progress.visible = running
        if running:
            self.progress.max = 0  # a busy bar, until the first tile is done
            self.status.value = "Segmenting ..."

    def _show_progress(self, done: int, total: int, message: str) -> None:
        if self.running and isalive(self.native) and total > 1:
            self.progress.max = total
            self.progress.value = done
            self.status.value = f"Tile {done:,} of {total:,}: {message}"

    def _show_blocks(self, done: int, total: int, text: str) -> None:
        if self.running and isalive(self.native):
            self.progress.max = total
            self.progress.value = done
            self.status.value = text

    def _run_finished(self, task: Task[Any]) -> None:
        self._task = None
        large, self._large = self._large, None
        place = 0 if large is None or task.abandoned else large.close()
        if not isalive(self.native):
            return
        self._set_running(False)
        if task.cancelled:
            self._show_cancelled(task)
        elif task.result is None:
            self._show_problem(task)
        else:
            self._before = None  # its labels are replaced, or of another image
            if self._request is None or not self._request.is_current():
                self._show_changed(large)
            elif large is None:
                self._show_result(task.result)
            else:
                self._viewer.layers.selection.active = large.show(place)
                self.status.value = large.summary()
        if self._before is not None:
            self._live.start(self._before)  # the labels of the run before are still there
        self._before = None
        self._request = None  # the layer may be removed any time, and its memory given back
        self.finished.emit()

    def _show_changed(self, large: LargeRun | None) -> None:
        name = "" if self._request is None else self._request.name
        self.status.value = (
            messages.source_changed(name)
            if large is None
            else messages.source_changed_large(name, str(large.target))
        )
        messages.show_warning(self.status.value)

    def _show_cancelled(self, task: Task[Shown]) -> None:
        """Say why there is no result; a user who did not press Cancel is told aloud."""
        self.status.value = self._reason or messages.CANCELLED
        if self._aloud and not task.abandoned:
            messages.show_warning(self.status.value)

    def _model_lost(self, name: str) -> None:
        self.status.value = messages.model_lost(name, self.fields["model"].value)
        messages.show_warning(self.status.value)

    def _show_problem(self, task: Task[Any]) -> None:
        """Say what went wrong; napari has shown what was not foreseen."""
        if task.error is not None:
            self.status.show_error(str(task.error))
        elif task.failure is not None:
            self.status.value = messages.failed("Segmenting", task.failure)

    def _show_result(self, shown: Shown) -> None:
        """Show labels, and probabilities if asked for, and let the sliders act on them."""
        if "probability" in shown.arrays:
            self._put(shown, "probability")
        self._viewer.layers.selection.active = self._put_labels(shown)
        result = shown.result
        text = messages.summary(result, shown.request.pixel_size)
        if result.maps:
            self._live.start(shown)
        else:
            text += "\n" + messages.not_kept(bytes_to_keep(result.job, result.field_of_view))
        self.status.value = text

    def _put_labels(self, shown: Shown) -> Layer:
        layer = self._put(shown, "labels")
        self.tracks_button.follow(layer)
        return layer

    def _put(self, shown: Shown, kind: Kind) -> Layer:
        request, result = shown.request, shown.result
        return self._results.put(
            request.source,
            kind,
            shown.arrays[kind],
            result_geometry(request.source, request.axes, request.position),
            {
                **result.record,
                **request.record(),
                "count": result.count,
                "seconds": dict(result.seconds),
                "messages": list(result.messages),
            },
            result.features if kind == "labels" else None,
            shown.looked,
        )

    def _live_changed(self) -> None:
        self._live.schedule()

    def _live_values(self) -> Mapping[str, Any]:
        """Return the live parameters for the image that is shown, which need not be the chosen."""
        shown = self._live.shown
        values = {name: self.fields[name].value for name in LIVE_PARAMETERS}
        return {**values, **self._link.unused(shown.result.axes if shown is not None else "")}

    def _look_at(self, shown: Shown) -> Callable[[], Looked]:
        return self._results.look_at(shown.request.source)

    def _may_update(self, shown: Shown) -> bool:
        """Return whether the labels are as they were written; if not, say so."""
        source = shown.request.source
        if self._results.untouched(source, looked=shown.looked) is not None:
            return True
        layer = self._results.last(source)
        told = messages.labels_locked if is_locked(layer) else messages.edited
        self.status.value = told(str(layer.name))
        return False

    def _show_updating(self, updating: bool) -> None:
        if isalive(self.native):
            self.show_updating(updating)

    def _show_update(self, shown: Shown) -> None:
        self._put_labels(shown)
        self.status.value = messages.summary(shown.result, shown.request.pixel_size)


def _segment(
    request: Request,
    look: Callable[[], Looked],
    progress: Progress,
    cancelled: CancelCheck,
) -> Shown:
    """Segment what was requested; runs in a thread."""
    result = segment(
        request.image,
        request.image_axes,
        params=request.params,
        pixel_size=request.pixel_size,
        region=request.region,
        keep_maps=True,
        maps_limit=MAX_MAPS,
        progress=progress,
        cancelled=cancelled,
    )
    return make_shown(request, result, look)
