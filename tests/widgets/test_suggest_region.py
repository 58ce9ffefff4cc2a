"""Suggesting where to correct: the rectangle, where it lies, and what may happen meanwhile."""

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image, Labels, Shapes
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import QApplication

from napari_nucseg import suggest_regions
from napari_nucseg.widgets import _suggestion
from napari_nucseg.widgets._camera import camera_of
from napari_nucseg.widgets._correction import correction_of, drawn_polygons, reviewed_mask
from napari_nucseg.widgets._suggestion import params_of
from napari_nucseg.widgets.correct_widget import CorrectWidget
from napari_nucseg.widgets.segment_widget import SegmentWidget

SIZE = 64
DONE = "Correct all nuclei in this region, then press Mark shapes."
DONE_TOO = (
    "Correct all nuclei in this region, and in the others that are drawn, in any plane, then press "
    "Mark shapes."
)
NONE = "No region to suggest in this plane: "
OUTDATED = (
    "The image, the labels, or what is drawn or reviewed changed meanwhile, so no region was "
    "added; try again."
)


@pytest.fixture(autouse=True)
def small_regions(monkeypatch):
    """Several of them lie in a small image."""
    monkeypatch.setattr(_suggestion, "SIZE", SIZE)


@pytest.fixture(autouse=True)
def double_click(qapp):
    """No presses are too near to each other; call it with the time that presses need."""
    usual = QApplication.doubleClickInterval()
    QApplication.setDoubleClickInterval(0)
    yield QApplication.setDoubleClickInterval
    QApplication.setDoubleClickInterval(usual)


@pytest.fixture
def review(correcting):
    return correcting.widget.review


def labels_for(shape):
    labels = np.zeros(shape, np.int32)
    labels[..., 5:15, 60:70] = 2
    return labels


def suggest(correcting):
    correcting.widget.review.suggest_button.native.click()
    correcting.wait()


def windows(shapes, labels):
    """Planes and windows (first row, last row, first column, last column) that shapes hold."""
    found = []
    for position, corners in drawn_polygons(shapes, labels, (0,) * (labels.ndim - 2)):
        low, high = corners.min(axis=0) + 0.5, corners.max(axis=0) - 0.5
        found.append((position, *np.round([low[0], high[0], low[1], high[1]], 6)))
    return found


def expected(image, axes="YX", position=(), **options):
    (found,) = suggest_regions(image, axes, size=SIZE, **options)
    rows, columns = found.window
    return position, rows.start, rows.stop - 1, columns.start, columns.stop - 1


def test_the_rectangle_lies_where_the_model_doubts_most(correcting, review, field):
    correcting.viewer.add_image(field)
    labels = correcting.add(labels_for(field.shape))
    suggest(correcting)
    shapes = review.shapes.value
    assert shapes.name == "reviewed"
    assert shapes.shape_type == ["rectangle"]
    assert windows(shapes, labels) == [expected(field)]
    assert correcting.viewer.layers.selection.active is labels
    assert correcting.status == DONE
    assert review.suggest_button.text == "Suggest a region"
    correcting.press("S")
    assert correcting.widget.tool.name == "split"


def test_napari_gets_a_new_layer_with_the_rectangle_in_it(correcting, field):
    """It would draw an empty one first, which takes its time."""
    correcting.viewer.add_image(field)
    correcting.add(labels_for(field.shape))
    held = []
    correcting.viewer.layers.events.inserted.connect(lambda event: held.append(event.value.nshapes))
    suggest(correcting)
    assert held == [1]


def test_marking_it_marks_its_pixels(correcting, review, field):
    correcting.viewer.add_image(field)
    labels = correcting.add(labels_for(field.shape))
    suggest(correcting)
    review.mark_button.native.click()
    (_, top, bottom, left, right) = expected(field)
    marked = np.zeros(field.shape, bool)
    marked[top : bottom + 1, left : right + 1] = True
    np.testing.assert_array_equal(reviewed_mask(labels), marked)


