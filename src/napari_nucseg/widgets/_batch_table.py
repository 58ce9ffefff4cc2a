"""The table of the images of a batch."""

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QStyledItemDelegate, QTableView

from napari_nucseg.batch.items import Item
from napari_nucseg.batch.outcome import Outcome, Status

COLUMNS = ("Image", "Status", "Nuclei")
WAITING, RUNNING = "waiting", "running"
WIDTHS = (15, 8, 5)
"""Letters that the columns have room for; the name takes what width is left."""

ROWS = 6
"""Rows that are seen without scrolling."""


class BatchModel(QAbstractTableModel):
    """Images, their status and counts; made for many thousands of rows."""

    def __init__(self) -> None:
        super().__init__()
        self.items: list[Item] = []
        self._rows: dict[str, int] = {}
        self._states: list[Outcome | str] = []

    def show_items(self, items: Sequence[Item]) -> None:
        """Show other images, all of them waiting."""
        self.beginResetModel()
        self.items = list(items)
        self._rows = {item.file: row for row, item in enumerate(items)}
        self._states = [WAITING] * len(items)
        self.endResetModel()

    def set_state(self, item: Item, state: Outcome | str) -> int:
        """Show what became of an image; return its row."""
        row = self._rows[item.file]
        self._states[row] = state
        self.dataChanged.emit(self.index(row, 0), self.index(row, len(COLUMNS) - 1))
        return row

    def state(self, row: int) -> Outcome | str:
        """Return what became of an image."""
        return self._states[row]

    def stop(self) -> None:
        """Let what was running when the batch stopped wait again."""
        self._states = [WAITING if state == RUNNING else state for state in self._states]
        if self.items:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self.items) - 1, 1))

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """See Qt."""
        return len(self.items) if parent is None or not parent.isValid() else 0

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """See Qt."""
        return len(COLUMNS) if parent is None or not parent.isValid() else 0

    def headerData(self, section: int, orientation: Any, role: int = 0) -> Any:
        """See Qt."""
        across = orientation == Qt.Orientation.Horizontal
        return COLUMNS[section] if across and role == Qt.ItemDataRole.DisplayRole else None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """See Qt."""
        item, state = self.items[index.row()], self._states[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return (item_name(item), *_cells(state))[index.column()]
        if role == Qt.ItemDataRole.ToolTipRole:
            told = f"\n{state.describe()}" if isinstance(state, Outcome) else ""
            return f"{item.source}{told}"
        return None


class _NameDelegate(QStyledItemDelegate):
    """Cuts long names in the middle, as they differ at their ends."""

    def initStyleOption(self, option: Any, index: QModelIndex) -> None:
        """See Qt."""
        super().initStyleOption(option, index)
        option.textElideMode = Qt.TextElideMode.ElideMiddle


class BatchTable(QTableView):
    """Shows a `BatchModel`; one row can be chosen."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = BatchModel()
        self.setModel(self.rows)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.verticalHeader().hide()
        self.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.setItemDelegateForColumn(0, _NameDelegate(self))
        letter = self.fontMetrics().horizontalAdvance("m")
        for column, letters in enumerate(WIDTHS):
            self.horizontalHeader().resizeSection(column, letters * letter)
        self.setMinimumWidth(sum(WIDTHS) * letter)
        self.setMinimumHeight((ROWS + 1) * self.verticalHeader().defaultSectionSize())

    @property
    def chosen(self) -> Item | None:
        """The image whose row is chosen, if any."""
        chosen = self.selectionModel().selectedRows()
        return self.rows.items[chosen[0].row()] if chosen else None

    def has_result(self) -> bool:
        """Tell whether the chosen image has labels."""
        item = self.chosen
        if item is None:
            return False
        state = self.rows.state(self.selectionModel().selectedRows()[0].row())
        return isinstance(state, Outcome) and state.status is not Status.FAILED


def item_name(item: Item) -> str:
    """Return what an image is called in the table."""
    return " ".join(item.place.values()) or item.source.name


def _cells(state: Outcome | str) -> tuple[str, str]:
    """Return status and nuclei."""
    if isinstance(state, str):
        return state, ""
    nuclei = "" if state.nuclei is None else f"{state.nuclei:,}"
    return f"{state.status}{_remark(state)}", nuclei


def _remark(state: Outcome) -> str:
    """Return what a cell has room for of what is said of a skipped image."""
    if state.remark:
        return " (other parameters)"
    if state.newer:
        return " (newer image)"
    return f" (no {' and '.join(state.lacking)})" if state.lacking else ""
