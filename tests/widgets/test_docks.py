"""The docks of the plugin share one place, so that a round fits the screen of a laptop."""

import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QAbstractButton, QApplication, QScrollArea, QScrollBar

from napari_nucseg.widgets._correct_messages import DRAWING, tool_is_on
from napari_nucseg.widgets._correct_tools import TOOLS
from napari_nucseg.widgets._scroll import FIELDS
from napari_nucseg.widgets._segment_form import STATUS_LINES

LAPTOP = (1366, 768)
TITLES = ("Segment nuclei", "Correct nuclei", "Fine-tune", "Segment a folder", "Models")
LOW = 250
"""Pixels: two docks below each other, and napari's own, fit the screen of a laptop."""


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
    assert window.tabifiedDockWidgets(docks[0]) == docks[2:]


def settle():
    for _ in range(5):
        QApplication.processEvents()


def open_dock(viewer, title):
    dock, widget = viewer.window.add_plugin_dock_widget("napari-nucseg", title)
    settle()
    return dock, widget, widget.native.findChild(QScrollArea)


@pytest.mark.parametrize("title", TITLES)
def test_a_dock_can_be_made_small(viewer, field, title):
    viewer.add_image(field)
    viewer.add_labels((field > 300).astype(int))
    dock, _, scroll = open_dock(viewer, title)
    window = dock.parent()

    assert dock.minimumSizeHint().height() <= LOW
    assert (window.width(), window.height()) == LAPTOP
    window.resizeDocks([dock], [1], Qt.Orientation.Horizontal)
    window.resize(LAPTOP[0], 1)
    settle()
    form, view = scroll.widget(), scroll.viewport()
    assert scroll.verticalScrollBar().maximum() == max(0, form.height() - view.height())
    assert form.width() == view.width() >= form.minimumSizeHint().width()
    assert not scroll.horizontalScrollBar().isVisible()


def test_docks_below_each_other_leave_the_window_as_it_is(viewer, field):
    viewer.add_labels((field > 300).astype(int))
    first, _, _ = open_dock(viewer, "Correct nuclei")
    second, models, scroll = open_dock(viewer, "Models")
    window = first.parent()
    window.removeDockWidget(second)
    window.addDockWidget(window.dockWidgetArea(first), second)  # out of the tabs, as if dragged
    second.show()
    settle()

    assert (window.width(), window.height()) == LAPTOP
    assert not window.tabifiedDockWidgets(second)
    assert scroll.verticalScrollBar().isVisible()
    assert models.table.height() >= models.table.minimumHeight() > 100
    scroll.ensureWidgetVisible(models.folder_button.native)
    shown = models.folder_button.native.mapTo(scroll.viewport(), QPoint(0, 0)).y()
    assert 0 <= shown <= scroll.viewport().height() - models.folder_button.native.height()


@pytest.mark.parametrize("title", TITLES)
def test_a_form_with_room_does_not_scroll(viewer, title):
    _, _, scroll = open_dock(viewer, title)
    assert scroll.verticalScrollBar().maximum() == 0


@pytest.mark.parametrize("further", [False, True])
def test_a_folder_with_failures_does_not_scroll(viewer, further):
    """In the window that a laptop leaves beside its own bars."""
    viewer.window.resize(LAPTOP[0], LAPTOP[1] - 40)
    _, widget, scroll = open_dock(viewer, "Segment a folder")
    for number in range(20):
        widget.show_error_line(f"image_{number}.tif: Cannot read it.")
    widget.further_box.value = further
    settle()
    assert widget.table.isVisible() != further
    assert widget.errors.isVisible() != further
    assert widget.fields["splitting"].native.isVisible() == further
    assert scroll.verticalScrollBar().maximum() == 0


def place(field, scroll):
    """Return top and bottom of a field in what is seen of a form."""
    top = field.mapTo(scroll.viewport(), QPoint(0, 0)).y()
    return top, top + field.height()


def test_what_a_run_found_is_seen_without_scrolling(viewer, stack):
    viewer.add_image(stack, axis_labels=("z", "y", "x"))
    viewer.window.resize(800, 600)  # napari's own default is little higher
    _, widget, scroll = open_dock(viewer, "Segment nuclei")
    widget.fields["link_depth"].value = True
    widget.progress.visible = True
    widget.status.value = "82 linked nuclei of 665 outlines in 1.0 s (model nuclei)"
    settle()
    assert scroll.verticalScrollBar().maximum() > 0
    for row in (widget.run_button, widget.progress, widget.status):
        top, bottom = place(row.native, scroll)
        assert 0 <= top < bottom <= scroll.viewport().height()


