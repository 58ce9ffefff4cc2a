"""The dock that a widget lies in."""

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QDockWidget


class Watcher(QObject):
    """Tells when a widget is moved to another parent (closing a dock does so), and when shown."""

    def __init__(self, moved: Callable[[], None], shown: Callable[[], None]) -> None:
        super().__init__()
        self._calls = {QEvent.Type.ParentChange: moved, QEvent.Type.Show: shown}

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Pass every event on; report those of interest."""
        call = self._calls.get(event.type())
        if call is not None:
            call()
        return False


def dock_of(widget: Any) -> QDockWidget | None:
    """Return the dock that a Qt widget lies in."""
    while widget is not None and not isinstance(widget, QDockWidget):
        widget = widget.parent()
    return widget
