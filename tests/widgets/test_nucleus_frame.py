"""The frame around the nucleus that Next goes to: seen, and in nobody's way."""

import numpy as np
import pytest
from correcting import field
from napari.layers import Shapes, Vectors

from napari_nucseg.correction.doubt import Doubt
from napari_nucseg.widgets._layers import choices_of
from napari_nucseg.widgets._nucleus_frame import MOST_PLANES, NAME, frames


def framed(viewer):
    """Return which planes of the labels are framed, and rows and columns within the frames."""
    starts, sides = np.moveaxis(viewer.layers[NAME].data, 1, 0)
    corners = starts.reshape(-1, 4, starts.shape[-1])
    np.testing.assert_allclose(np.roll(corners, -1, axis=1), corners + sides.reshape(corners.shape))
    low, high = corners[..., -2:].min(axis=(0, 1)), corners[..., -2:].max(axis=(0, 1))
    window = tuple(slice(int(np.ceil(a)), int(b) + 1) for a, b in zip(low, high, strict=True))
    return corners[:, 0, :-2].tolist(), window


def test_the_nucleus_that_is_meant_is_framed(correcting):
    layer = correcting.add(field(), scale=(0.5, 0.5), translate=(7, 8), units=("um", "um"))
    for _ in range(3):
        correcting.press(".")
        nucleus = correcting.widget.doubts.current.nucleus
        _, window = framed(correcting.viewer)
        inside = field()[window]
        assert np.count_nonzero(inside == nucleus) == np.count_nonzero(field() == nucleus)
    frame = correcting.viewer.layers[NAME]
    assert len([one for one in correcting.viewer.layers if isinstance(one, Vectors)]) == 1
    assert frame.units == layer.units
    np.testing.assert_allclose(frame.data_to_world((3, 4)), layer.data_to_world((3, 4)))


def test_a_frame_lies_within_the_image():
    doubt = Doubt(1, 0.5, "", (2, 15), (slice(0, 5), slice(12, 20)))
    assert frames(doubt, (30, 20), 3).tolist() == [
        [[0, 8.5], [0, 19], [7.5, 19], [7.5, 8.5]],
    ]


def test_all_planes_of_a_nucleus_are_framed_unless_there_are_very_many():
    window = (slice(2, 4), slice(5, 6), slice(10, 12), slice(10, 12))
    doubt = Doubt(1, 0.5, "", (3, 5, 10.5, 10.5), window)
    assert frames(doubt, (9, 9, 30, 30), 1)[:, 0, :2].tolist() == [[2, 5], [3, 5]]
    window = (slice(0, MOST_PLANES + 1), *window[1:])
    doubt = Doubt(1, 0.5, "", (3, 5, 10.5, 10.5), window)
    assert frames(doubt, (900, 9, 30, 30), 1)[:, 0, :2].tolist() == [[3, 5]]


def test_in_a_movie_one_frame_is_meant(correcting):
    correcting.add(np.stack([field()] * 4), axis_labels=("t", "y", "x"))
    for _ in range(2):
        correcting.press(".")
        assert framed(correcting.viewer)[0] == [[correcting.widget.doubts.current.frame]]


def test_the_frame_follows_corrections_and_undo(correcting):
    layer = correcting.add(field())
    correcting.press(".")
    nucleus = correcting.widget.doubts.current.nucleus
    before = framed(correcting.viewer)
    correcting.press("Shift-D")
    correcting.wait()
    assert NAME not in correcting.viewer.layers
    correcting.undo()
    assert np.count_nonzero(layer.data == nucleus) == np.count_nonzero(field() == nucleus)
    assert framed(correcting.viewer) == before
    layer.data_setitem((np.array([1]), np.array([1])), nucleus)
    correcting.wait()
    assert framed(correcting.viewer)[1][0].start == 0


@pytest.mark.parametrize("key", ["S", "D"])
def test_tools_stay_on(correcting, key):
    layer = correcting.add(field())
    correcting.press(key)
    tool = correcting.widget.tool
    for _ in range(2):
        correcting.press(".")
        assert correcting.widget.tool is tool
        assert correcting.viewer.layers.selection == {layer}


