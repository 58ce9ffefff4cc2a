"""A picture of the held-out part: outlines before and now."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from qtpy.QtCore import QPoint, QRect, QSize, Qt
from qtpy.QtGui import QImage, QPainter, QPaintEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_nucseg._opencv import cv2
from napari_nucseg._types import AnyArray
from napari_nucseg.training.dataset import median_diameter

PANEL, GAP = 280, 4
"""Pixels of each of the two panels, and between them."""

NUCLEI_ACROSS, SMALLEST = 6, 64
"""A panel shows about so many diameters, but at least so many pixels."""

TRUE, FOUND = (86, 180, 233), (240, 228, 66)
"""Blue and yellow, also apart for the colour-blind."""

HEIGHT, MARGIN = 150, 3

TITLE = Qt.GlobalColor.white


def draw_picture(path: Path) -> AnyArray | None:
    """Read what the child wrote and draw it; runs in any thread.

    Parameters
    ----------
    path : Path
        An npz file, see `training.finetune.messages.Preview`.

    Returns
    -------
    array (PANEL, 2 * PANEL + GAP, 3), uint8, or None
        None if the file is not there any more, or is none.
    """
    try:
        # numpy alone would leave a broken file open
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            image, true, before, now = (arrays[n] for n in ("image", "true", "before", "now"))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
    window = _window(true)
    shown = _to_rgb(image[window])
    gap = np.zeros((PANEL, GAP, 3), np.uint8)
    panels = [_panel(shown, true[window], found[window]) for found in (before, now)]
    return np.concatenate([panels[0], gap, panels[1]], axis=1)


def _window(true: AnyArray) -> tuple[slice, slice]:
    """Return the square with most pixels of true nuclei, or as much of it as there is."""
    wanted = max(SMALLEST, round(NUCLEI_ACROSS * median_diameter(true)))
    height, width = (min(wanted, size) for size in true.shape)
    inside = (true > 0).astype(np.float32)
    share = cv2.boxFilter(inside, -1, (width, height), normalize=False)
    row, column = np.unravel_index(int(share.argmax()), share.shape)
    top = int(np.clip(row - height // 2, 0, true.shape[0] - height))
    left = int(np.clip(column - width // 2, 0, true.shape[1] - width))
    return slice(top, top + height), slice(left, left + width)


def _to_rgb(image: AnyArray) -> AnyArray:
    """Return an image (Y, X, 1 or 3) with its contrast stretched, as RGB of 8 bit."""
    pixels = np.nan_to_num(image.astype(np.float32))
    low, high = np.percentile(pixels, (0.5, 99.8))
    scaled = np.clip((pixels - low) / max(float(high - low), 1e-6), 0, 1)
    return np.repeat((255 * scaled).astype(np.uint8), 3 // image.shape[-1], axis=-1)


def _panel(image: AnyArray, true: AnyArray, found: AnyArray) -> AnyArray:
    """Return a square picture with outlines one pixel wide."""
    scale = PANEL / max(image.shape[:2])
    size = tuple(max(1, round(scale * n)) for n in image.shape[1::-1])
    drawn = cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_LINEAR)
    for labels, colour in ((true, TRUE), (found, FOUND)):
        large = cv2.resize(labels.astype(np.float32), size, interpolation=cv2.INTER_NEAREST)
        drawn[_borders(large)] = colour
    panel = np.zeros((PANEL, PANEL, 3), np.uint8)
    panel[: drawn.shape[0], : drawn.shape[1]] = drawn
    return panel


def _borders(labels: AnyArray) -> AnyArray:
    """Return the pixels of nuclei beside another id."""
    edge = np.zeros(labels.shape, bool)
    edge[:-1] |= labels[:-1] != labels[1:]
    edge[1:] |= labels[:-1] != labels[1:]
    edge[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    edge[:, 1:] |= labels[:, :-1] != labels[:, 1:]
    return edge & (labels > 0)


class HeldOutPicture(QWidget):
    """Shows what `draw_picture` drew, as large as there is room."""

    def __init__(self) -> None:
        super().__init__()
        self._image: QImage | None = None
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Return the height; no minimum, as a layout short of room would let it overlap."""
        return QSize(0, HEIGHT)

    @property
    def is_shown(self) -> bool:
        """Whether there is a picture."""
        return self._image is not None

    def show_picture(self, picture: AnyArray | None) -> None:
        """Show another picture (Y, X, 3), uint8, or none."""
        if picture is None:
            self._image = None
        else:
            height, width = picture.shape[:2]
            data = np.ascontiguousarray(picture).tobytes()
            self._image = QImage(
                data, width, height, 3 * width, QImage.Format.Format_RGB888
            ).copy()  # Qt does not keep the bytes
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the picture in its proportions, in the middle."""
        if self._image is None:
            return
        scale = min(self.width() / self._image.width(), self.height() / self._image.height())
        width, height = round(scale * self._image.width()), round(scale * self._image.height())
        place = QRect((self.width() - width) // 2, 0, width, height)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(place, self._image)
        for n, title in enumerate(("before", "now")):
            baseline = place.topLeft() + QPoint(MARGIN, MARGIN + painter.fontMetrics().ascent())
            baseline += QPoint(round(n * scale * (PANEL + GAP)), 0)
            for shift, colour in ((QPoint(1, 1), Qt.GlobalColor.black), (QPoint(), TITLE)):
                painter.setPen(colour)
                painter.drawText(baseline + shift, title)
        painter.end()
