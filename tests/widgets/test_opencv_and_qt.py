"""Importing opencv-python must not send Qt to OpenCV's own Qt plugins."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import napari_nucseg

SOURCE = Path(napari_nucseg.__file__).parent
START_QT = "from qtpy.QtWidgets import QApplication; app = QApplication([]); app.processEvents()"
REPORT = "import os; print(os.environ.get('QT_QPA_PLATFORM_PLUGIN_PATH'))"
SEGMENT = "import napari_nucseg.inference.segment"


def run(*lines, **variables):
    """Run lines in a fresh interpreter; return what it printed last."""
    unwanted = ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR")
    environment = {k: v for k, v in os.environ.items() if k not in unwanted}
    environment.update(QT_QPA_PLATFORM="offscreen", **variables)
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


ORDERS = {
    "ours, Qt": (SEGMENT, START_QT),
    "Qt, ours": (START_QT, SEGMENT),
    "OpenCV, ours, Qt": ("import cv2", SEGMENT, START_QT),
    "ours, OpenCV, Qt": (SEGMENT, "import cv2", START_QT),
    "samples, Qt": ("import napari_nucseg.sample_data", START_QT),
    "widget": ("import napari_nucseg.widgets.segment_widget", START_QT),
}


@pytest.mark.parametrize("order", ORDERS)
def test_qt_starts_and_finds_its_own_plugins(order):
    assert run(*ORDERS[order], REPORT) == "None"


def test_a_path_set_by_the_user_stays():
    assert run(SEGMENT, REPORT, QT_QPA_PLATFORM_PLUGIN_PATH="/mine") == "/mine"


def test_opencv_is_imported_in_one_place():
    direct = re.compile(r"^\s*(import cv2|from cv2\b)", re.MULTILINE)
    users = {
        p.relative_to(SOURCE).as_posix()
        for p in SOURCE.rglob("*.py")
        if direct.search(p.read_text())
    }
    assert users == {"_opencv.py"}


def test_widget_modules_import_no_network():
    loaded = (
        "import napari_nucseg.widgets.segment_widget, napari_nucseg.widgets.samples, sys",
        "print([m for m in ('tensorflow', 'keras', 'ai_edge_litert') if m in sys.modules])",
    )
    assert run(*loaded) == "[]"
