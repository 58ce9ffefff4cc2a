"""A sign that something is under way: not for what is quick, and never for an instant."""

from collections.abc import Callable

from qtpy.QtCore import QObject, QTimer

LAG = 180
"""Milliseconds by which the sign comes, and goes, later; what takes less is not told."""


class BusySign:
    """Follows whether something is under way, a moment later.

    Parameters
    ----------
    parent : QObject
        Owner of the timer.
    show : callable
        Called in the main thread with whether the sign is to be seen.
    """

    def __init__(self, parent: QObject, show: Callable[[bool], None]) -> None:
        self._show = show
        self._busy = self._shown = False
        self._timer = QTimer(parent)
        self._timer.setSingleShot(True)
        self._timer.setInterval(LAG)
        self._timer.timeout.connect(self._follow)

    @property
    def due(self) -> bool:
        """Whether the sign is about to come or to go."""
        return bool(self._timer.isActive())

    def set(self, busy: bool) -> None:
        """Tell whether something is under way."""
        self._busy = busy
        if busy is self._shown:
            self._timer.stop()
        elif not self.due:
            self._timer.start()

    def remove(self) -> None:
        """Show no sign, at once."""
        self._busy = False
        self._timer.stop()
        self._follow()

    def _follow(self) -> None:
        if self._shown is not self._busy:
            self._shown = self._busy
            self._show(self._shown)
