"""Forms that may be taller than their dock: they scroll, so that a dock can be made small."""

from typing import Any

from magicgui.widgets import Container
from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QBoxLayout,
    QComboBox,
    QFrame,
    QScrollArea,
    QScrollBar,
    QWidget,
)

from napari_nucseg.widgets._status import StatusLine

LOWEST = 200
"""Pixels; a dock below another one gets no more than its minimum at first."""

FIELDS = (QComboBox, QAbstractSpinBox, QAbstractSlider)
"""What takes the wheel of a mouse that only passes by."""


class ScrolledForm(Container):
    """A container for a dock: its rows lie in a scroll area.

    Without it, the dock would be at least as tall as all rows, and napari's window as tall as the
    docks below each other: taller than the screen of a laptop.

    Parameters
    ----------
    rows : list of magicgui widgets
    status : StatusLine
        One of the rows, or in one of them.
    """

    def __init__(self, rows: list[Any], status: StatusLine) -> None:
        super().__init__(widgets=[], labels=False)
        self.margins = (0, 0, 0, 0)
        self._body = Container(widgets=rows, labels=False)
        self._body.changed.connect(status.forgive)  # of fields and buttons, not of texts
        self._scroll = Scroll(self._body.native)
        self.native.layout().addWidget(self._scroll)

    @property
    def rows_layout(self) -> QBoxLayout:
        """The layout of the rows; that of `native` holds the scroll area."""
        return self._body.native.layout()


class Scroll(QScrollArea):
    """Lets a form be taller than its dock, never wider.

    Parameters
    ----------
    form : QWidget
    """

    def __init__(self, form: QWidget) -> None:
        super().__init__()
        self.setWidget(form)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # a click beside the fields is none of its
        self._guard_fields()

    def sizeHint(self) -> QSize:
        """Return the size of the form with a scroll bar."""
        return self._around(self.widget().sizeHint())

    def minimumSizeHint(self) -> QSize:
        """Return the smallest width at which nothing is cut off, and a height to work with."""
        least = self._around(self.widget().minimumSizeHint())
        return QSize(least.width(), min(least.height(), LOWEST))

    def _around(self, form: QSize) -> QSize:
        """Add the scroll bar, and the frame that napari's style gives."""
        frame = 2 * self.frameWidth()
        width = form.width() + self.verticalScrollBar().sizeHint().width()
        return QSize(width + frame, form.height() + frame)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the form's width; let the wheel turn the form, not a field that passes by."""
        if watched is self.widget():
            if event.type() == QEvent.Type.LayoutRequest:
                self.updateGeometry()
                self._guard_fields()
        elif event.type() == QEvent.Type.Wheel and self._turns(watched):
            event.ignore()  # so that Qt hands it on to what the field lies in
            return True
        return bool(super().eventFilter(watched, event))

    def _turns(self, field: Any) -> bool:
        """Tell whether the wheel over a field turns the form: not over one that is being edited."""
        scrolls = self.verticalScrollBar().maximum() > 0
        return scrolls and _takes_wheel(field) and not field.hasFocus()

    def _guard_fields(self) -> None:
        """Watch the fields; new ones may have come."""
        for field in self.widget().findChildren(QWidget):
            if not _takes_wheel(field):
                continue
            field.installEventFilter(self)
            if field.focusPolicy() == Qt.FocusPolicy.WheelFocus:
                field.setFocusPolicy(Qt.FocusPolicy.StrongFocus)


def _takes_wheel(field: Any) -> bool:
    """Tell whether a wheel changes a value; scroll bars are sliders to Qt."""
    return isinstance(field, FIELDS) and not isinstance(field, QScrollBar)