def test_the_labels_may_lie_anywhere(correcting, review, field):
    affine = np.array([[1, 0.1, 3], [0, 0.9, 4], [0, 0, 1]])
    placed = {"scale": (0.5, 2), "translate": (7, 8), "rotate": 30, "affine": affine}
    correcting.viewer.add_image(field)
    labels = correcting.add(labels_for(field.shape), **placed)
    suggest(correcting)
    shapes = review.shapes.value
    np.testing.assert_allclose(shapes.data_to_world((3, 5)), labels.data_to_world((3, 5)))
    assert windows(shapes, labels) == [expected(field)]


def test_the_chosen_layer_may_have_another_scale(correcting, review, field):
    correcting.viewer.add_image(field, scale=(2, 2))
    labels = correcting.add(labels_for(field.shape), scale=(2, 2), translate=(100, 0))
    shapes = correcting.viewer.add_shapes(ndim=2, visible=False)
    correcting.viewer.layers.selection.active = labels
    suggest(correcting)
    assert windows(shapes, labels) == [expected(field)]
    assert shapes.visible
    assert [layer for layer in correcting.viewer.layers if isinstance(layer, Shapes)] == [shapes]


def test_the_nuclei_stay_visible_in_a_layer_of_the_user(correcting, field):
    correcting.viewer.add_image(field)
    labels = correcting.add(labels_for(field.shape))
    shapes = correcting.viewer.add_shapes([[[5, 5], [9, 9]]])  # filled with white
    correcting.viewer.layers.selection.active = labels
    suggest(correcting)
    white, transparent, cyan = (1, 1, 1, 1), (0, 0, 0, 0), (0, 1, 1, 1)
    np.testing.assert_allclose(shapes.face_color, [white, transparent])
    np.testing.assert_allclose(shapes.edge_color[1], cyan)


def test_the_viewer_goes_there(correcting, field):
    correcting.viewer.add_image(field)
    correcting.add(labels_for(field.shape), scale=(0.5, 0.5))
    camera_of(correcting.viewer).zoom = 0.01
    suggest(correcting)
    _, top, bottom, left, right = expected(field)
    centre = camera_of(correcting.viewer).center[-2:]
    assert centre == pytest.approx(((top + bottom) / 4, (left + right) / 4))
    assert 250 <= camera_of(correcting.viewer).zoom * SIZE / 2 <= 600


def test_the_next_one_does_not_overlap(correcting, review, field):
    correcting.viewer.add_image(field)
    labels = correcting.add(labels_for(field.shape))
    suggest(correcting)
    review.mark_button.native.click()  # reviewed
    review.shapes.value.data = []
    suggest(correcting)  # drawn
    assert correcting.status == DONE
    suggest(correcting)
    assert correcting.status == DONE_TOO
    second, third = windows(review.shapes.value, labels)
    seen = np.zeros(field.shape, int)
    for _, top, bottom, left, right in (expected(field), second, third):
        seen[int(top) : int(bottom) + 1, int(left) : int(right) + 1] += 1
    assert seen.max() == 1
    assert seen.sum() == 3 * SIZE**2


def test_when_all_is_reviewed_there_is_none(correcting, review, field):
    correcting.viewer.add_image(field)
    correcting.add(labels_for(field.shape))
    review.whole_button.native.click()
    suggest(correcting)
    assert correcting.status == NONE + "all of it is reviewed."
    assert review.shapes.value is None


def test_when_all_is_drawn_or_reviewed_there_is_none(correcting, review, field):
    correcting.viewer.add_image(field)
    labels = correcting.add(labels_for(field.shape))
    review.shapes.value = correcting.viewer.add_shapes([[[-1, -1], field.shape]])
    correcting.viewer.layers.selection.active = labels
    suggest(correcting)
    assert correcting.status == NONE + "all of it is reviewed or drawn."


def test_the_model_may_be_sure_of_what_is_not_reviewed(correcting, review, field):
    image = field.copy()
    image[:, 80:] = np.median(field)
    correcting.viewer.add_image(image)
    labels = correcting.add(labels_for(field.shape))
    review.shapes.value = correcting.viewer.add_shapes([[[-1, -1], [field.shape[0], 120]]])
    correcting.viewer.layers.selection.active = labels
    suggest(correcting)
    assert correcting.status == NONE + "the model is sure of what is not reviewed or drawn."


