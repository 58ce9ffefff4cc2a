"""How the form looks: narrow, its fields in one column."""

from collections.abc import Iterable
from typing import Any

from magicgui.widgets import ComboBox, Container, Label, ProgressBar
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QLabel, QSizePolicy

from napari_nucseg.widgets._text_room import TextRoom

COMBO_LENGTH = 12
"""Characters that a combo box shows at least; a long layer name must not widen the dock."""


def narrow(boxes: Iterable[ComboBox]) -> None:
    """Let the width of combo boxes not follow their longest choice."""
    for box in boxes:
        policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        box.native.setSizeAdjustPolicy(policy)
        box.native.setMinimumContentsLength(COMBO_LENGTH)


def align_labels(fields: Iterable[Any]) -> None:
    """Give the labels beside fields of several containers one width."""
    labels = [label for label in map(_label_beside, fields) if label is not None]
    for label in labels:
        label.ensurePolished()  # fonts and paddings come with napari's style sheet
    width = max(label.sizeHint().width() for label in labels)
    for label in labels:
        label.setFixedWidth(width)


def _label_beside(field: Any) -> QLabel | None:
    """Return the label that magicgui put before a field; check boxes have none."""
    row = field.native.parentWidget()
    first = row.layout().itemAt(0).widget() if row is not None and row.layout() else None
    return first if isinstance(first, QLabel) and first is not field.native else None


def make_text(label: Label) -> None:
    """Make a label a plain text that wraps, fills its row and can be copied."""
    text = label.native
    text.setWordWrap(True)
    text.setTextFormat(Qt.TextFormat.PlainText)
    text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)


def make_steady_text(label: Label, lines: int) -> None:
    """Make a label, which is in its row, a text with room for so many lines, whatever it says."""
    make_text(label)
    text = label.native
    layout = text.parentWidget().layout()
    layout.insertWidget(layout.indexOf(text), TextRoom(text, lines))


def keep_room(bar: ProgressBar) -> None:
    """Let what lies below a bar stay where it is when the bar comes and goes."""
    bar.changed.block()  # the user changes nothing by it, see `ScrolledForm`
    policy = bar.native.sizePolicy()
    policy.setRetainSizeWhenHidden(True)
    bar.native.setSizePolicy(policy)


def row(*widgets: Any) -> Container:
    """Return widgets side by side."""
    made = Container(widgets=widgets, layout="horizontal", labels=False)
    made.margins = (0, 0, 0, 0)
    return made


def renew_choices(box: Any) -> None:
    """Ask a box for its choices again; what is chosen stays chosen, whatever its name."""
    chosen = box.value
    with box.changed.blocked():
        box.choices = []  # else magicgui appends what is new, in no order
        box.reset_choices()
        if chosen is not None and chosen in box.choices:
            box.value = chosen
    if box.value is not chosen:
        box.changed.emit(box.value)
