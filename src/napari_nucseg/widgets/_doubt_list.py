"""The list of nuclei to look at, and the way to each of them."""

from collections.abc import Callable, Sequence
from typing import Any

from magicgui.widgets import Container, Label, PushButton
from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QSizePolicy, QTableWidget, QTableWidgetItem

from napari_nucseg.correction.doubt import Doubt
from napari_nucseg.widgets import _correct_messages as messages
from napari_nucseg.widgets._camera import Extent, show_part

LONGEST = 200
"""Rows that are shown; nobody reads more, and thousands would take long to fill."""

NUCLEUS = Extent(smallest=45, largest=400, good=90)

LOWEST = 90
"""Pixels; the table takes what height the other rows leave."""

Key = tuple[int, int | None]
"""Nucleus and frame."""

COLUMNS = ("id", "doubt", "why")
WIDTHS = (6, 6)
"""Of all columns but the last, in digits."""


class DoubtList(Container):
    """A table of nuclei, the most doubtful first.

    Parameters
    ----------
    go_to : callable
        Called with a `Doubt` that was chosen.
    """

    def __init__(self, go_to: Callable[[Doubt], None]) -> None:
        self._go_to = go_to
        self._doubts: Sequence[Doubt] = ()
        self._current: Key | None = None
        self.heading = Label(value="")
        self.previous_button = PushButton(text="Previous  ,", tooltip="Go to the nucleus above.")
        self.next_button = PushButton(text="Next  .", tooltip="Go to the nucleus below.")
        buttons = Container(
            widgets=[self.previous_button, self.next_button], layout="horizontal", labels=False
        )
        buttons.margins = (0, 0, 0, 0)
        super().__init__(widgets=[self.heading, buttons], labels=False)
        self.margins = (0, 0, 0, 0)
        self.native.layout().setSpacing(3)
        self.table = self._make_table()
        self.native.layout().insertWidget(1, self.table, 1)
        self.previous_button.changed.connect(self.previous)
        self.next_button.changed.connect(self.next)
        self.table.cellClicked.connect(self._row_clicked)
        self.fill([])

    def _make_table(self) -> QTableWidget:
        table = QTableWidget(0, len(COLUMNS))
        table.setHorizontalHeaderLabels(COLUMNS)
        table.verticalHeader().hide()
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # keys go on to the canvas
        table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        table.setMinimumHeight(LOWEST)
        table.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        header = table.horizontalHeader()
        # fitting columns to their content would measure every row again for every item
        letter = table.fontMetrics().horizontalAdvance("0")
        for column, letters in enumerate(WIDTHS):
            header.resizeSection(column, letters * letter)
        header.setStretchLastSection(True)
        return table

    @property
    def current(self) -> Doubt | None:
        """The nucleus that was gone to last, if it is still there."""
        return next((doubt for doubt in self._doubts if doubt.key == self._current), None)

    @property
    def _keys(self) -> list[Key]:
        return [doubt.key for doubt in self._doubts]

    @property
    def rows(self) -> list[int]:
        """Ids in the order of the table."""
        return [doubt.nucleus for doubt in self._doubts]

    def fill(self, doubts: Sequence[Doubt]) -> None:
        """Fill the table; the nucleus that was gone to stays chosen if it is still there."""
        place = self._place()
        self._doubts = doubts[:LONGEST]
        self.heading.value = messages.listed(len(self._doubts), len(doubts))
        self.table.setRowCount(len(self._doubts))
        for row, doubt in enumerate(self._doubts):
            for column, text in enumerate(messages.row(doubt)):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                self.table.setItem(row, column, item)
        if self._current in self._keys:
            self.table.selectRow(self._keys.index(self._current))
        else:
            # what took its place in the list is not passed over by Next
            self._gap = place
            self.table.clearSelection()

    _gap: int | None = None

    def _place(self) -> int | None:
        return self._keys.index(self._current) if self._current in self._keys else self._gap

    def forget(self) -> None:
        """Begin at the top again."""
        self._current = self._gap = None

    def next(self) -> None:
        """Go to the next nucleus, after the last one to the first."""
        self._step(1)

    def previous(self) -> None:
        """Go to the nucleus before, before the first one to the last."""
        self._step(-1)

    def _step(self, step: int) -> None:
        if not self._doubts:
            return
        if self._current in self._keys:
            row = self._keys.index(self._current) + step
        elif self._gap is not None:
            row = self._gap if step > 0 else self._gap - 1
        else:
            row = 0 if step > 0 else -1
        self._choose(row % len(self._doubts))

    def _row_clicked(self, row: int, _column: int = 0) -> None:
        self._choose(row)

    def _choose(self, row: int) -> None:
        self._current = self._doubts[row].key
        self.table.selectRow(row)
        self._go_to(self._doubts[row])


def show_nucleus(viewer: Any, layer: Labels, doubt: Doubt) -> None:
    """Move the viewer to a nucleus and select its id."""
    show_part(viewer, layer, doubt.centre, doubt.window, NUCLEUS)
    layer.selected_label = doubt.nucleus