def test_a_small_reviewed_part_may_leave_no_room(correcting, review, field):
    correcting.viewer.add_image(field[:96, :96])
    labels = correcting.add(labels_for((96, 96)))
    review.shapes.value = correcting.viewer.add_shapes([[[40, 40], [55, 55]]])
    correcting.viewer.layers.selection.active = labels
    suggest(correcting)
    assert correcting.status == NONE + (
        "what is reviewed or drawn leaves no room for 256 x 256 pixels."
    )


def test_an_empty_image_has_none(correcting, review):
    correcting.viewer.add_image(np.zeros((96, 96), np.uint8))
    correcting.add(labels_for((96, 96)))
    suggest(correcting)
    assert correcting.status == NONE + "the model is sure of all of it."
    assert review.shapes.value is None
    assert len(correcting.viewer.layers) == 2


def test_the_plane_that_is_shown(correcting, review, stack):
    correcting.viewer.add_image(da.from_array(stack, chunks=(1, 64, 64)), scale=(5, 1, 1))
    labels = correcting.add(labels_for(stack.shape), scale=(5, 1, 1))
    correcting.viewer.dims.set_current_step(0, 2)
    suggest(correcting)
    correcting.viewer.dims.set_current_step(0, 1)
    suggest(correcting)  # what is drawn in the other plane is not in the way
    first, second = windows(review.shapes.value, labels)
    assert first == expected(stack[2], position=(2,))
    assert second == expected(stack[1], position=(1,))
    assert correcting.viewer.dims.current_step[0] == 1


@pytest.mark.parametrize("corrected", [False, True])
def test_mark_shapes_marks_those_of_other_planes_too(correcting, review, stack, corrected):
    correcting.viewer.add_image(stack)
    labels = correcting.add(labels_for(stack.shape))
    correcting.viewer.dims.set_current_step(0, 2)
    suggest(correcting)
    if corrected:
        review.mark_button.native.click()
    correcting.viewer.dims.set_current_step(0, 1)
    suggest(correcting)
    assert correcting.status == (DONE if corrected else DONE_TOO)
    review.mark_button.native.click()
    assert reviewed_mask(labels).any(axis=(1, 2)).tolist() == [False, True, True]


def test_the_viewer_goes_back_to_the_plane(correcting, review, stack, slow_network):
    begun, go_on = slow_network
    correcting.viewer.add_image(stack)
    labels = correcting.add(labels_for(stack.shape))
    correcting.viewer.dims.set_current_step(0, 2)
    review.suggest_button.native.click()
    correcting.qtbot.waitUntil(begun.is_set)
    correcting.viewer.dims.set_current_step(0, 0)
    go_on.set()
    correcting.wait()
    assert windows(review.shapes.value, labels) == [expected(stack[2], position=(2,))]
    assert correcting.viewer.dims.current_step[0] == 2


def test_as_segment_did(correcting, review, stack):
    """Its image, of several; its channel, its plane, and the diameter that it found."""
    image = np.stack([np.zeros_like(stack), stack])
    correcting.viewer.add_image(np.zeros((3, 160, 192), np.uint8), name="other")
    source = correcting.viewer.add_image(image, name="cells", axis_labels=("c", "z", "y", "x"))
    segmenting = SegmentWidget(correcting.viewer)
    correcting.qtbot.addWidget(segmenting.native)
    correcting.viewer.layers.selection.active = source
    segmenting.image_form.channels.value = "1"
    segmenting.image_form.what.value = "this plane"
    correcting.viewer.dims.set_current_step(1, 2)
    segmenting.run()
    correcting.qtbot.waitUntil(lambda: not segmenting.running, timeout=60_000)
    correcting.wait()
    labels = correcting.widget.layer
    record = labels.metadata["napari_nucseg"]
    assert record["plane"] == {"Z": 2}
    params = params_of(labels)
    assert params.channels == (1,)
    assert float(params.diameter) == pytest.approx(record["diameter_pixels"], abs=1e-5)

    suggest(correcting)
    position, *window = expected(stack[2], position=(0,), diameter=params.diameter)
    assert windows(review.shapes.value, labels) == [(position, *window)]
    world = review.shapes.value.data_to_world(review.shapes.value.data[0][0])
    assert world[0] == pytest.approx(2)


