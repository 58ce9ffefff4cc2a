"""The table of models."""

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QTableWidget, QTableWidgetItem

from napari_nucseg.registry import COLUMNS, Entry, model_row

ROWS = 6
"""Rows that are seen without scrolling."""


class ModelsTable(QTableWidget):
    """Shows one model per row; one row can be chosen."""

    def __init__(self) -> None:
        super().__init__(0, len(COLUMNS))
        self.setHorizontalHeaderLabels([name.capitalize() for name in COLUMNS])
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.verticalHeader().hide()
        self.horizontalHeader().setStretchLastSection(True)
        self.setMinimumHeight((ROWS + 1) * self.verticalHeader().defaultSectionSize())
        self._entries: list[Entry] = []

    @property
    def entries(self) -> list[Entry]:
        """The models that are shown, from top to bottom."""
        return list(self._entries)

    @property
    def chosen(self) -> Entry | None:
        """The model whose row is chosen, if any."""
        rows = self.selectionModel().selectedRows()
        return self._entries[rows[0].row()] if rows else None

    def show_entries(self, entries: Sequence[Entry], chosen: str | None) -> None:
        """Show these models and choose the one of a name, without telling anyone."""
        blocked = self.blockSignals(True)
        self._entries = list(entries)
        self.setRowCount(len(entries))
        for row, entry in enumerate(entries):
            for column, text in enumerate(model_row(entry)):
                item = QTableWidgetItem(text)
                item.setToolTip(entry.problem or text)
                item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
                self.setItem(row, column, item)
        self.setCurrentCell(-1, -1)
        names = [entry.name for entry in entries]
        if chosen in names:
            self.selectRow(names.index(chosen))
        self.resizeColumnsToContents()
        self.blockSignals(blocked)
