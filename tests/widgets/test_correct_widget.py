"""Layers that come and go, keys, the list, bad input."""

import dask.array as da
import numpy as np
import pytest
from correcting import Correcting, field
from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils.key_bindings import coerce_keybinding

from napari_nucseg.widgets._correct_keys import taken_keys
from napari_nucseg.widgets._correction import CORRECTION, correction_of, reviewed_mask
from napari_nucseg.widgets._growing import GrowingLabels
from napari_nucseg.widgets._memory_copy import start_copy
from napari_nucseg.widgets._results import RECORD
from napari_nucseg.widgets.correct_widget import CorrectWidget
from napari_nucseg.widgets.segment_widget import SegmentWidget

KEYS = ["S", "J", "D", "O", "H", "U", "N", "Shift-D", "R", ",", "."]


def bound(layer):
    return {key for key in KEYS if coerce_keybinding(key) in layer.keymap}


# keys


@pytest.mark.slow
def test_no_key_of_napari_is_overridden(without_opengl, make_napari_viewer, qtbot):
    from napari.settings import get_settings

    viewer = make_napari_viewer()
    layer = viewer.add_labels(field())
    used = taken_keys(layer, viewer)
    settings = get_settings().shortcuts.shortcuts
    names = [n for n in settings if "label" in n or n in viewer_actions()]
    assert len(names) > 20
    used |= {key for name in names for key in settings[name]}
    assert {coerce_keybinding(k) for k in ("P", "M", "Ctrl-Z", "Space", "V", "Escape")} <= used
    assert not used & {coerce_keybinding(key) for key in KEYS}
    _, widget = viewer.window.add_plugin_dock_widget("napari-nucseg", "Correct nuclei")
    qtbot.waitUntil(lambda: not widget.busy)
    assert bound(layer) == set(KEYS)


def viewer_actions():
    """Names of napari's actions that are there whatever layer is active."""
    from napari.settings import get_settings

    of_layers = ("points", "shapes", "image", "vectors", "tracks", "surface", "vertex", "add_")
    of_layers += ("plane_normal", "select_all", "select_append", "direct_mode", "select_mode")
    of_layers += ("contrast", "paste", "drawing_shape")
    names = get_settings().shortcuts.shortcuts
    return {name for name in names if not any(part in name for part in of_layers)}


def test_every_key_is_shown(correcting):
    widget = correcting.widget
    texts = [button.text for button in widget.buttons()]
    texts += [button.tooltip for button in widget.buttons()]
    for key in KEYS:
        shown = key.replace("-", "+")
        assert any(text.endswith((f" {shown}", f": {shown}")) for text in texts), key
    assert "napari's own tools" in widget.hint.value


def test_keys_follow_the_layer(correcting):
    first = correcting.add(field())
    assert bound(first) == set(KEYS)
    second = correcting.add(field())
    assert bound(first) == set()
    assert bound(second) == set(KEYS)
    correcting.viewer.layers.clear()
    assert bound(second) == set()
    assert correcting.status.startswith("There is no labels layer")


def test_keys_that_are_taken_are_left_alone(correcting):
    layer = Labels(field())
    pressed = []
    layer.bind_key("S", lambda _: pressed.append("mine"))
    correcting.viewer.bind_key("J", lambda _: pressed.append("viewer"))
    correcting.viewer.layers.append(layer)
    correcting.wait()
    assert correcting.status == (
        "(the key S is in use in your napari) (the key J is in use in your napari)"
    )
    correcting.press("S")
    correcting.press("J")
    assert pressed == ["mine", "viewer"]
    assert bound(layer) == set(KEYS) - {"J"}
    correcting.viewer.layers.remove(layer)
    assert bound(layer) == {"S"}


@pytest.mark.slow
def test_closing_frees_keys_and_saves(
    without_opengl, prompt_corrector, make_napari_viewer, qtbot, state_folder
):
    viewer = make_napari_viewer()
    dock, widget = viewer.window.add_plugin_dock_widget("napari-nucseg", "Correct nuclei")
    bench = Correcting(viewer, widget, qtbot)
    layer = bench.add(field())
    bench.press("S")
    layer.fill((10, 65), 9)  # napari's bucket; it is saved some time later
    viewer.window.remove_dock_widget(dock)
    assert bound(layer) == set()
    assert list(viewer.layers) == [layer]
    assert len(list(state_folder.glob("autosave/*/corrections.npz"))) == 1
    other = viewer.add_labels(field())
    assert bound(other) == set()
    _, again = viewer.window.add_plugin_dock_widget("napari-nucseg", "Correct nuclei")
    viewer.layers.selection.active = layer
    qtbot.waitUntil(lambda: again.ready and not again.busy)
    assert again.counts.value == "nothing yet"  # another id is no change


