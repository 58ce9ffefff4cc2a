"""Each tool, with the mouse: what it does, and that one undo takes all of it back."""

import numpy as np
import pytest
from correcting import Correcting, field
from napari.layers import Labels
from qtpy.QtCore import Qt
from vispy.app.canvas import MouseEvent

from napari_nucseg.widgets import _corrector
from napari_nucseg.widgets._correct_tools import TOOLS

CUT = [(15, 31), (30, 31), (45, 31)]
STACKS = {2: (), 3: (3,), 4: (2, 3)}


def stacked(ndim):
    """The field in every plane, with ids of its own."""
    shape = STACKS[ndim]
    number = np.arange(int(np.prod(shape, dtype=int))).reshape((*shape, 1, 1))
    return np.where(field() > 0, field() + 10 * number, 0).astype(np.int32)


@pytest.fixture(params=STACKS)
def stack(correcting, request):
    """A layer of 2, 3 or 4 dimensions, scaled and turned, and where its shown plane is."""
    ndim = request.param
    layer = correcting.add(
        stacked(ndim), scale=np.linspace(2, 0.5, ndim), translate=[7.0] * ndim, name="cells"
    )
    position = tuple(size - 1 for size in STACKS[ndim])
    for axis, index in enumerate(position):
        correcting.viewer.dims.set_current_step(axis, index)
    return layer, position


def check_undo(correcting, layer, before, said=None):
    """One undo takes everything back, one redo brings it again."""
    after = layer.data.copy()
    assert (after != before).any()
    said = said or correcting.status
    correcting.undo()
    np.testing.assert_array_equal(layer.data, before)
    assert correcting.counts == "nothing yet"
    assert correcting.status == f"Undone: {said}"
    correcting.redo()
    np.testing.assert_array_equal(layer.data, after)
    assert correcting.status == said


def test_only_what_an_undo_takes_back_is_called_undone(correcting):
    layer = correcting.add(field())
    layer.selected_label = 2
    correcting.widget.delete_selected()
    layer.paint((5, 5), 9)
    correcting.undo()  # of the paint
    assert correcting.status == "Deleted."
    layer.visible = False
    layer.visible = True
    assert correcting.status == "Deleted."
    correcting.undo()
    assert correcting.status == "Undone: Deleted."
    layer.selected_label = 3
    correcting.press("N")
    correcting.press("Ctrl-Shift-Z")
    assert correcting.status == "Deleted."
    correcting.wait()


def test_split(correcting, stack):
    layer, position = stack
    before = layer.data.copy()
    base = int(before[position].max()) - 3
    correcting.press("S")
    correcting.drag(*CUT)
    plane, old = layer.data[position], before[position] == base + 1
    left, right = np.unique(plane[:, :31][old[:, :31]]), np.unique(plane[:, 32:][old[:, 32:]])
    assert {*left.tolist(), *right.tolist()} == {base + 1, int(before.max()) + 1}
    assert len(left) == len(right) == 1
    changed = np.argwhere(layer.data != before)
    assert set(map(tuple, changed[:, :-2].tolist())) == {position}
    assert correcting.counts == "1 split"
    assert correcting.status == f"Cut {base + 1}: the new nucleus is {before.max() + 1}."
    check_undo(correcting, layer, before)


def test_merge(correcting, stack):
    layer, position = stack
    before = layer.data.copy()
    one, two = int(before[position][30, 20]), int(before[position][10, 65])
    correcting.press("J")
    correcting.click((30, 20))
    np.testing.assert_array_equal(layer.data, before)
    assert f"nucleus {one} is chosen" in correcting.status
    correcting.click((10, 65))
    assert (layer.data[before == two] == one).all()
    assert correcting.counts == "1 merged"
    check_undo(correcting, layer, before)


def test_merge_needs_two(correcting, notices):
    layer = correcting.add(field())
    correcting.press("J")
    correcting.click((30, 20))
    correcting.click((30, 21))
    assert notices == ["Nucleus 1 was clicked twice; click two nuclei to merge them."]
    correcting.click((30, 20))  # begins anew
    correcting.click((10, 65))
    assert np.unique(layer.data).tolist() == [0, 1, 3]


