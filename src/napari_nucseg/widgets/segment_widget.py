"""The dock widget that segments nuclei."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from magicgui.widgets import Container, Label, ProgressBar, PushButton
from napari.layers import Layer
from psygnal import Signal
from qtpy.compat import isalive
from qtpy.QtWidgets import QApplication

from napari_nucseg._types import CancelCheck, Progress
from napari_nucseg.command_line import command_line
from napari_nucseg.errors import NucsegError
from napari_nucseg.inference.job import given_diameter
from napari_nucseg.inference.segment import LIVE_PARAMETERS, segment
from napari_nucseg.linking.stack import plane_step
from napari_nucseg.params import LINK_PARAMETERS, SegmentParams, make_params, parse_diameter
from napari_nucseg.widgets import _messages as messages
from napari_nucseg.widgets._dock import Watcher, dock_of
from napari_nucseg.widgets._image_form import ImageForm, Request
from napari_nucseg.widgets._layers import expand, result_geometry
from napari_nucseg.widgets._link_form import LinkForm
from napari_nucseg.widgets._live import MAX_MAPS, LiveUpdates, Shown, estimate_maps, maps_size
from napari_nucseg.widgets._look import align_labels, make_text, narrow
from napari_nucseg.widgets._model_choice import ModelChoice, model_choices
from napari_nucseg.widgets._params_form import field_widget, read_values
from napari_nucseg.widgets._results import Kind, ResultLayers
from napari_nucseg.widgets._tracks import TracksButton
from napari_nucseg.widgets._worker import Task

SLIDERS = tuple(name for name in LIVE_PARAMETERS if name not in LINK_PARAMETERS)

OUTPUT = "nuclei"
"""Output folder in the copied command."""


class SegmentWidget(Container):
    """Segments the nuclei of an image layer into a labels layer.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer

    Attributes
    ----------
    image_form : ImageForm
        Image, axes, channels and part to segment.
    fields : dict of str to magicgui widget
        One per parameter of `SegmentParams` that the widget offers.
    finished : psygnal.Signal
        Emitted in the main thread after a run ended, in whatever way.
    """

    finished = Signal()

    def __init__(self, napari_viewer: Any) -> None:
        self._viewer = napari_viewer
        self._results = ResultLayers(napari_viewer)
        self._task: Task[Shown] | None = None
        self._request: Request | None = None
        self._reason: str | None = None
        self._before: Shown | None = None
        self._docked = False
        self.image_form = ImageForm(napari_viewer)
        self._link = LinkForm()
        self.fields = {
            "channels": self.image_form.channels,
            "model": field_widget("model", choices=model_choices(), widget_type="ComboBox"),
            **{name: field_widget(name) for name in ("diameter", *SLIDERS)},
            **self._link.fields,
            "probabilities": field_widget("probabilities"),
        }
        self.run_button = PushButton(text="Run", tooltip="Segment the nuclei.")
        self.cancel_button = PushButton(
            text="Cancel", tooltip="Stop; nothing is changed.", enabled=False
        )
        self.progress = ProgressBar(visible=False)
        self.status = Label(value="")
        self.copy_button = PushButton(
            text="Copy as command",
            tooltip="Copy the shell line that does the same to the clipboard.",
        )
        self.tracks_button = TracksButton(napari_viewer)
        super().__init__(widgets=self._rows(), labels=False)
        self._live = LiveUpdates(
            self.native, self._live_values, self._may_update, self._show_update, self._show_problem
        )
        self._polish()
        self._connect()
        self._offer_links()

    def _rows(self) -> list[Any]:
        fields = self.fields
        main = Container(widgets=[fields["model"], fields["diameter"], fields["probabilities"]])
        live = Container(widgets=[fields[name] for name in SLIDERS])
        buttons = Container(
            widgets=[self.run_button, self.cancel_button], layout="horizontal", labels=False
        )
        for group in (main, live, buttons):
            group.margins = (0, 0, 0, 0)
        return [
            self.image_form,
            main,
            buttons,
            self.progress,
            Label(value="<b>Adjust the result</b> (without running again)"),
            live,
            self._link,
            self.status,
            self.tracks_button,
            self.copy_button,
        ]

    def _polish(self) -> None:
        form = self.image_form
        narrow([form.image, form.axes, form.what, form.shapes, self.fields["model"]])
        make_text(self.status)
        self._watcher = Watcher(self._moved, self._align)
        self.native.installEventFilter(self._watcher)

    def _connect(self) -> None:
        self.run_button.changed.connect(self.run)
        self.cancel_button.changed.connect(self.cancel)
        self.copy_button.changed.connect(self.copy_command)
        for name in LIVE_PARAMETERS:
            self.fields[name].changed.connect(self._live_changed)
        for box in (self.image_form.axes, self.image_form.what):
            box.changed.connect(self._offer_links)
        layers = self._viewer.layers
        layers.selection.events.active.connect(self._follow)
        layers.events.removed.connect(self._layer_removed)
        for event in ("inserted", "removed", "reordered", "renamed"):
            getattr(layers.events, event).connect(self.reset_choices)
        self.native.destroyed.connect(self._close)
        self._model_choice = ModelChoice(self.fields["model"], self._model_lost)

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._task is not None

    @property
    def updating(self) -> bool:
        """Whether the labels are being adjusted, or are about to be."""
        return self._live.busy

    def params(self) -> SegmentParams:
        """Return the parameters in the form.

        Raises
        ------
        InputError
            One of them cannot be used.
        """
        hidden = set(self._link.unused(self.image_form.stacked))
        if "C" not in (self.image_form.axes.value or ""):
            hidden.add("channels")
        fields = {name: field for name, field in self.fields.items() if name not in hidden}
        return make_params(read_values(fields))  # what is hidden, from an image before, is not used

    def run(self) -> None:
        """Segment the chosen image in a thread; a press during a run is ignored."""
        if self.running:
            return
        try:
            request = self.image_form.request(self.params())
            expected = estimate_maps(request)
        except NucsegError as error:
            self._show_error(error)
            return
        self._before = self._live.shown
        self._live.stop()
        self._request, self._reason = request, None
        self._set_running(True)
        self._task = Task(
            partial(_segment, request, expected <= MAX_MAPS),
            f"segmenting '{request.name}'",
            self._run_finished,
            self._show_progress,
        )
        self._task.start()

    def cancel(self) -> None:
        """Stop the run within one tile; nothing is changed."""
        self._stop(messages.CANCELLED)

    def _stop(self, reason: str) -> None:
        if self._task is not None and not self._task.cancelled:
            self._reason = reason
            self._task.cancel()

    def copy_command(self) -> None:
        """Copy the equivalent shell line to the clipboard."""
        try:
            request = self.image_form.request(self.params())
            params = _portable(request)
        except NucsegError as error:
            self._show_error(error)
            return
        path = request.source.source.path
        line = command_line(str(path or request.name), OUTPUT, request.axes, params)
        QApplication.clipboard().setText(line)
        part = bool(request.position) or request.region is not None
        self.status.value = messages.command_copied(line, has_path=bool(path), part=part)

    def reset_choices(self, *_: Any) -> None:
        """Read the layer list again; napari calls this when layers come, go or are renamed."""
        if isalive(self.native):
            self.image_form.refresh()

    def _offer_links(self, _: Any = None) -> None:
        self._link.offer(self.image_form.stacked)

    def _follow(self, _event: Any = None) -> None:
        if isalive(self.native):
            self.image_form.follow()

    def _layer_removed(self, event: Any) -> None:
        if self.running and self._request is not None and event.value is self._request.source:
            self._stop(messages.source_removed(self._request.name))

    def _align(self) -> None:
        align_labels([*self.image_form, *self.fields.values()])

    def _moved(self) -> None:
        """Stop everything if the widget was taken out of its dock, as closing it does."""
        docked = dock_of(self.native) is not None
        if self._docked and not docked:
            self._close()
        self._docked = docked

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

    def _run_finished(self, task: Task[Shown]) -> None:
        self._task = None
        if not isalive(self.native):
            return
        self._set_running(False)
        if task.cancelled:
            self._show_cancelled(task)
        elif task.result is None:
            self._show_problem(task)
        elif not task.result.request.is_current():
            self._before = None  # its labels are of another image too
            self.status.value = messages.source_changed(task.result.request.name)
            messages.show_warning(self.status.value)
        else:
            self._before = None
            self._show_result(task.result)
        if self._before is not None:
            self._live.start(self._before)  # the labels of the run before are still there
        self._before = None
        self.finished.emit()

    def _show_cancelled(self, task: Task[Shown]) -> None:
        """Say why there is no result; a user who did not press Cancel is told aloud."""
        self.status.value = self._reason or messages.CANCELLED
        if self._reason not in (None, messages.CANCELLED, messages.CLOSED) and not task.abandoned:
            messages.show_warning(self._reason)

    def _model_lost(self, name: str) -> None:
        self.status.value = messages.model_lost(name, self.fields["model"].value)
        messages.show_warning(self.status.value)

    def _show_problem(self, task: Task[Any]) -> None:
        """Say what went wrong; napari has shown what was not foreseen."""
        if task.error is not None:
            self._show_error(task.error)
        elif task.failure is not None:
            self.status.value = messages.failed(task.failure)

    def _show_error(self, error: NucsegError) -> None:
        self.status.value = str(error)
        messages.show_error(str(error))

    def _show_result(self, shown: Shown) -> None:
        """Show labels, and probabilities if asked for, and let the sliders act on them."""
        if shown.result.probabilities is not None:
            self._put(shown, "probability", shown.result.probabilities)
        self._viewer.layers.selection.active = self._put_labels(shown)
        size = maps_size(shown.result)
        text = messages.summary(shown.result, shown.request.pixel_size)
        if 0 < size <= MAX_MAPS:
            self._live.start(shown)
        else:
            text += "\n" + messages.not_kept(size or estimate_maps(shown.request))
        self.status.value = text

    def _put_labels(self, shown: Shown) -> Layer:
        layer = self._put(shown, "labels", shown.result.labels)
        self.tracks_button.follow(layer)
        return layer

    def _put(self, shown: Shown, kind: Kind, data: Any) -> Layer:
        request, result = shown.request, shown.result
        return self._results.put(
            request.source,
            kind,
            expand(data, result.axes, request.axes),
            result_geometry(request.source, request.axes, request.position),
            {
                **result.record,
                **request.record(),
                "count": result.count,
                "seconds": dict(result.seconds),
                "messages": list(result.messages),
            },
            result.features if kind == "labels" else None,
        )

    def _live_changed(self) -> None:
        self._live.schedule()

    def _live_values(self) -> Mapping[str, Any]:
        """Return the live parameters for the image that is shown, which need not be the chosen."""
        shown = self._live.shown
        values = {name: self.fields[name].value for name in LIVE_PARAMETERS}
        return {**values, **self._link.unused(shown.result.axes if shown is not None else "")}

    def _may_update(self, shown: Shown) -> bool:
        """Return whether the labels are as they were written; if not, say so."""
        if self._results.untouched(shown.request.source) is not None:
            return True
        self.status.value = messages.edited(self._results.last_name(shown.request.source))
        return False

    def _show_update(self, shown: Shown) -> None:
        self._put_labels(shown)
        self.status.value = messages.summary(shown.result, shown.request.pixel_size)


def _portable(request: Request) -> SegmentParams:
    """Return the parameters with lengths as pixels: the file may not know the layer's scale."""
    params = request.params
    changes: dict[str, Any] = {}
    pixels = given_diameter(params, request.pixel_size)
    if pixels is not None and parse_diameter(params.diameter)[1]:
        changes["diameter"] = repr(pixels)
    if (params.link_depth or params.link_time) and "Z" in request.image_axes:
        changes["anisotropy"] = params.anisotropy or plane_step(request.pixel_size)
    return params.model_copy(update=changes)


def _segment(
    request: Request, keep_maps: bool, progress: Progress, cancelled: CancelCheck
) -> Shown:
    """Segment what was requested; runs in a thread."""
    result = segment(
        request.image,
        request.image_axes,
        params=request.params,
        pixel_size=request.pixel_size,
        region=request.region,
        keep_maps=keep_maps,
        progress=progress,
        cancelled=cancelled,
    )
    return Shown(request, result)
