"""The rows of the widget for correcting; what they do is in `correct_widget`."""

from typing import Any

from magicgui.widgets import ComboBox, Container, Label, PushButton
from napari.layers import Labels
from qtpy.QtCore import Qt

from napari_nucseg.widgets import _correct_messages as messages
from napari_nucseg.widgets._correct_tools import TOOLS
from napari_nucseg.widgets._doubt_list import DoubtList
from napari_nucseg.widgets._layers import choices_of
from napari_nucseg.widgets._look import make_steady_text, make_text, narrow, renew_choices, row
from napari_nucseg.widgets._review_form import ReviewForm
from napari_nucseg.widgets._scroll import ScrolledForm
from napari_nucseg.widgets._status import StatusLine

PER_ROW = 3
SPACING = 3
"""Pixels between rows: all of them must fit on the screen of a laptop."""

HINT_LINES, STATUS_LINES = 3, 4
"""So that texts need no scrolling where the dock is as narrow as its buttons let it be."""

NEXT_ID, DELETE_SELECTED, REVIEW_PLANE, PREVIOUS, NEXT = "N", "Shift-D", "R", ",", "."
"""Keys beside those of the tools."""


class CorrectForm(ScrolledForm):
    """Shows and chooses; knows nothing of labels.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    doubts : DoubtList
    review : ReviewForm
    """

    def __init__(self, viewer: Any, doubts: DoubtList, review: ReviewForm) -> None:
        self._viewer = viewer
        self.doubts, self.review = doubts, review
        self.layer_box = ComboBox(
            label="Labels",
            choices=lambda _: choices_of(viewer.layers, Labels),
            tooltip="The labels layer to correct; follows the layer selected in the layer list.",
        )
        self.reference = Label(value="")
        self.offer = Label(value="")
        self.restore_button = PushButton(
            text="Restore", tooltip="Bring these corrections back; can be undone."
        )
        self.discard_button = PushButton(text="Discard", tooltip="Delete these corrections.")
        self.warning = Label(value="")
        self.separate_button = PushButton(
            text="Give each place its own id", tooltip="One step; can be undone."
        )
        self.copy_button = PushButton(
            text="Make a copy in memory", tooltip="Add a labels layer that can be corrected."
        )
        self.tools = {
            tool.name: PushButton(
                text=f"{tool.title}  {tool.key}", tooltip=_tip(tool.hint, tool.key)
            )
            for tool in TOOLS
        }
        self.next_id_button = PushButton(
            text=f"Next free id  {NEXT_ID}",
            tooltip=_tip("Select an id that no nucleus has or had, to draw a new one.", NEXT_ID),
        )
        self.delete_button = PushButton(
            text="Delete selected  Shift+D",
            tooltip=_tip("Delete the nucleus whose id is selected, such as by Next.", "Shift+D"),
        )
        self.hint = Label(value=messages.DRAWING)
        self.counts = Label(label="Corrected", value="")
        self.status = StatusLine()
        super().__init__(self._rows(), self.status)
        self._polish()

    def _rows(self) -> list[Any]:
        chooser = Container(widgets=[self.layer_box])
        buttons = list(self.tools.values())
        tools = [row(*buttons[n : n + PER_ROW]) for n in range(0, len(buttons), PER_ROW)]
        self.offer_row = row(self.restore_button, self.discard_button)
        counts = Container(widgets=[self.counts])
        chooser.margins = counts.margins = (0, 0, 0, 0)
        return [
            chooser,
            self.reference,
            self.offer,
            self.offer_row,
            self.warning,
            self.separate_button,
            self.copy_button,
            *tools,
            row(self.next_id_button, self.delete_button),
            self.hint,
            counts,
            self.doubts,
            self.review,
            self.status,
        ]

    def _polish(self) -> None:
        narrow([self.layer_box])
        layout = self.rows_layout
        layout.setContentsMargins(6, 4, 6, 4)
        layout.setSpacing(SPACING)
        layout.setStretchFactor(self.doubts.native, 1)  # the table takes what height is left
        for text in (
            self.reference,
            self.offer,
            self.warning,
            self.counts,
        ):
            make_text(text)
        make_steady_text(self.hint, HINT_LINES)
        make_steady_text(self.status, STATUS_LINES)
        for button in self.tools.values():
            button.native.setCheckable(True)
        for field in (*self.buttons(), self.layer_box, self.review.shapes):
            field.native.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # keys go on to the canvas
        self.show_offer("")
        self.show_warning("")

    def buttons(self) -> list[PushButton]:
        """Return the buttons that act on labels."""
        return [
            *self.tools.values(),
            self.next_id_button,
            self.delete_button,
            self.review.whole_button,
            self.review.plane_button,
            self.review.clear_button,
            self.review.add_button,
            self.review.mark_button,
            self.review.suggest_button,
            self.doubts.previous_button,
            self.doubts.next_button,
        ]

    def refresh(self) -> None:
        """Read the layer list again; the chosen layers stay chosen, whatever their names."""
        renew_choices(self.layer_box)
        self.review.refresh()

    def enable(self, ready: bool) -> None:
        """Let the buttons be pressed, or not."""
        for button in self.buttons():
            button.enabled = ready

    def show_offer(self, text: str) -> None:
        """Offer to restore, or no longer."""
        self.offer.value = text
        self.offer.visible = self.offer_row.visible = bool(text)

    def show_warning(self, text: str, *, separate: bool = False, copy: bool = False) -> None:
        """Show something about the layer, with the button that helps, or no longer."""
        self.warning.value = text
        self.warning.visible = bool(text)
        self.separate_button.visible = separate
        self.copy_button.visible = copy

    def show_tool(self, name: str | None, hint: str) -> None:
        """Show which tool is on."""
        for tool, button in self.tools.items():
            button.native.setChecked(tool == name)
        self.hint.value = hint


def _tip(hint: str, key: str) -> str:
    return f"{hint} Key: {key}"