# layers


def test_without_labels_nothing_can_be_pressed(correcting):
    assert correcting.status.startswith("There is no labels layer: segment an image first")
    assert not any(button.enabled for button in correcting.widget.buttons())
    correcting.viewer.add_image(np.zeros((9, 9)))
    assert not correcting.widget.ready
    correcting.add(field())
    assert correcting.widget.ready
    assert all(button.enabled for button in correcting.widget.buttons())


def test_the_active_labels_layer_is_corrected(correcting):
    first, second = correcting.add(field()), correcting.add(field())
    assert correcting.widget.layer is second
    image = correcting.viewer.add_image(np.zeros((60, 100)))
    correcting.viewer.layers.selection.active = image
    assert correcting.widget.layer is second
    correcting.viewer.layers.selection.active = first
    correcting.wait()
    assert correcting.widget.layer is first
    first.name = "renamed"
    assert correcting.widget.layer is first
    assert correcting.widget.layer_box.value is first


def test_what_was_done_is_remembered_per_layer(correcting):
    first = correcting.add(field())
    correcting.press("D")
    correcting.click((10, 65))
    correcting.press("R")
    second = correcting.add(field())
    assert correcting.counts == "nothing yet"
    correcting.viewer.layers.selection.active = first
    correcting.wait()
    assert correcting.counts == "1 deleted"
    assert reviewed_mask(first).all()
    assert not reviewed_mask(second).any()


def test_the_layer_is_removed(correcting):
    first = correcting.add(field())
    correcting.press("S")
    correcting.viewer.layers.remove(first)
    assert [layer.name for layer in correcting.viewer.layers] == []
    assert (correcting.widget.layer, correcting.widget.tool) == (None, None)
    assert correcting.widget.doubts.rows == []


def test_removed_while_it_is_read(correcting):
    correcting.viewer.add_labels(field())
    correcting.viewer.layers.clear()
    correcting.wait()
    assert not correcting.widget.ready


def test_a_duplicate_is_a_layer_of_its_own(correcting):
    first = correcting.add(field())
    correcting.press("R")
    second = Labels(field(), metadata=first.metadata)
    correcting.viewer.layers.append(second)
    correcting.wait()
    assert second.metadata[CORRECTION].layer_id == second.unique_id
    assert correction_of(second).folder != correction_of(first)
    assert not reviewed_mask(second).any()


def test_two_viewers_do_not_meet(correcting, qtbot):
    viewer = ViewerModel()
    widget = CorrectWidget(viewer)
    qtbot.addWidget(widget.native)
    other = Correcting(viewer, widget, qtbot)
    first, second = correcting.add(field()), other.add(field())
    correcting.press("D")
    assert (correcting.widget.tool.name, widget.tool) == ("delete", None)
    correcting.click((10, 65))
    other.click((10, 65))
    np.testing.assert_array_equal(second.data, field())
    assert 2 not in first.data
    assert (correcting.counts, other.counts) == ("1 deleted", "nothing yet")


# what it is compared with


@pytest.fixture
def segmented(correcting, field):
    """The layer that Segment made, and the widget that made it."""
    widget = SegmentWidget(correcting.viewer)
    correcting.qtbot.addWidget(widget.native)
    correcting.viewer.add_image(field, name="cells", scale=(0.5, 0.5))
    widget.run()
    correcting.qtbot.waitUntil(lambda: not widget.running and not widget.updating, timeout=60_000)
    correcting.wait()
    yield correcting.viewer.layers["cells nuclei"], widget
    correcting.qtbot.waitUntil(lambda: not widget.updating)


def test_the_untouched_prediction_is_kept(correcting, segmented):
    layer, _ = segmented
    assert correcting.widget.reference.value == "Compared with: what model nuclei predicted."
    before = layer.data.copy()
    layer.selected_label = int(before.max())
    correcting.press("Shift-D")
    correcting.wait()
    assert correcting.counts == "1 deleted"
    np.testing.assert_array_equal(layer.metadata[CORRECTION].predicted.array(), before)
    assert layer.metadata[RECORD]["fingerprint"] == layer.metadata[CORRECTION].predicted.fingerprint


