"""The room of a text that changes while the user works on what lies below it."""

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QFrame, QLabel, QScrollArea, QSizePolicy


class TextRoom(QScrollArea):
    """A fixed number of lines for a text; a longer one scrolls in them.

    What lies below never moves, so that no slider slips away from the mouse.

    Parameters
    ----------
    text : QLabel
        That wraps.
    lines : int
    """

    def __init__(self, text: QLabel, lines: int) -> None:
        super().__init__()
        ignored = QSizePolicy.Policy.Ignored
        text.setSizePolicy(ignored, ignored)  # it is as high as it needs to be at its width
        self.setWidget(text)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # a click beside the fields is none of its
        self.setSizePolicy(ignored, QSizePolicy.Policy.Fixed)
        self._lines = QLabel("\n" * (lines - 1), self)  # never seen: to be measured
        self._lines.hide()
        self._lines.setTextInteractionFlags(text.textInteractionFlags())  # lines differ in height
        for label in (text, self._lines):
            label.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)

    def sizeHint(self) -> QSize:
        """Return the height of so many lines, with font and padding of napari's style."""
        return QSize(0, self._lines.sizeHint().height() + 2 * self.frameWidth())

    def minimumSizeHint(self) -> QSize:
        """Return the same; the width is given by other rows."""
        return self.sizeHint()
