"""OpenCV, without what importing it does to Qt: ``from napari_nucseg._opencv import cv2``.

The wheels of opencv-python bring a Qt 5 of their own and, on Linux, point
``QT_QPA_PLATFORM_PLUGIN_PATH`` and ``QT_QPA_FONTDIR`` at it when they are imported. A Qt 5 that
starts afterwards, napari's, loads the wrong plugin there and aborts. Importing OpenCV from here
puts the variables back, also if somebody else imported it before. Its own windows are never used.
"""

import os
from pathlib import Path

_VARIABLES = ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR")
_before = {name: os.environ.get(name) for name in _VARIABLES}

import cv2  # noqa: E402 - the variables must be read first

__all__ = ["cv2"]


def _put_back() -> None:
    """Undo what OpenCV set; what the user set stays."""
    folder = Path(cv2.__file__).parent
    for name, value in _before.items():
        if value is None or folder in Path(value).parents:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


_put_back()