def test_other_labels_are_compared_with_what_they_were(correcting):
    correcting.add(field())
    assert correcting.widget.reference.value == "Compared with: the labels at the start."


def test_a_slider_of_segment_makes_a_new_prediction(correcting, segmented, notices):
    layer, widget = segmented
    correcting.press("R")
    widget.fields["min_size"].value = 250
    correcting.qtbot.waitUntil(lambda: not widget.updating)
    correcting.wait()
    assert correcting.counts == "nothing yet"
    assert correcting.widget.reference.value == "Compared with: what model nuclei predicted."
    assert not reviewed_mask(layer).any()
    assert notices == ["'cells nuclei' was made anew, so what was marked as reviewed is cleared."]
    assert correcting.widget.ready


def test_a_slider_leaves_corrected_labels_alone(correcting, segmented):
    layer, widget = segmented
    layer.selected_label = int(layer.data.max())
    correcting.press("Shift-D")
    after = layer.data.copy()
    widget.fields["min_size"].value = 250
    correcting.qtbot.waitUntil(lambda: not widget.updating)
    correcting.wait()
    np.testing.assert_array_equal(layer.data, after)
    assert correcting.counts == "1 deleted"


def test_data_that_a_script_replaced_count_as_corrections(correcting):
    layer = correcting.add(field())
    layer.data = np.where(field() == 2, 0, field())
    correcting.wait()
    assert correcting.counts == "1 deleted"
    layer.data = field()[:40]
    correcting.wait()
    assert correcting.counts == "nothing yet"
    assert correction_of(layer).predicted.shape == (40, 100)


def test_data_that_cannot_be_corrected_take_no_edit(correcting, notices):
    layer = correcting.add(field(), name="cells")
    layer.data = np.where(field() == 3, -4, field())
    correcting.wait()
    assert [text for text in notices if "negative" in text] == [
        "The labels of 'cells' must not have negative ids, received -4."
    ]
    layer.selected_label = 2
    correcting.press("Shift-D")  # would not be saved
    assert 2 in layer.data
    layer.data = field()
    correcting.wait()
    correcting.press("Shift-D")
    assert 2 not in layer.data


def test_labels_that_grow_are_not_corrected(correcting, state_folder):
    image = correcting.viewer.add_image(np.zeros((64, 64)), name="slide")
    growing = GrowingLabels(correcting.viewer, image, "YX", (64, 64))
    growing.open()
    assert correcting.widget.layer_box.choices == ()
    correcting.viewer.layers.selection.active = growing.layer  # a click in the layer list
    assert correcting.widget.layer is None
    layer = correcting.add(field())
    correcting.viewer.layers.selection.active = growing.layer
    assert correcting.widget.layer is layer
    growing.close()
    assert correcting.widget.layer is layer


def test_napari_tools_count_too(correcting):
    layer = correcting.add(field())
    layer.selected_label = 7
    layer.paint((5, 5), 7)
    correcting.wait()
    assert correcting.counts == "1 added"
    correcting.undo()
    assert correcting.counts == "nothing yet"


# the list


