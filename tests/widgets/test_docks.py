"""The docks of the plugin share one place, so that a round fits the screen of a laptop."""

import pytest
from qtpy.QtWidgets import QApplication

LAPTOP = (1366, 768)
TITLES = ("Segment nuclei", "Correct nuclei", "Fine-tune")


@pytest.fixture
def viewer(without_opengl, make_napari_viewer):
    made = make_napari_viewer(show=True)
    made.window.resize(*LAPTOP)
    return made


def open_docks(viewer, qtbot):
    docks = [viewer.window.add_plugin_dock_widget("napari-nucseg", title)[0] for title in TITLES]
    window = docks[0].parent()
    qtbot.waitUntil(lambda: len(window.tabifiedDockWidgets(docks[0])) == len(docks) - 1)
    QApplication.processEvents()
    return docks, window


def test_docks_share_one_place(viewer, qtbot):
    docks, window = open_docks(viewer, qtbot)

    assert set(window.tabifiedDockWidgets(docks[0])) == set(docks[1:])
    assert max(dock.minimumSizeHint().height() for dock in docks) < LAPTOP[1] - 60


def test_a_dock_that_was_moved_away_is_left_there(viewer, qtbot):
    docks, window = open_docks(viewer, qtbot)
    docks[1].setFloating(True)
    docks[1].hide()
    docks[1].show()
    QApplication.processEvents()

    assert docks[1].isFloating()
    assert window.tabifiedDockWidgets(docks[0]) == [docks[2]]