def test_delete(correcting, stack):
    layer, position = stack
    before = layer.data.copy()
    correcting.press("D")
    correcting.click((10, 65))
    gone = before[position][10, 65]
    np.testing.assert_array_equal(layer.data, np.where(before == gone, 0, before))
    assert correcting.counts == "1 deleted"
    check_undo(correcting, layer, before)


def test_delete_reaches_all_planes(correcting):
    layer = correcting.add(np.stack([field()] * 3))
    correcting.press("D")
    correcting.click((10, 65))
    assert 2 not in layer.data


def test_redraw(correcting, stack):
    layer, position = stack
    before = layer.data.copy()
    correcting.press("O")
    correcting.drag((3.5, 61.5), (3.5, 75.5), (12.5, 75.5), (12.5, 61.5), (3.5, 61.5))
    plane = layer.data[position]
    assert np.count_nonzero(plane == before[position][10, 65]) == 9 * 14
    assert correcting.counts == "1 changed"
    check_undo(correcting, layer, before)


def test_fill_holes(correcting, stack):
    layer, position = stack
    before = layer.data.copy()
    correcting.press("H")
    correcting.click((32, 72))
    plane = layer.data[position]
    assert np.count_nonzero(plane == before[position][32, 72]) == 400
    assert np.count_nonzero(layer.data != before) == 16
    check_undo(correcting, layer, before)


def test_separate(correcting):
    labels = field()
    labels[5:9, 5:9] = 3
    layer = correcting.add(labels.copy())
    correcting.press("U")
    correcting.click((32, 72))
    assert np.unique(layer.data[5:9, 5:9]).tolist() == [4]
    assert correcting.status == "Separated 3: new are 4."
    assert correcting.counts == "1 split"
    check_undo(correcting, layer, labels)


def test_delete_the_selected_one(correcting):
    layer = correcting.add(field())
    layer.selected_label = 3
    correcting.press("Shift-D")
    assert np.unique(layer.data).tolist() == [0, 1, 2]
    layer.selected_label = 0
    correcting.press("Shift-D")
    assert correcting.status.startswith("No nucleus is selected")


def test_a_free_id_was_never_used(correcting):
    layer = correcting.add(field())
    correcting.press("D")
    correcting.click((32, 72))
    correcting.press("N")
    assert layer.selected_label == 4  # 3 was deleted
    assert "Next free id: 4" in correcting.status


def test_several_edits_are_several_steps(correcting):
    layer = correcting.add(field())
    states = [layer.data.copy()]
    for key, gesture in (("D", [(10, 65)]), ("S", CUT), ("H", [(32, 72)])):
        correcting.press(key)
        correcting.drag(*gesture)
        states.append(layer.data.copy())
    assert correcting.counts == "1 deleted, 1 changed, 1 split"
    for state in states[-2::-1]:
        correcting.undo()
        np.testing.assert_array_equal(layer.data, state)


def test_a_cut_that_does_not_cut_changes_nothing(correcting, notices):
    layer = correcting.add(field())
    correcting.press("S")
    correcting.drag((30, 5), (30, 25))
    assert notices == [
        "The line does not cut nucleus 1 in two: begin and end it outside the nucleus."
    ]
    correcting.drag((1, 1), (3, 3))
    assert notices[1:] == ["The line crosses no nucleus."]
    np.testing.assert_array_equal(layer.data, field())


def test_clicks_beside_nuclei_say_so(correcting):
    layer = correcting.add(field())
    for key in "JDHU":
        correcting.press(key)
        correcting.click((2, 2))
        assert correcting.status.startswith("There is no nucleus at this place")
    np.testing.assert_array_equal(layer.data, field())


@pytest.mark.parametrize("options", [{"button": 2}, {"modifiers": ("Shift",)}])
def test_other_buttons_and_modifiers_are_left_to_napari(correcting, options):
    layer = correcting.add(field())
    correcting.press("D")
    correcting.click((10, 65), **options)
    np.testing.assert_array_equal(layer.data, field())


def test_panning_is_not_clicking(correcting):
    layer = correcting.add(field())
    correcting.press("D")
    correcting.drag((10, 65), (10, 80))
    np.testing.assert_array_equal(layer.data, field())


