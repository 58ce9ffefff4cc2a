"""Keeps lists of models up to date: this process changes them, and others do."""

from collections.abc import Callable

from magicgui.widgets import ComboBox
from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, Signal
from qtpy.QtWidgets import QWidget

from napari_nucseg import registry
from napari_nucseg.params import DEFAULT_MODEL


class RegistryWatch(QObject):
    """Calls back in the main thread when models may have changed.

    Parameters
    ----------
    widget : QWidget
        Shows models. When it is shown, clicked or gets the focus, another process may have changed
        them.
    refresh : callable
        Called as ``refresh(old, new)``, the names that `registry.changed` tells; "" if not known.
    """

    _changed = Signal(str, str)
    _LOOKS = (
        QEvent.Type.Show,
        QEvent.Type.FocusIn,
        QEvent.Type.MouseButtonPress,
        QEvent.Type.WindowActivate,
    )

    def __init__(self, widget: QWidget, refresh: Callable[[str, str], None]) -> None:
        super().__init__(widget)
        self._refresh = refresh
        self._changed.connect(self._call)
        registry.changed.connect(self._pass_on)
        widget.installEventFilter(self)

    def _pass_on(self, old: str, new: str) -> None:
        """Take a change from whatever thread made it to this object's own."""
        if isalive(self):
            self._changed.emit(old, new)

    def _call(self, old: str, new: str) -> None:
        self._refresh(old, new)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Pass every event on; look again when someone is about to."""
        if event.type() in self._LOOKS:
            self._refresh("", "")
        return False


class ModelChoice:
    """The models that a combo box offers.

    Parameters
    ----------
    box : ComboBox
        What is chosen in it stays chosen, also under a new name, while it exists.
    lost : callable
        Called with the name of the chosen model if it is gone; the usual one is chosen then.
    """

    def __init__(self, box: ComboBox, lost: Callable[[str], None]) -> None:
        self._box = box
        self._lost = lost
        self._watch = RegistryWatch(box.native, self.refresh)

    def refresh(self, old: str = "", new: str = "") -> None:
        """Read the models again; `old` may have been renamed to `new`."""
        if not isalive(self._box.native):
            return
        names = model_choices()
        if names == list(self._box.choices):
            return
        before = self._box.value
        wanted = new if before == old and new in names else before
        kept = wanted in names
        with self._box.changed.blocked():
            self._box.choices = []  # else magicgui appends what is new
            self._box.choices = names
            self._box.value = wanted if kept else DEFAULT_MODEL
        if self._box.value != before:
            self._box.changed.emit(self._box.value)
        if not kept:
            self._lost(before)


def model_choices() -> list[str]:
    """Return the models; also the usual one if it is missing, which Run then explains."""
    names = registry.model_names()
    return names if DEFAULT_MODEL in names else [DEFAULT_MODEL, *names]
