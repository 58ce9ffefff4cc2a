"""The dock widget that corrects labels and marks what was reviewed."""

from functools import partial
from typing import Any

from napari.layers import Labels
from qtpy.compat import isalive

from napari_nucseg._types import AnyArray
from napari_nucseg.correction import autosave, edits
from napari_nucseg.correction.autosave import Saved
from napari_nucseg.correction.doubt import Doubt
from napari_nucseg.correction.edit import Edit
from napari_nucseg.correction.ids import next_free_ids
from napari_nucseg.correction.parts import separate_parts
from napari_nucseg.correction.planes import Plane
from napari_nucseg.errors import InputError, NucsegError
from napari_nucseg.widgets import _correct_messages as messages
from napari_nucseg.widgets._correct_form import (
    DELETE_SELECTED,
    NEXT,
    NEXT_ID,
    PREVIOUS,
    REVIEW_PLANE,
    CorrectForm,
)
from napari_nucseg.widgets._correct_keys import Keys
from napari_nucseg.widgets._correct_tools import TOOLS, CanvasTool, Tool
from napari_nucseg.widgets._correct_work import Analysis, Opened
from napari_nucseg.widgets._correction import (
    check_layer,
    correction_of,
    folders_in_use,
    image_mismatch,
    plane_position,
    reviewed_mask,
    time_axis,
)
from napari_nucseg.widgets._corrector import Corrector, MakeEdit
from napari_nucseg.widgets._dock import DockWatcher
from napari_nucseg.widgets._doubt_list import DoubtList, show_nucleus
from napari_nucseg.widgets._memory_copy import start_copy
from napari_nucseg.widgets._messages import failed, show_warning
from napari_nucseg.widgets._nucleus_frame import NucleusFrame
from napari_nucseg.widgets._results import RECORD
from napari_nucseg.widgets._review_form import ReviewForm
from napari_nucseg.widgets._worker import Task

__all__ = ["CorrectWidget", "correction_of", "reviewed_mask"]