LONG = "The new model is better on what was held out, and was saved as 'nuclei-tuned-1'. " * 5


def places(scroll):
    """Return where everything lies that is dragged, clicked or typed into."""
    settle()
    fields = [one for kind in (QAbstractButton, *FIELDS) for one in scroll.findChildren(kind)]
    shown = [one for one in fields if one.isVisible() and not isinstance(one, QScrollBar)]
    return {one: place(one, scroll) for one in shown}


@pytest.mark.parametrize("title", TITLES)
def test_nothing_moves_when_the_status_changes(viewer, field, title):
    viewer.add_image(field)
    _, widget, scroll = open_dock(viewer, title)
    if title == "Fine-tune":
        widget.show_end(segment=True, save=True)
    before = places(scroll)
    for text in ("1 nucleus", LONG, ""):
        widget.status.value = text
        assert places(scroll) == before


def test_no_tool_moves_when_the_hint_changes(viewer, field):
    viewer.add_labels((field > 300).astype(int))
    _, widget, scroll = open_dock(viewer, "Correct nuclei")
    before = places(scroll)
    for text in ("", LONG):
        widget.hint.value = text
        assert places(scroll) == before


def test_hints_of_tools_are_read_without_scrolling(viewer, field):
    viewer.add_labels((field > 300).astype(int))
    dock, widget, scroll = open_dock(viewer, "Correct nuclei")
    dock.parent().resizeDocks([dock], [1], Qt.Orientation.Horizontal)
    settle()
    assert scroll.verticalScrollBar().maximum() == 0
    room = widget.hint.native.parentWidget().parentWidget()
    hints = [DRAWING, *(tool_is_on(tool.hint, tool.key) for tool in TOOLS)]
    for hint in hints:
        widget.hint.value = hint
        settle()
        assert room.verticalScrollBar().maximum() == 0, hint


@pytest.mark.parametrize("title", ["Segment nuclei", "Segment a folder", "Fine-tune"])
def test_nothing_moves_when_the_bar_comes_and_goes(viewer, field, title):
    viewer.add_image(field)
    _, widget, scroll = open_dock(viewer, title)
    bar = widget.view.progress if title == "Fine-tune" else widget.progress
    below = widget.view.curves if title == "Fine-tune" else widget.status.native
    below.show()
    before = places(scroll), place(below, scroll)
    for visible in (True, False):
        bar.visible = visible
        assert (places(scroll), place(below, scroll)) == before


def test_no_slider_moves_when_tracks_can_be_shown(viewer, stack):
    viewer.add_image(stack, axis_labels=("t", "y", "x"))
    _, widget, scroll = open_dock(viewer, "Segment nuclei")
    widget.fields["link_time"].value = True
    settle()
    sliders = [slider.native for slider in widget.fields.values() if slider.visible]
    before = [place(slider, scroll) for slider in sliders]
    widget.tracks_button.visible = True
    settle()
    assert [place(slider, scroll) for slider in sliders] == before


def test_a_long_status_can_be_read_to_its_end(viewer):
    _, widget, _ = open_dock(viewer, "Segment nuclei")
    text = widget.status.native
    room = text.parentWidget().parentWidget()
    bar = room.verticalScrollBar()
    for lines in range(1, STATUS_LINES + 1):
        widget.status.value = "\n".join("nucleus" for _ in range(lines))
        settle()
        assert bar.maximum() == 0
    widget.status.value = LONG
    settle()
    assert bar.isVisible()
    assert text.width() == room.viewport().width()
    assert text.height() == text.heightForWidth(text.width())
    assert bar.maximum() == text.height() - room.viewport().height() > 0


def turn_wheel(field):
    middle = QPointF(field.rect().center())
    event = QWheelEvent(
        middle,
        QPointF(field.mapToGlobal(field.rect().center())),
        QPoint(),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(field, event)
    return event.isAccepted()


def test_the_wheel_is_left_to_the_form(viewer):
    """Qt hands what a field ignores on to what it lies in, if it comes from a mouse."""
    viewer.window.resize(800, 600)
    _, widget, scroll = open_dock(viewer, "Segment a folder")
    widget.further_box.value = True
    settle()
    bar, workers = scroll.verticalScrollBar(), widget.workers_field.native
    assert bar.maximum() > 0
    workers.setValue(5)
    workers.clearFocus()
    assert turn_wheel(scroll.viewport())
    assert bar.value() > 0
    assert not turn_wheel(workers)
    assert workers.value() == 5
    workers.setFocus()
    assert turn_wheel(workers)
    assert workers.value() == 4  # which is being edited
    assert workers.focusPolicy() == Qt.FocusPolicy.StrongFocus  # else the wheel gives the focus
