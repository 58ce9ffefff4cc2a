"""The line in which a dock says what it does, what came of it, and what is wrong."""

from magicgui.widgets import Label
from napari.utils.notifications import show_error

from napari_nucseg.widgets._look import make_text


class StatusLine(Label):
    """A text that wraps; what is wrong is said until the user does something about it."""

    def __init__(self) -> None:
        super().__init__(value="")
        make_text(self)
        self._complaint = ""

    def complain(self, text: str) -> None:
        """Say what is wrong, until `forgive`."""
        self.value = self._complaint = text

    def show_error(self, text: str) -> None:
        """Say what is wrong here, and aloud."""
        self.complain(text)
        show_error(text)

    def forgive(self) -> None:
        """Say no longer what was wrong: a field was changed or a button pressed."""
        if self._complaint and self.value == self._complaint:
            self.value = ""
        self._complaint = ""