def test_painting_goes_on(correcting):
    layer = correcting.add(field())
    layer.mode = "paint"
    layer.brush_size = 7
    correcting.press(".")
    assert (layer.mode, layer.brush_size, layer.preserve_labels) == ("paint", 7, False)
    assert correcting.viewer.layers.selection.active is layer
    assert list(correcting.viewer.layers.extent.world[1]) == [59, 99]


def test_the_frame_is_offered_nowhere(correcting):
    correcting.add(field())
    correcting.press(".")
    assert choices_of(correcting.viewer.layers, Shapes) == []
    assert correcting.widget.review.shapes.choices == ()
    assert not correcting.viewer.layers[NAME].editable


def test_the_frame_goes_with_the_labels(correcting):
    correcting.add(field())
    correcting.press(".")
    correcting.add(np.ones((5, 5), np.int32))
    assert NAME not in correcting.viewer.layers
    correcting.press(".")
    assert NAME in correcting.viewer.layers
    correcting.viewer.layers.remove(correcting.widget.layer)
    assert NAME not in correcting.viewer.layers


def test_after_the_last_labels_it_goes_a_little_later(correcting):
    layer = correcting.add(field())
    correcting.press(".")
    layers = correcting.viewer.layers
    layers.remove(layer)
    # At once, napari 0.9 might end in a segmentation fault when labels are added again.
    assert NAME in layers
    correcting.qtbot.waitUntil(lambda: NAME not in layers)


def test_labels_of_two_dimensions_shown_in_three(correcting):
    correcting.add(field())
    correcting.press(".")
    correcting.viewer.dims.ndisplay = 3
    correcting.press(".")
    correcting.viewer.dims.ndisplay = 2
    nucleus = correcting.widget.doubts.current.nucleus
    inside = field()[framed(correcting.viewer)[1]]
    assert np.count_nonzero(inside == nucleus) == np.count_nonzero(field() == nucleus)


def test_all_layers_are_selected_and_removed(correcting):
    correcting.add(field())
    correcting.press(".")
    layers = correcting.viewer.layers
    layers.select_all()
    for layer in list(layers):  # as napari does, in any order
        layers.remove(layer)
    assert not layers


def test_a_frame_that_is_selected_goes_with_the_labels(correcting):
    layer = correcting.add(field())
    correcting.press(".")
    layers = correcting.viewer.layers
    layers.selection.active = layers[NAME]
    layers.remove(layer)
    correcting.qtbot.waitUntil(lambda: not layers)


def test_a_frame_that_was_hidden_or_removed_by_hand(correcting):
    correcting.add(field())
    correcting.press(".")
    correcting.viewer.layers[NAME].visible = False
    correcting.press(".")
    assert not correcting.viewer.layers[NAME].visible  # as the user wants it
    correcting.viewer.layers.remove(NAME)
    correcting.press(".")
    assert correcting.viewer.layers[NAME].visible


def test_labels_that_get_another_dimension(correcting):
    layer = correcting.add(field())
    correcting.press(".")
    layer.data = np.stack([field()] * 2)
    correcting.wait()
    correcting.press(".")
    assert framed(correcting.viewer)[0] == [[0], [1]]


@pytest.mark.parametrize(
    "moved", [{"scale": (0.5, 0.25)}, {"translate": (3, 4)}, {"units": ("um", "um")}]
)
def test_labels_that_get_another_place(correcting, moved):
    layer = correcting.add(field())
    correcting.press(".")
    for name, value in moved.items():
        setattr(layer, name, value)
    correcting.press(".")
    (frame,) = (one for one in correcting.viewer.layers if isinstance(one, Vectors))
    np.testing.assert_allclose(frame.data_to_world((3, 4)), layer.data_to_world((3, 4)))
    assert frame.units == layer.units
    correcting.press(".")
    assert frame in correcting.viewer.layers


def test_closing_the_dock_removes_the_frame(
    without_opengl, make_napari_viewer, qtbot, prompt_corrector
):
    viewer = make_napari_viewer()
    viewer.add_labels(field())
    dock, widget = viewer.window.add_plugin_dock_widget("napari-nucseg", "Correct nuclei")
    qtbot.waitUntil(lambda: not widget.busy, timeout=60_000)
    widget.doubts.next()
    assert NAME in viewer.layers
    viewer.window.remove_dock_widget(dock)
    assert NAME not in viewer.layers