def test_buttons_do_what_keys_do(correcting):
    layer = correcting.add(field())
    for tool in TOOLS:
        button = correcting.widget.tools[tool.name].native
        button.click()
        assert (correcting.widget.tool, button.isChecked()) == (tool, True)
        assert correcting.widget.hint.value.startswith(tool.hint)
        assert layer.mouse_pan == (not tool.draws)
    button.click()
    assert correcting.widget.tool is None
    assert not any(b.native.isChecked() for b in correcting.widget.tools.values())
    assert len(layer.mouse_drag_callbacks) == len(Labels(field()).mouse_drag_callbacks)


def test_the_drawing_is_shown_and_leaves_no_layer(correcting):
    layer = correcting.add(field(), scale=(2, 2), units=("um", "um"))
    correcting.press("S")
    assert list(correcting.viewer.layers) == [layer]
    drawn = []
    correcting.viewer.layers.events.inserted.connect(lambda event: drawn.append(event.value))
    correcting.drag(*CUT)
    (drawing,) = drawn
    assert len(drawing.data) == len(CUT) - 1
    assert (list(drawing.scale), drawing.units) == ([2, 2], layer.units)
    assert list(correcting.viewer.layers) == [layer]
    correcting.press("S")
    assert list(correcting.viewer.layers) == [layer]
    assert correcting.viewer.layers.selection == {layer}
    assert layer.mouse_pan


@pytest.mark.parametrize("mode", ["paint", "fill", "polygon", "erase", "pick"])
def test_taking_a_tool_of_napari_ends_ours(correcting, mode):
    layer = correcting.add(field())
    correcting.press("S")
    layer.mode = mode
    assert correcting.widget.tool is None
    assert list(correcting.viewer.layers) == [layer]
    assert not layer.mouse_pan


def test_choosing_another_layer_ends_the_tool(correcting):
    layer = correcting.add(field())
    correcting.press("S")
    image = correcting.viewer.add_image(np.zeros((60, 100)))
    assert correcting.widget.tool is None
    assert list(correcting.viewer.layers) == [layer, image]
    assert correcting.widget.layer is layer


def test_clicks_work_in_the_3d_view_and_drawing_does_not(correcting, notices):
    layer = correcting.add(stacked(3))
    correcting.viewer.dims.ndisplay = 3
    for name in ("split", "outline"):
        correcting.widget.tools[name].native.click()
        assert correcting.widget.tool is None
        assert not correcting.widget.tools[name].native.isChecked()
        assert list(correcting.viewer.layers) == [layer]
        assert correcting.status.startswith("Split and Redraw work in the 2D view")
    assert notices == [correcting.status] * 2
    correcting.press("D")
    correcting.click((10, 65))
    assert sorted(set(np.unique(stacked(3))) - set(np.unique(layer.data))) == [2]


@pytest.mark.parametrize(("key", "stays"), [("S", False), ("O", False), ("D", True)])
def test_a_tool_that_draws_ends_with_the_2d_view(correcting, notices, key, stays):
    layer = correcting.add(stacked(3))
    correcting.press(key)
    correcting.viewer.dims.ndisplay = 3
    assert (correcting.widget.tool is not None) == stays
    assert list(correcting.viewer.layers) == [layer]
    assert len(notices) == (0 if stays else 1)


def test_other_axes_may_be_shown(correcting):
    layer = correcting.add(np.full((12, 60, 100), 5, np.int32))
    correcting.viewer.dims.order = (1, 0, 2)
    correcting.viewer.dims.set_current_step(1, 30)
    correcting.press("S")
    correcting.drag((-2, 50), (15, 50))
    assert np.unique(layer.data[:, 30]).tolist() == [5, 6]
    assert np.unique(np.delete(layer.data, 30, axis=1)).tolist() == [5]


def test_labels_that_do_not_reach_the_shown_plane(correcting, notices):
    correcting.viewer.add_image(np.zeros((9, 60, 100)))
    correcting.add(field()[None])
    correcting.viewer.dims.set_current_step(0, 7)
    correcting.press("S")
    correcting.drag(*CUT)
    assert notices == ["The plane that is shown does not lie in the labels."]