class CorrectWidget(CorrectForm):
    """Corrects a labels layer: split, merge, delete, redraw; lists doubtful nuclei; marks review.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
    """

    def __init__(self, napari_viewer: Any) -> None:
        self._corrector: Corrector | None = None
        self._found: Saved | None = None
        self._saved: Saved | None = None  # what was found, while it is offered
        self._copying: Task[AnyArray] | None = None
        self._picked = 0
        self._shut = False
        super().__init__(
            napari_viewer, DoubtList(self._go_to), ReviewForm(napari_viewer, self._say)
        )
        self._tool = CanvasTool(
            napari_viewer, self._drawn, self._clicked, self._say, self._tool_changed
        )
        self._frame = NucleusFrame(napari_viewer)
        self._keys = Keys(napari_viewer, self._key_actions())
        self._connect()
        self._follow()
        if self._corrector is None:
            self._attach(self.layer_box.value)

    def _key_actions(self) -> dict[str, Any]:
        return {
            **{tool.key: partial(self.toggle, tool) for tool in TOOLS},
            NEXT_ID: self.choose_free_id,
            DELETE_SELECTED: self.delete_selected,
            REVIEW_PLANE: self.review.mark_plane,
            PREVIOUS: self.doubts.previous,
            NEXT: self.doubts.next,
        }

    def _connect(self) -> None:
        self.layer_box.changed.connect(self._attach)
        for tool in TOOLS:
            self.tools[tool.name].native.clicked.connect(partial(self._button_pressed, tool))
        pressed = {
            self.next_id_button: self.choose_free_id,
            self.delete_button: self.delete_selected,
            self.restore_button: self.restore,
            self.discard_button: self.discard,
            self.separate_button: self.separate_all,
            self.copy_button: self.copy_to_memory,
        }
        for button, action in pressed.items():
            button.changed.connect(action)
        layers = self._viewer.layers
        layers.selection.events.active.connect(self._follow)
        for event in ("inserted", "removed", "reordered", "renamed"):
            getattr(layers.events, event).connect(self.reset_choices)
        self._watcher = DockWatcher(self.native, self._close)

    @property
    def layer(self) -> Labels | None:
        """The layer that is being corrected."""
        return None if self._corrector is None else self._corrector.layer

    @property
    def ready(self) -> bool:
        """Whether the layer may be corrected now."""
        return self._corrector is not None and self._corrector.ready

    @property
    def busy(self) -> bool:
        """Whether anything is under way."""
        corrector = self._corrector
        correcting = corrector is not None and corrector.busy
        return correcting or self._copying is not None or self.review.suggester.busy

    @property
    def tool(self) -> Tool | None:
        """The tool that is on."""
        return self._tool.tool

    # layers

    def reset_choices(self, *_: Any) -> None:
        """Read the layer list again; napari calls this when layers come, go or are renamed."""
        if isalive(self.native) and not self._shut:
            self.refresh()

    def _follow(self, _event: Any = None) -> None:
        """Choose the active layer if it holds labels."""
        active = self._viewer.layers.selection.active
        if self._shut or not isalive(self.native):
            return
        if isinstance(active, Labels) and active is not self.layer_box.value:
            self.refresh()
            if active in self.layer_box.choices:  # labels that come and go are not offered
                self.layer_box.value = active

    def _attach(self, layer: Labels | None) -> None:
        if layer is self.layer and layer is not None:
            return
        self._detach()
        self._found = self._saved = None
        self.enable(False)
        self.show_warning("")
        self.show_offer("")
        self.doubts.forget()
        self.doubts.fill([])
        self.counts.value = self.reference.value = self.review.text.value = ""
        if layer is None:
            self.status.value = messages.NO_LABELS
            return
        try:
            check_layer(layer)
        except InputError as error:
            self.show_warning(str(error), copy=True)
            self.status.value = ""
            return
        self._corrector = self.review.corrector = Corrector(
            self._viewer,
            layer,
            self.native,
            opened=self._opened,
            analysed=self._analysed,
            say=self._say,
        )

    def _detach(self) -> None:
        self._tool.stop()
        self._frame.close()
        self._keys.unbind()
        self._picked = 0
        if self._corrector is not None:
            self._corrector.close()
            self._corrector = self.review.corrector = None

    def _close(self) -> None:
        if not self._shut:
            self._shut = True
            if self._copying is not None:
                self._copying.cancel()
            self._detach()
            self.review.suggester.stop()
            self._tool.close()

    def _opened(self, opened: Opened) -> None:
        """Show what was found in the layer, and let it be corrected."""
        corrector = self._corrector
        if corrector is None or corrector.state is None or not isalive(self.native):
            return
        layer = corrector.layer
        mismatch = image_mismatch(layer, self._viewer.layers)
        warning = messages.scattered(opened.scattered) if opened.scattered else ""
        texts = [text for text in (warning, mismatch) if text]
        self.show_warning("\n".join(texts), separate=bool(opened.scattered))
        if mismatch:
            show_warning(mismatch)
        self._found = opened.saved
        self._show_origin()
        taken = self._keys.bind(layer)
        self.enable(True)
        self.status.value = " ".join(map(messages.key_taken, taken))
        if opened.copy.top == 0:
            self.status.value = messages.all_background(layer.name)

    def copy_to_memory(self) -> None:
        """Add a copy of the layer whose array is in memory."""
        layer = self.layer_box.value
        if layer is None or self._copying is not None:
            return
        self.copy_button.enabled = False
        self.status.value = messages.copying(layer.name)
        self._copying = start_copy(layer, partial(self._copied, layer))

    def _copied(self, layer: Labels, task: Task[AnyArray], copy: Labels | None) -> None:
        self._copying = None
        if self._shut or not isalive(self.native):
            return
        self.copy_button.enabled = True
        if task.failure is not None:
            self.status.value = failed("Copying", task.failure)
        if copy is not None:
            self._viewer.layers.append(copy)
            layer.visible = False

    # saying

    def _say(self, text: str, loud: bool = True) -> None:
        """Show a sentence; aloud if the user might miss it."""
        if isalive(self.native):
            if loud:
                self.status.complain(text)
            else:
                self.status.value = text
        if loud:
            show_warning(text)

    # editing

    def _button_pressed(self, tool: Tool, _checked: bool = False) -> None:
        self.toggle(tool)

    def toggle(self, tool: Tool) -> None:
        """Turn a tool on, or off if it is on."""
        layer = self.layer
        if self.tool is tool or layer is None or not self.ready:
            self._tool.stop()
            self._tool_changed()
        elif not layer.editable:
            self._say(messages.NOT_EDITABLE)
        else:
            self.status.value = ""
            self._tool.start(tool, layer)
            if self.tool is None:
                self._tool_changed()  # its button must not stay pressed

    def _tool_changed(self) -> None:
        self._picked = 0
        if isalive(self.native):
            tool = self.tool
            hint = messages.DRAWING if tool is None else messages.tool_is_on(tool.hint, tool.key)
            self.show_tool(None if tool is None else tool.name, hint)

    def _edit(self, kind: str, make: MakeEdit) -> None:
        if self._corrector is not None:
            self._corrector.edit(make, lambda edit: messages.done(kind, edit.nuclei))

    def _drawn(self, tool: Tool, points: AnyArray, plane: Plane) -> None:
        if tool.name == "split":
            self._edit("split", lambda labels, top: edits.split_under(labels, points, plane, top))
        else:
            self._edit("outline", lambda labels, _: edits.redraw(labels, points, plane))

    def _clicked(self, tool: Tool, nucleus: int) -> None:
        layer = self.layer
        if nucleus == 0 or layer is None:
            self._say(messages.BACKGROUND, False)
        elif tool.name == "merge":
            self._pick(nucleus)
        elif tool.name == "delete":
            self._edit("delete", lambda labels, _: edits.delete(labels, nucleus))
        elif tool.name == "separate":
            axis = time_axis(layer)
            self._edit(
                "separate",
                lambda labels, top: separate_parts(labels, nucleus, axis, reserved=top),
            )
        else:
            self._fill(nucleus)

    def _fill(self, nucleus: int) -> None:
        layer = self.layer
        if layer is None:
            return
        try:
            plane = (*plane_position(layer, self._viewer), None, None)
        except InputError as error:
            self._say(str(error))
            return
        self._edit("fill", lambda labels, _: edits.fill_holes(labels, nucleus, plane))

    def _pick(self, nucleus: int) -> None:
        """Remember the first of two nuclei, merge with the second."""
        if self._picked == 0:
            self._picked = nucleus
            self.status.value = messages.first_of_two(nucleus)
            return
        kept, self._picked = self._picked, 0
        self._edit("merge", lambda labels, _: edits.merge(labels, kept, nucleus))

    def delete_selected(self) -> None:
        """Delete the nucleus whose id is selected in napari."""
        layer = self.layer
        if layer is None or layer.selected_label == 0:
            self._say(messages.NOTHING_SELECTED, False)
            return
        nucleus = int(layer.selected_label)
        self._edit("delete", lambda labels, _: edits.delete(labels, nucleus))

    def choose_free_id(self) -> None:
        """Select an id that no nucleus has, or had when it was predicted."""
        corrector = self._corrector
        if corrector is None or not corrector.ready or corrector.state is None:
            return
        layer = corrector.layer

        def use(ids: list[int], _done: Any) -> None:
            layer.selected_label = ids[0]
            self.status.value = messages.next_id(ids[0])

        find = partial(next_free_ids, layer.data, 1, corrector.state.predicted.top)
        corrector.compute(find, use, lambda _: None)

    def separate_all(self) -> None:
        """Give every place of ids that occur far apart an id of its own."""
        layer = self.layer
        if layer is None or self._corrector is None:
            return
        axis = time_axis(layer)

        def done(edit: Edit) -> str:
            self.show_warning("")
            return messages.separated(len(edit.nuclei))

        self._corrector.edit(
            lambda labels, top: separate_parts(labels, 0, axis, gap=True, reserved=top), done
        )

    # what changed, what to look at

    def _analysed(self, analysis: Analysis) -> None:
        if isalive(self.native):
            self._show_origin()  # which an undo may have changed
            self.counts.value = messages.changes(analysis.changes)
            self.doubts.fill(analysis.doubts)
            self._show_frame()
            self.review.show_state()

    def _go_to(self, doubt: Doubt) -> None:
        if self.layer is not None:
            show_nucleus(self._viewer, self.layer, doubt)
            self._show_frame()
            self.status.value = messages.looking_at(doubt)

    def _show_frame(self) -> None:
        """Frame the nucleus that was gone to, while there is one."""
        doubt = self.doubts.current
        with self._tool.staying_on():
            if self.layer is not None and doubt is not None:
                self._frame.show(self.layer, doubt)
            else:
                self._frame.close()

    # autosaved corrections

    def restore(self) -> None:
        """Bring the offered corrections back."""
        saved = self._saved
        if saved is None or self._corrector is None:
            return

        def done() -> str:
            self._show_origin()
            return messages.restored(saved)

        self._corrector.restore(saved, done)

    def _show_origin(self) -> None:
        """Show what corrections are counted against, and offer what was saved unless it is here."""
        corrector = self._corrector
        if corrector is None or corrector.state is None:
            return
        layer, state, found = corrector.layer, corrector.state, self._found
        model = str(layer.metadata.get(RECORD, {}).get("model", ""))
        self.reference.value = messages.reference(state.is_prediction, model)
        own = (state.folder.name, state.restored)
        self._saved = found if found is not None and found.folder.name not in own else None
        same = found is not None and found.fingerprint == state.predicted.fingerprint
        self.show_offer(
            "" if self._saved is None else messages.offer(self._saved, same, self._holder())
        )

    def _holder(self) -> str:
        """Return the name of the open layer that has the offered corrections; or ""."""
        name = "" if self._saved is None else self._saved.folder.name
        return folders_in_use(self._viewer.layers).get(name, "")

    def discard(self) -> None:
        """Delete the offered corrections, unless a layer is open with them."""
        holder = self._holder()
        saved = self._saved
        self._found = self._saved = None
        self.show_offer("")
        if holder:
            self.status.value = messages.not_discarded(holder)
        elif saved is not None:
            try:
                autosave.discard_saved(saved, keep=folders_in_use(self._viewer.layers))
            except NucsegError as error:
                self.status.show_error(str(error))
