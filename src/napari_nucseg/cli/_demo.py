"""The demo's steps: open the sample, dock the widget, press Run, take a picture.

The Qt application is made before anything imports OpenCV, which points Qt to its own plugins.
"""

import gc
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucseg._types import AnyArray, LabelArray
from napari_nucseg.errors import NucsegError
from napari_nucseg.io.atomic import atomic_file

PLUGIN, WIDGET, SAMPLE = "napari-nucseg", "Segment nuclei", "z-stack"
WHOLE_STACK = "whole stack"
LONGEST = 300
"""Seconds after which a demo that takes a picture gives up."""

OUTLINE = (255, 210, 0)
ZOOM, MARGIN = 3, 16
BACKGROUND = "#262930"
"""Of napari's dark theme."""


def show() -> None:
    """Open napari's window, segment, and return when the window is closed."""
    import napari

    _open_window()
    napari.run()


def take_window() -> tuple[str, bytes]:
    """Do the same, and close the window when the nuclei are found.

    Returns
    -------
    found : str
        What the widget says.
    picture : bytes
        The whole window as PNG.
    """
    from napari.qt import get_qapp

    viewer, widget = _open_window()
    from napari_nucseg._opencv import cv2

    try:
        _wait(widget)
        found = _found(viewer, widget)
        _show_busiest_plane(viewer)
        get_qapp().processEvents()  # lays out what changed
        pixels = viewer.screenshot(canvas_only=False, flash=False)
    finally:
        viewer.close()
    done, content = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGBA2BGRA))
    if not done:
        raise NucsegError("The picture of the window cannot be stored as PNG.")
    return found, content.tobytes()


def take_offscreen() -> tuple[str, bytes]:
    """Do the same without a window, which needs OpenGL and so a display.

    The widget works on napari's model of a viewer; the picture is put together from the widget and
    the plane with the most nuclei.

    Returns
    -------
    found : str
    picture : bytes
        PNG.
    """
    picture = _work_offscreen()
    # Deletes the widget and its tasks now. Left to PyQt6 6.11, which deletes at exit what is still
    # there, every second process ended with a segmentation fault.
    gc.collect()
    return picture


def write(path: Path, content: bytes) -> None:
    """Write the picture; what is there already was checked before."""
    with atomic_file(path.absolute(), overwrite=True) as file:
        file.write(content)


def _open_window() -> tuple[Any, Any]:
    """Open napari on the sample with the widget docked, and press Run."""
    import napari

    viewer: Any = napari.Viewer()
    viewer.open_sample(PLUGIN, SAMPLE)
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, WIDGET)
    _run(viewer, widget)
    return viewer, widget


def _work_offscreen() -> tuple[str, bytes]:
    from napari.components import ViewerModel
    from napari.qt import get_qapp, get_stylesheet
    from npe2 import PluginManager

    application = get_qapp()
    from napari_nucseg.widgets.segment_widget import SegmentWidget

    PluginManager.instance().discover()  # as opening napari's window does
    viewer: Any = ViewerModel()
    viewer.open_sample(PLUGIN, SAMPLE)
    widget: Any = SegmentWidget(viewer)
    widget.native.setStyleSheet(get_stylesheet("dark"))
    widget.native.resize(420, widget.native.sizeHint().height())
    widget.native.show()  # so that it is laid out
    _run(viewer, widget)
    _wait(widget)
    found = _found(viewer, widget)
    _show_busiest_plane(viewer)
    widget.native.resize(420, widget.native.sizeHint().height())  # what changed needs no scrolling
    application.processEvents()  # lays out what changed
    content = _draw(widget.native.grab(), _outlined(viewer), found)
    widget.close()
    return found, content


def _run(viewer: Any, widget: Any) -> None:
    image = viewer.layers[0]
    viewer.layers.selection.active = image
    widget.image_form.image.value = image
    widget.image_form.what.value = WHOLE_STACK
    widget.fields["link_depth"].value = True
    widget.run_button.changed.emit(True)


def _wait(widget: Any) -> None:
    """Let Qt work until the run has ended.

    Raises
    ------
    NucsegError
        It did not start, or takes too long.
    """
    from qtpy.QtCore import QEventLoop, QTimer

    if not widget.running:
        raise NucsegError(f"The demo did not start: {widget.status.value}")
    loop = QEventLoop()
    widget.finished.connect(loop.quit, check_nargs=False)
    QTimer.singleShot(1000 * LONGEST, loop.quit)
    loop.exec()
    if widget.running:
        raise NucsegError(f"The demo was not finished after {LONGEST} s; it was given up.")


def _labels(viewer: Any) -> Any:
    """Return the layer that the widget added, if any: the last one."""
    return viewer.layers[-1]


def _found(viewer: Any, widget: Any) -> str:
    """Return what was found; NucsegError if nothing was."""
    if "napari_nucseg" not in _labels(viewer).metadata:
        raise NucsegError(f"The demo failed: {widget.status.value}")
    return f"{_labels(viewer).name}: {widget.status.value}".replace("\n", " ")


def _show_busiest_plane(viewer: Any) -> None:
    """Move the slider to the plane with the most nuclei."""
    labels = np.asarray(_labels(viewer).data)
    counts = [np.unique(plane).size for plane in labels]
    viewer.dims.set_current_step(0, int(np.argmax(counts)))


def _outlined(viewer: Any) -> AnyArray:
    """Return the plane that the slider shows, with outlines: (Y, X, 3), uint8."""
    from napari_nucseg._opencv import cv2

    step = viewer.dims.current_step[0]
    plane = np.asarray(viewer.layers[0].data[step], np.float32)
    labels: LabelArray = np.asarray(_labels(viewer).data[step])
    low, high = np.percentile(plane, (1, 99.8))
    grey = np.clip((plane - low) / max(high - low, 1) * 255, 0, 255).astype(np.uint8)
    size = (plane.shape[1] * ZOOM, plane.shape[0] * ZOOM)
    picture = cv2.cvtColor(
        cv2.resize(grey, size, interpolation=cv2.INTER_CUBIC), cv2.COLOR_GRAY2RGB
    )
    large = np.kron(labels, np.ones((ZOOM, ZOOM), labels.dtype))
    edge = np.zeros(large.shape, bool)
    edge[:-1] |= large[:-1] != large[1:]
    edge[:, :-1] |= large[:, :-1] != large[:, 1:]
    picture[edge] = OUTLINE
    return np.ascontiguousarray(picture)


def _draw(form: Any, plane: AnyArray, caption: str) -> bytes:
    """Return a PNG of a plane, its caption, and the picture of a form beside it."""
    from qtpy.QtCore import QBuffer, QIODevice, QRect, Qt
    from qtpy.QtGui import QColor, QImage, QPainter

    height, width = plane.shape[:2]
    image = QImage(plane.data, width, height, 3 * width, QImage.Format.Format_RGB888)
    text = 40
    canvas = QImage(
        width + form.width() + 3 * MARGIN,
        max(height + text, form.height()) + 2 * MARGIN,
        QImage.Format.Format_RGB32,
    )
    canvas.fill(QColor(BACKGROUND))
    painter = QPainter(canvas)
    painter.drawImage(MARGIN, MARGIN, image)
    painter.drawPixmap(2 * MARGIN + width, MARGIN, form)
    painter.setPen(QColor("white"))
    below = QRect(MARGIN, MARGIN + height, width, text)
    painter.drawText(below, Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextWordWrap, caption)
    painter.end()
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    canvas.save(buffer, "PNG")
    return bytes(buffer.data())