def test_large_labels_are_searched_in_a_thread(correcting, monkeypatch):
    monkeypatch.setattr(_corrector, "INLINE", 0)
    layer = correcting.add(field())
    correcting.press("S")
    correcting.drag(*CUT)
    assert correcting.counts == "1 split"
    correcting.press("S")
    correcting.press("N")
    correcting.wait()
    assert layer.selected_label == 5
    check_undo(correcting, layer, field(), "Cut 1: the new nucleus is 4.")


def test_an_edit_that_comes_too_late_is_dropped(correcting, monkeypatch, notices):
    monkeypatch.setattr(_corrector, "INLINE", 0)
    layer = correcting.add(field())
    correcting.press("D")
    start = correcting.widget._corrector._start

    def paint_meanwhile(work, title, use):
        def late(found):
            layer.fill((10, 65), 9)
            use(found)

        start(work, title, late)

    monkeypatch.setattr(correcting.widget._corrector, "_start", paint_meanwhile)
    correcting.click((10, 65))
    assert notices == ["The labels changed meanwhile, so nothing was done; please try again."]
    assert np.unique(layer.data).tolist() == [0, 1, 3, 9]


def test_a_layer_that_is_not_editable_is_left_alone(correcting, notices):
    layer = correcting.add(field())
    correcting.press("D")
    layer.editable = False
    correcting.click((10, 65))
    correcting.press("D")
    correcting.press("D")
    assert correcting.widget.tool is None
    assert set(notices) == {"This layer is not editable; click its pencil in the layer list first."}
    np.testing.assert_array_equal(layer.data, field())


def test_a_hidden_layer_is_left_alone(correcting, notices):
    layer = correcting.add(field(), visible=False)
    layer.selected_label = 2
    correcting.press("Shift-D")
    assert notices == ["This layer is hidden; click its eye in the layer list first."]
    np.testing.assert_array_equal(layer.data, field())
    layer.visible = True
    correcting.press("Shift-D")
    assert np.unique(layer.data).tolist() == [0, 1, 3]
    correcting.wait()
    check_undo(correcting, layer, field())


def test_uint8_labels_get_gaps_as_ids(correcting, notices):
    labels = field().astype(np.uint8)
    labels[labels == 3] = 255
    layer = correcting.add(labels)
    correcting.press("S")
    correcting.drag(*CUT)
    assert np.unique(layer.data).tolist() == [0, 1, 2, 3, 255]
    assert layer.data.dtype == np.uint8
    assert notices == []


@pytest.mark.slow
def test_keys_and_mouse_of_the_canvas(without_opengl, prompt_corrector, make_napari_viewer, qtbot):
    """Through everything that napari does with them."""
    viewer = make_napari_viewer()
    _, widget = viewer.window.add_plugin_dock_widget("napari-nucseg", "Correct nuclei")
    bench = Correcting(viewer, widget, qtbot)
    layer = bench.add(field(), scale=(3, 3))
    canvas = viewer.window._qt_viewer.canvas

    def mouse(kind, row, column, press=None):
        to_canvas = canvas.view.transform * canvas.view.scene.transform
        x, y = to_canvas.map([3 * column, 3 * row])[:2]
        event = MouseEvent(f"mouse_{kind}", pos=(x, y), button=1, press_event=press)
        getattr(canvas, f"_on_mouse_{kind}")(event)
        return event

    qtbot.keyClick(canvas.native, Qt.Key.Key_D)
    press = mouse("press", 10, 65)
    mouse("release", 10, 65, press)
    bench.wait()
    assert np.unique(layer.data).tolist() == [0, 1, 3]
    qtbot.keyClick(canvas.native, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    np.testing.assert_array_equal(layer.data, field())
    qtbot.keyClick(canvas.native, Qt.Key.Key_S)
    press = mouse("press", *CUT[0])
    mouse("move", *CUT[1], press)
    mouse("move", *CUT[2], press)
    mouse("release", *CUT[2], press)
    bench.wait()
    assert np.unique(layer.data).tolist() == [0, 1, 2, 3, 4]
    assert bench.counts == "1 split"