@pytest.fixture
def movie(correcting):
    """Nine squares in the second of three planes, one of them small and one at the border."""
    labels = np.zeros((3, 90, 90), np.int32)
    for number in range(9):
        row, column = 5 + 30 * (number // 3), 5 + 30 * (number % 3)
        labels[1, row : row + 12, column : column + 12] = number + 1
    labels[1, 35:47, 35:44] = 0  # of 5, a quarter is left
    labels[1, 65:77, 0:5] = 7
    return correcting.add(labels, scale=(4, 0.5, 0.25), translate=(10, 20, 30))


def test_the_list_begins_with_the_worst(correcting, movie):
    widget = correcting.widget
    assert widget.doubts.rows == [5, 7, 1, 2, 3, 4, 6, 8, 9]
    assert widget.doubts.heading.value == "Nuclei by doubt: 9"
    assert widget.doubts.table.item(0, 0).text() == "5"
    assert "small (0.25 x median)" in widget.doubts.table.item(0, 2).text()
    assert "cut by the border" in widget.doubts.table.item(1, 2).text()


def test_next_and_previous_move_the_viewer_there(correcting, movie):
    viewer = correcting.viewer
    viewer.dims.set_current_step(0, 0)
    correcting.press(".")
    assert movie.selected_label == 5
    assert viewer.dims.current_step[0] == 1
    camera = viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera
    np.testing.assert_allclose(camera.center[-2:], (20 + 40.5 * 0.5, 30 + 45 * 0.25))
    assert 30 <= 6 * camera.zoom <= 400
    assert correcting.status.startswith("Nucleus 5: small")
    correcting.press(".")
    assert movie.selected_label == 7
    correcting.press(",")
    assert movie.selected_label == 5
    correcting.press(",")
    assert movie.selected_label == 9  # the list has no end
    correcting.widget.doubts.next_button.native.click()
    assert movie.selected_label == 5
    correcting.widget.doubts.table.cellClicked.emit(2, 0)
    assert movie.selected_label == 1
    assert correcting.widget.doubts.current.nucleus == 1


def test_next_does_not_pass_over_what_follows_a_deleted_nucleus(correcting, movie):
    correcting.press(".")
    correcting.press(".")
    assert movie.selected_label == 7
    correcting.press("Shift-D")
    correcting.wait()
    assert correcting.widget.doubts.rows[:2] == [5, 1]
    correcting.press(".")
    assert movie.selected_label == 1


def test_next_of_nothing(correcting):
    correcting.add(np.zeros((20, 20), np.int32))
    correcting.press(".")
    correcting.press(",")
    assert correcting.widget.doubts.current is None


def test_low_probability_leads_the_list(correcting, segmented):
    layer, _ = segmented
    probability = np.where(layer.data == 3, 0.3, 1.0)
    record = dict(layer.metadata[RECORD])
    correcting.viewer.add_image(probability, metadata={RECORD: record}, name="p")
    correcting.viewer.layers.selection.active = layer
    layer.refresh()
    correcting.wait()
    assert correcting.widget.doubts.rows[0] == 3
    assert "faint (probability 0.30)" in correcting.widget.doubts.table.item(0, 2).text()
    correcting.viewer.layers["p"].data = probability[:50]
    layer.refresh()
    correcting.wait()
    assert correcting.status.startswith("'p' has another shape than the labels")
    correcting.widget.status.value = "Split into two."
    layer.refresh()
    correcting.wait()
    assert correcting.status == "Split into two."


def test_the_list_is_short(correcting):
    labels = np.zeros((100, 100), np.int32)
    labels[::4, ::4] = np.arange(1, 626).reshape(25, 25)
    correcting.add(labels)
    assert correcting.widget.doubts.table.rowCount() == 200
    assert correcting.widget.doubts.heading.value == "Nuclei by doubt: the first 200 of 625"


# bad input


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: Labels(da.from_array(field())), "a dask.Array"),
        (lambda: Labels(np.broadcast_to(field(), (60, 100))), "read-only"),
        (lambda: Labels([field(), field()[::2, ::2]], multiscale=True), "a pyramid"),
    ],
)
def test_labels_that_are_not_in_memory_are_copied_on_request(correcting, make, kind):
    layer = make()
    layer.name, layer.scale = "big", (3, 2)
    correcting.viewer.layers.append(layer)
    correcting.wait()
    widget = correcting.widget
    assert widget.warning.value == (
        f"'big' is {kind}, not an array in memory, and cannot be corrected; press Make a copy in "
        "memory to correct a copy."
    )
    assert not widget.ready
    widget.copy_button.native.click()
    assert correcting.status == "Copying 'big' into memory ..."
    widget.copy_to_memory()  # ignored
    correcting.wait()
    assert widget.ready
    assert [one.name for one in correcting.viewer.layers] == ["big", "big copy"]
    assert widget.layer.name == "big copy"
    np.testing.assert_array_equal(widget.layer.data, field())
    assert list(widget.layer.scale) == [3, 2]
    assert widget.warning.value == ""


def test_labels_that_cannot_be_read_are_not_copied(correcting, notices):
    def fail(block):
        raise OSError("the disk is gone")

    lazy = da.from_array(field()).map_blocks(fail, dtype=np.int32, meta=np.zeros((0, 0), np.int32))
    layer = Labels(field(), name="big")
    layer._data = lazy  # a layer that was opened before the disk went
    found = []
    start_copy(layer, lambda task, copy: found.append((str(task.failure), copy)))
    with correcting.qtbot.captureExceptions():  # napari shows them
        correcting.qtbot.waitUntil(lambda: bool(found))
    assert found == [("the disk is gone", None)]


