"""Training and held-out loss as curves."""

import math
from collections.abc import Sequence

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

TRAINING, HELD_OUT = QColor("#56b4e9"), QColor("#e69f00")
"""Blue and orange: also apart for the colour-blind, on dark and on light."""

HEIGHT, MARGIN = 120, 4

Point = tuple[float, float]


class LossCurves(QWidget):
    """Draws points as they come.

    Attributes
    ----------
    training, held_out : list of (step, loss)
    """

    def __init__(self) -> None:
        super().__init__()
        self.training: list[Point] = []
        self.held_out: list[Point] = []
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setToolTip("Loss of each batch, and of the held-out part after each epoch.")

    def sizeHint(self) -> QSize:
        """Return the height; no minimum, as a layout short of room would let it overlap."""
        return QSize(0, HEIGHT)

    def clear(self) -> None:
        """Draw nothing."""
        self.training, self.held_out = [], []
        self.update()

    def add_training(self, step: int, loss: float) -> None:
        """Add the loss of one batch."""
        self._add(self.training, step, loss)

    def add_held_out(self, step: int, loss: float) -> None:
        """Add the loss of the held-out part."""
        self._add(self.held_out, step, loss)

    def _add(self, points: list[Point], step: int, loss: float) -> None:
        if math.isfinite(loss):
            points.append((float(step), loss))
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the curves between the smallest and the largest loss."""
        points = [*self.training, *self.held_out]
        if not points:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().color(self.foregroundRole())
        low, high = min(p[1] for p in points), max(p[1] for p in points)
        last = max(1.0, *(p[0] for p in points))
        labels = [f"{high:.3g}", f"{low:.3g}"]
        metrics = painter.fontMetrics()
        left = max(map(metrics.horizontalAdvance, labels)) + 2 * MARGIN
        top = metrics.height() + MARGIN
        area = QRectF(left, top, self.width() - left - MARGIN, self.height() - top - MARGIN)
        painter.setPen(text)
        painter.drawText(QPointF(MARGIN, area.top() + metrics.ascent()), labels[0])
        if high > low:
            painter.drawText(QPointF(MARGIN, area.bottom() - metrics.descent()), labels[1])
        self._draw_legend(painter, left, metrics.ascent())
        faint = QColor(text)
        faint.setAlpha(60)
        painter.setPen(faint)
        painter.drawRect(area)
        for values, colour, width in ((self.training, TRAINING, 1.0), (self.held_out, HELD_OUT, 2)):
            placed = _place(values, area, last, low, high)
            painter.setPen(QPen(colour, width))
            painter.drawPolyline(QPolygonF(placed))
            if values is self.held_out:
                painter.setBrush(colour)
                for point in placed:
                    painter.drawEllipse(point, 2.0, 2.0)
        painter.end()

    def _draw_legend(self, painter: QPainter, left: float, baseline: float) -> None:
        for name, colour in (("training loss", TRAINING), ("held-out loss", HELD_OUT)):
            painter.setPen(QPen(colour, 1, Qt.PenStyle.SolidLine))
            painter.drawText(QPointF(left, baseline), name)
            left += painter.fontMetrics().horizontalAdvance(name + "   ")


def _place(
    points: Sequence[Point], area: QRectF, last: float, low: float, high: float
) -> list[QPointF]:
    """Return points in the picture; equal losses lie in the middle."""
    return [
        QPointF(
            area.left() + step / last * area.width(),
            area.bottom() - (loss - low) / (high - low) * area.height()
            if high > low
            else area.center().y(),
        )
        for step, loss in points
    ]
