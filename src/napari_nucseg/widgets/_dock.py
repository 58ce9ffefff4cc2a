"""The dock that a widget lies in."""

from collections.abc import Callable
from typing import Any

from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow

MARK = "napari_nucseg"
"""Qt property of the docks of this plugin."""


class DockWatcher(QObject):
    """Tells when a widget leaves its dock, as when that is closed, or is destroyed; and when shown.

    Parameters
    ----------
    widget : QWidget
    closed : bound method, optional
        May be called more than once.
    shown : callable, optional
    """

    def __init__(
        self,
        widget: Any,
        closed: Callable[[], None] | None = None,
        shown: Callable[[], None] | None = None,
    ) -> None:
        super().__init__()
        self._widget, self._closed, self._shown = widget, closed, shown
        self._docked = False
        widget.installEventFilter(self)
        if closed is not None:
            widget.destroyed.connect(closed)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Pass every event on; report those of interest."""
        if event.type() == QEvent.Type.ParentChange:
            docked = dock_of(self._widget) is not None
            if self._docked and not docked and self._closed is not None:
                self._closed()
            self._docked = docked
        elif event.type() == QEvent.Type.Show:
            if self._docked:
                QTimer.singleShot(0, self._share_place)
            if self._shown is not None:
                self._shown()
        return False

    def _share_place(self) -> None:
        """Put the dock behind the tab of another of this plugin's, the first time it is shown.

        Below each other, each would show a part of its form.
        """
        dock = dock_of(self._widget) if isalive(self._widget) else None
        window = None if dock is None else dock.parent()
        if dock is None or dock.property(MARK) or not isinstance(window, QMainWindow):
            return
        dock.setProperty(MARK, True)
        area = window.dockWidgetArea(dock)
        for other in window.findChildren(QDockWidget):
            if other is dock or not other.property(MARK) or other.isHidden() or other.isFloating():
                continue
            if window.dockWidgetArea(other) == area and not dock.isFloating():
                window.tabifyDockWidget(other, dock)
                dock.raise_()
                return


def dock_of(widget: Any) -> QDockWidget | None:
    """Return the dock that a Qt widget lies in."""
    while widget is not None and not isinstance(widget, QDockWidget):
        widget = widget.parent()
    return widget