def test_a_pyramid(correcting, review, field):
    """Its first level is the same array before and after."""
    correcting.viewer.add_image([field, field[::2, ::2]], multiscale=True)
    labels = correcting.add(labels_for(field.shape))
    suggest(correcting)
    assert windows(review.shapes.value, labels) == [expected(field)]


def test_colour(correcting, review, field):
    shown = (255 * (field / field.max())).astype(np.uint8)
    image = np.stack([shown // 2, shown // 4, shown], axis=-1)
    correcting.viewer.add_image(image, rgb=True)
    labels = correcting.add(labels_for(field.shape))
    suggest(correcting)
    assert windows(review.shapes.value, labels) == [expected(image, "YXS")]


def test_without_an_image(correcting, review, notices):
    correcting.viewer.add_image(np.zeros((30, 30), np.uint8))
    correcting.add(labels_for((96, 96)), name="mine")
    notices.clear()
    suggest(correcting)
    text = "No image layer has the shape of 'mine'; open the image that these labels belong to."
    assert notices == [text]
    assert correcting.status == text
    assert review.shapes.value is None


def test_of_several_images_the_visible_one(correcting, review, field, notices):
    empty = correcting.viewer.add_image(np.zeros_like(field))
    correcting.viewer.add_image(field)
    labels = correcting.add(labels_for(field.shape), name="mine")
    suggest(correcting)
    assert notices == [
        "Several images have the shape of 'mine': hide all but the one it belongs to."
    ]
    empty.visible = False
    suggest(correcting)
    assert windows(review.shapes.value, labels) == [expected(field)]


@pytest.mark.parametrize("empty", [False, True])
def test_another_image_than_the_one_segmented_is_named(correcting, field, empty):
    correcting.viewer.add_image(field * (not empty), name="other")
    correcting.add(labels_for(field.shape), metadata={"napari_nucseg": {"source": "cells"}})
    suggest(correcting)
    assert correcting.status.startswith("No region" if empty else DONE)
    assert correcting.status.endswith(
        " The model looked at 'other', as no image 'cells' of this shape is open."
    )


def test_planes_taken_as_channels_are_named(correcting, stack):
    correcting.viewer.add_image(stack, name="cells")
    correcting.add(labels_for(stack.shape[1:]))
    suggest(correcting)
    assert correcting.status.endswith(
        " 'cells' was taken as CYX (C: channels), as the labels do not fit ZYX."
    )


def test_a_plane_that_is_too_large(correcting, review, field, notices, monkeypatch):
    monkeypatch.setattr(_suggestion, "LAZY_PLANE", 1000)
    correcting.viewer.add_image(field, name="cells")
    correcting.add(labels_for(field.shape))
    suggest(correcting)
    assert notices[0].startswith("A plane of 'cells' has")
    assert review.shapes.value is None


def test_other_planes_cannot_be_searched(correcting, stack, notices):
    correcting.viewer.add_image(stack)
    correcting.add(labels_for(stack.shape))
    correcting.viewer.dims.ndisplay = 3
    suggest(correcting)
    assert notices == [
        "Only planes of Y and X can be marked as reviewed; put the axes back in order."
    ]


def test_a_model_that_is_gone_is_said(correcting, review, field, notices):
    correcting.viewer.add_image(field, name="cells")
    record = {"source": "cells", "parameters": {"model": "gone"}}
    correcting.add(labels_for(field.shape), metadata={"napari_nucseg": record})
    suggest(correcting)
    assert "gone" in notices[0]
    assert correcting.status == notices[0]
    assert review.shapes.value is None


# while it runs


@pytest.fixture
def searching(correcting, review, field, slow_network):
    """A search that waits in its first tile; the event lets it go on."""
    begun, go_on = slow_network
    correcting.viewer.add_image(field, name="cells")
    correcting.add(labels_for(field.shape), name="mine")
    review.suggest_button.native.click()
    correcting.qtbot.waitUntil(begun.is_set)
    assert correcting.widget.busy
    assert review.suggest_button.text == "Stop looking"
    return go_on


def settle(correcting, go_on):
    go_on.set()
    correcting.wait()
    correcting.qtbot.waitUntil(lambda: QThreadPool.globalInstance().activeThreadCount() == 0)
    correcting.wait()


def names(correcting):
    return [layer.name for layer in correcting.viewer.layers]


def test_a_second_press_gives_it_up(correcting, review, searching):
    review.suggest_button.native.click()
    assert correcting.status == "Cancelled; no region was added."
    assert review.suggest_button.text == "Suggest a region"
    settle(correcting, searching)
    assert names(correcting) == ["cells", "mine"]
    suggest(correcting)
    assert names(correcting) == ["cells", "mine", "reviewed"]


def test_a_double_click_is_one_press(correcting, review, searching, double_click):
    double_click(3_600_000)
    review.suggest_button.native.click()
    assert correcting.widget.busy
    settle(correcting, searching)
    review.suggest_button.native.click()  # nor does it ask for a second region
    assert not correcting.widget.busy
    assert correcting.status == DONE
    assert review.shapes.value.nshapes == 1


def test_the_image_is_removed(correcting, searching):
    correcting.viewer.layers.remove("cells")
    settle(correcting, searching)
    assert names(correcting) == ["mine"]
    assert correcting.status == "'cells' was removed meanwhile, so no region was added."


def test_the_labels_are_removed(correcting, searching, notices):
    correcting.viewer.layers.remove("mine")
    settle(correcting, searching)
    assert names(correcting) == ["cells"]
    assert notices == []


@pytest.mark.parametrize("drawn", [False, True])
def test_other_labels_are_chosen(correcting, review, field, slow_network, notices, drawn):
    begun, go_on = slow_network
    correcting.viewer.add_image(field, name="cells")
    shapes = correcting.viewer.add_shapes(ndim=2, name="reviewed") if drawn else None
    labels = correcting.add(labels_for(field.shape), name="mine")
    review.suggest_button.native.click()
    correcting.qtbot.waitUntil(begun.is_set)
    other = correcting.viewer.add_labels(labels_for(field.shape), name="other")
    zoom = camera_of(correcting.viewer).zoom
    settle(correcting, go_on)
    assert correcting.widget.layer is correcting.viewer.layers.selection.active is other
    assert camera_of(correcting.viewer).zoom == zoom
    assert notices == ["A region of 'mine' was added; choose these labels to correct it."]
    assert sorted(names(correcting)) == ["cells", "mine", "other", "reviewed"]
    shapes = shapes or correcting.viewer.layers["reviewed"]
    assert windows(shapes, labels) == [expected(field)]
    assert review.suggest_button.text == "Suggest a region"
    correcting.viewer.layers.selection.active = labels
    correcting.wait()
    review.mark_button.native.click()
    assert reviewed_mask(labels).sum() == SIZE**2


@pytest.mark.parametrize("other", ["labels", "plane"])
def test_without_a_region_the_plane_that_was_searched_is_named(
    correcting, review, slow_network, other
):
    begun, go_on = slow_network
    correcting.viewer.add_image(np.zeros((2, 128, 128), np.uint8), name="cells")
    labels = correcting.add(labels_for((2, 128, 128)), name="mine")
    review.plane_button.native.click()
    correcting.viewer.dims.set_point(0, 1)
    review.suggest_button.native.click()
    correcting.qtbot.waitUntil(begun.is_set)
    if other == "plane":
        correcting.viewer.dims.set_point(0, 0)
    else:
        correcting.viewer.add_labels(labels.data.copy(), name="other")
    settle(correcting, go_on)
    assert correcting.status == (
        "No region to suggest in the plane of 'mine' that was searched: the model is sure "
        "of all of it."
    )


def test_other_labels_are_chosen_and_the_first_are_removed(correcting, searching, field, notices):
    correcting.viewer.add_labels(labels_for(field.shape), name="other")
    correcting.viewer.layers.remove("mine")
    settle(correcting, searching)
    assert names(correcting) == ["cells", "other"]
    assert notices == []


@pytest.mark.parametrize("same_shape", [False, True])
def test_the_image_becomes_another(correcting, searching, field, notices, same_shape):
    shape = field.shape if same_shape else (64, 64)
    correcting.viewer.layers["cells"].data = np.zeros(shape, np.uint8)
    settle(correcting, searching)
    assert names(correcting) == ["cells", "mine"]
    assert notices == [OUTDATED]


MEANWHILE = {
    "mark a plane": lambda review, _: review.plane_button.native.click(),
    "mark shapes": lambda review, _: review.mark_button.native.click(),
    "draw": lambda _, first: first.add_rectangles([[[90, 90], [120, 120]]]),
    "erase": lambda _, first: setattr(first, "data", []),
    "change": lambda _, first: setattr(first, "data", [first.data[0] + 1]),
    "move the layer": lambda _, first: setattr(first, "translate", (3, 0)),
    "choose another": lambda review, _: setattr(review.shapes, "value", review.shapes.choices[1]),
}


@pytest.mark.parametrize("act", MEANWHILE.values(), ids=MEANWHILE.keys())
def test_what_is_drawn_or_reviewed_changes(correcting, review, field, slow_network, notices, act):
    begun, go_on = slow_network
    correcting.viewer.add_image(field, name="cells")
    labels = correcting.add(labels_for(field.shape), name="mine")
    first = correcting.viewer.add_shapes([[[5, 5], [20, 20]]], name="first")
    second = correcting.viewer.add_shapes(first.data, name="second")
    correcting.viewer.layers.selection.active = labels
    assert review.shapes.value is first
    review.suggest_button.native.click()
    correcting.qtbot.waitUntil(begun.is_set)
    act(review, first)
    drawn = [len(layer.data) for layer in (first, second)]
    settle(correcting, go_on)
    assert notices == [OUTDATED]
    assert [len(layer.data) for layer in (first, second)] == drawn
    assert names(correcting) == ["cells", "mine", "first", "second"]


def test_the_review_layer_is_removed(correcting, review, field, slow_network, notices):
    begun, go_on = slow_network
    correcting.viewer.add_image(field, name="cells")
    labels = correcting.add(labels_for(field.shape), name="mine")
    gone = correcting.viewer.add_shapes(ndim=2, name="gone")
    correcting.viewer.layers.selection.active = labels
    review.suggest_button.native.click()
    correcting.qtbot.waitUntil(begun.is_set)
    correcting.viewer.layers.remove(gone)
    settle(correcting, go_on)
    assert names(correcting) == ["cells", "mine"]
    assert notices == [OUTDATED]


@pytest.fixture
def docked(without_opengl, make_napari_viewer, qtbot, prompt_corrector, field, slow_network):
    """The widget in a window, during a search."""
    begun, go_on = slow_network
    viewer = make_napari_viewer()
    viewer.add_image(field, name="cells")
    viewer.add_labels(labels_for(field.shape), name="mine")
    dock, widget = viewer.window.add_plugin_dock_widget("napari-nucseg", "Correct nuclei")
    assert isinstance(widget, CorrectWidget)
    qtbot.waitUntil(lambda: widget.ready and not widget.busy)
    widget.review.suggest_button.native.click()
    qtbot.waitUntil(begun.is_set)
    return viewer, dock, widget, go_on


def wait_for_threads(qtbot):
    qtbot.waitUntil(lambda: QThreadPool.globalInstance().activeThreadCount() == 0)
    qtbot.wait(1)


def test_the_dock_is_closed(docked, qtbot, notices):
    viewer, dock, widget, go_on = docked
    viewer.window.remove_dock_widget(dock)
    go_on.set()
    wait_for_threads(qtbot)
    assert not widget.review.suggester.busy
    assert [type(layer) for layer in viewer.layers] == [Image, Labels]
    assert notices == []


def test_the_viewer_is_closed(docked, qtbot, notices):
    viewer, _, _, go_on = docked
    viewer.close()
    go_on.set()
    wait_for_threads(qtbot)
    assert not any(isinstance(layer, Shapes) for layer in viewer.layers)
    assert notices == []


def test_it_works_in_a_window(docked, qtbot, field):
    viewer, _, widget, go_on = docked
    go_on.set()
    qtbot.waitUntil(lambda: not widget.busy, timeout=60_000)
    labels = viewer.layers["mine"]
    assert windows(viewer.layers["reviewed"], labels) == [expected(field)]
    assert viewer.layers.selection.active is labels
    assert correction_of(labels).reviewed.bits == {}