def test_negative_ids(correcting, notices):
    labels = field()
    labels[0, 0] = -4
    correcting.add(labels, name="odd")
    assert notices == ["The labels of 'odd' must not have negative ids, received -4."]
    assert not correcting.widget.ready
    assert not any(button.enabled for button in correcting.widget.buttons())
    assert labels[0, 0] == -4


def test_all_background(correcting):
    correcting.add(np.zeros((30, 30), np.int32), name="empty")
    assert correcting.status.startswith("'empty' is all background; paint a nucleus")
    assert correcting.widget.ready


def test_labels_of_another_shape_than_the_image(correcting, notices):
    correcting.viewer.add_image(np.zeros((50, 60)), name="cells")
    correcting.add(field())
    text = (
        "The labels are 60 x 100 pixels but the image 'cells' is 50 x 60: do they belong together?"
    )
    assert notices == [text]
    assert correcting.widget.warning.value == text
    assert correcting.widget.ready


def test_ids_far_apart_are_offered_to_be_split(correcting):
    labels = np.zeros((90, 200), np.int32)
    for column in range(0, 200, 40):
        labels[10:20, column : column + 10] = 1
        labels[50:60, column : column + 10] = 2
    layer = correcting.add(labels.copy())
    widget = correcting.widget
    assert widget.warning.value == "2 ids occur in places far apart: 1, 2"
    np.testing.assert_array_equal(layer.data, labels)
    widget.separate_button.native.click()
    correcting.wait()
    assert len(np.unique(layer.data)) == 11
    assert correcting.status == "8 places got an id of their own."
    assert widget.warning.value == ""
    correcting.undo()
    np.testing.assert_array_equal(layer.data, labels)


def test_tracks_are_not_offered_to_be_split(correcting):
    tall = np.pad(field(), ((0, 60), (0, 0)))
    movie = np.stack([tall, np.roll(tall, 60, axis=0)])
    correcting.add(movie, axis_labels=("t", "y", "x"))
    assert correcting.widget.warning.value == ""


def test_everything_is_refused_until_the_labels_were_read(correcting, monkeypatch):
    correcting.viewer.add_labels(field())
    assert not correcting.widget.ready
    for action in (correcting.widget.delete_selected, correcting.widget.separate_all):
        action()
        assert correcting.status == "Wait until the labels were read."
    correcting.widget.choose_free_id()
    correcting.wait()
    assert correcting.widget.ready


@pytest.fixture
def linked_movie(correcting):
    """Two frames: nucleus 1 divides into 2 and 3; as the widget for segmenting leaves it."""
    labels = np.zeros((2, 40, 40), np.int32)
    labels[0, 10:20, 10:20] = 1
    labels[1, 10:20, 4:12], labels[1, 10:20, 18:26] = 2, 3
    record = {"axes": "TYX", "parameters": {"link_time": True}, "parents": {"2": 1, "3": 1}}
    return correcting.add(labels, metadata={"napari_nucseg": record}, name="movie")


def table_of(layer):
    return {name: layer.features[name].tolist() for name in layer.features}


def test_the_table_of_linked_nuclei_follows(correcting, linked_movie):
    before = {
        "index": [1, 2, 3],
        "first_frame": [0, 1, 1],
        "last_frame": [0, 1, 1],
        "frames": [1, 1, 1],
        "parent": [0, 1, 1],
    }
    assert table_of(linked_movie) == before
    linked_movie.data_setitem(np.nonzero(linked_movie.data == 1), 0)
    correcting.wait()
    assert table_of(linked_movie)["index"] == [2, 3]
    assert table_of(linked_movie)["parent"] == [0, 0]
    correcting.undo()
    assert table_of(linked_movie) == before


def test_a_table_with_columns_of_others_is_left_alone(correcting, linked_movie):
    linked_movie.features = {"index": [1, 2, 3], "brightness": [0.1, 0.2, 0.3]}
    linked_movie.data_setitem(np.nonzero(linked_movie.data == 1), 0)
    correcting.wait()
    assert table_of(linked_movie) == {"index": [1, 2, 3], "brightness": [0.1, 0.2, 0.3]}
