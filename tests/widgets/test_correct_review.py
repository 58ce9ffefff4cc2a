"""Marking what was reviewed, and bringing corrections back after a crash."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from correcting import field
from napari.layers import Labels

from napari_nucseg.correction import autosave
from napari_nucseg.correction.review import Reviewed
from napari_nucseg.correction.snapshot import Snapshot
from napari_nucseg.widgets._correction import correction_of, reviewed_mask


def rectangle(low, high):
    return np.array([low, [low[0], high[1]], high, [high[0], low[1]]], float)


@pytest.fixture
def review(correcting):
    return correcting.widget.review


def test_whole_image_and_clear(correcting, review):
    layer = correcting.add(np.stack([field()] * 3))
    assert review.text.value == "nothing yet"
    review.whole_button.native.click()
    assert reviewed_mask(layer).all()
    assert review.text.value == "100 % of the image, 3 of 3 nuclei"
    review.clear_button.native.click()
    assert not reviewed_mask(layer).any()


def test_this_plane(correcting, review):
    layer = correcting.add(np.stack([field(), field() + 10 * (field() > 0)]), scale=(5, 1, 1))
    correcting.viewer.dims.set_current_step(0, 1)
    correcting.press("R")
    expected = np.zeros(layer.data.shape, bool)
    expected[1] = True
    np.testing.assert_array_equal(reviewed_mask(layer), expected)
    assert review.text.value == "50 % of the image, 3 of 6 nuclei"


def test_nuclei_of_a_movie_are_counted_in_each_frame(correcting, review):
    correcting.add(np.stack([field()] * 4), axis_labels=("time", "y", "x"))
    correcting.viewer.dims.set_current_step(0, 3)
    correcting.press("R")  # the tracks' centres lie in frames 1 and 2
    assert review.text.value == "25 % of the image, 3 of 12 nuclei"


def test_other_planes_cannot_be_marked(correcting, notices):
    layer = correcting.add(np.stack([field()] * 3))
    correcting.viewer.dims.order = (1, 0, 2)
    correcting.press("R")
    correcting.viewer.dims.ndisplay = 3
    correcting.press("R")
    assert set(notices) == {
        "Only planes of Y and X can be marked as reviewed; put the axes back in order."
    }
    assert not reviewed_mask(layer).any()


def test_the_review_layer_lies_on_the_labels(correcting, review):
    affine = np.array([[1, 0.1, 3], [0, 0.9, 4], [0, 0, 1]])
    layer = correcting.add(
        field(), scale=(0.5, 2), translate=(7, 8), affine=affine, units=("um", "um")
    )
    review.add_button.native.click()
    shapes = review.shapes.value
    assert correcting.viewer.layers.selection.active is shapes
    assert shapes.mode == "add_rectangle"
    assert shapes.units == layer.units
    for point in ((0, 0), (10, 30)):
        np.testing.assert_allclose(shapes.data_to_world(point), layer.data_to_world(point))
    shapes.add_rectangles([rectangle((2.5, 54.5), (20.5, 75.5))])
    review.mark_button.native.click()
    expected = np.zeros((60, 100), bool)
    expected[3:21, 55:76] = True
    np.testing.assert_array_equal(reviewed_mask(layer), expected)
    assert "1 of 3 nuclei" in review.text.value


def test_shapes_of_another_scale_are_found_in_the_world(correcting, review):
    layer = correcting.add(field(), scale=(2, 2), translate=(100, 0))
    shapes = correcting.viewer.add_shapes(
        [rectangle((101.9, 9.9), (108.1, 20.1))], shape_type="rectangle"
    )
    assert review.shapes.value is shapes
    review.mark_button.native.click()
    expected = np.zeros((60, 100), bool)
    expected[1:5, 5:11] = True
    np.testing.assert_array_equal(reviewed_mask(layer), expected)


def test_shapes_of_a_stack_mark_their_own_plane(correcting, review):
    layer = correcting.add(np.stack([field()] * 4), scale=(3, 1, 1))
    box = np.insert(rectangle((2, 2), (9, 9)), 0, 2, axis=1)
    tilted = np.insert(rectangle((2, 2), (9, 9)), 0, [0, 1, 2, 3], axis=1)
    shapes = correcting.viewer.add_shapes([box, tilted], shape_type="polygon", scale=(3, 1, 1))
    assert review.shapes.value is shapes
    review.mark_button.native.click()
    assert reviewed_mask(layer).sum(axis=(1, 2)).tolist() == [0, 0, 64, 0]


def test_flat_shapes_over_a_stack_mark_what_is_shown(correcting, review):
    layer = correcting.add(np.stack([field()] * 4))
    correcting.viewer.dims.set_current_step(0, 3)
    correcting.viewer.add_shapes([rectangle((2, 2), (9, 9))], shape_type="rectangle")
    review.mark_button.native.click()
    assert reviewed_mask(layer).sum(axis=(1, 2)).tolist() == [0, 0, 0, 64]


def test_ellipses_count_and_lines_do_not(correcting, review):
    layer = correcting.add(field())
    shapes = correcting.viewer.add_shapes(ndim=2)
    shapes.add_lines(np.array([[[1, 1], [50, 50]]]))
    shapes.add_ellipses([rectangle((10, 20), (30, 60))])
    review.mark_button.native.click()
    area = reviewed_mask(layer).sum()
    assert abs(area - np.pi * 10 * 20) < 20
    assert reviewed_mask(layer)[20, 40]


def test_an_empty_region_is_refused_and_nothing_lost(correcting, review, notices):
    layer = correcting.add(field())
    review.mark_button.native.click()
    assert notices.pop().startswith("Add a review layer, draw a rectangle")
    review.add_button.native.click()
    review.mark_button.native.click()
    assert notices.pop().startswith("The reviewed region is empty: draw a rectangle")
    correcting.press("R")
    correcting.viewer.layers.selection.active = layer
    correcting.press("R")
    review.shapes.value.add_rectangles([rectangle((500, 500), (600, 600))])
    review.mark_button.native.click()
    assert notices.pop().startswith("The reviewed region is empty")
    assert reviewed_mask(layer).all()


def test_layers_that_nobody_corrects_are_not_reviewed():
    assert reviewed_mask(Labels(field())).sum() == 0


# autosave


def saved_in(folder):
    return autosave.list_saved(folder / "autosave")


def test_a_correction_is_saved_at_once(correcting, state_folder):
    layer = correcting.add(field(), name="mine")
    assert saved_in(state_folder) == []
    correcting.press("D")
    correcting.click((10, 65))
    (saved,) = saved_in(state_folder)
    assert (saved.layer, saved.folder) == ("mine", correction_of(layer).folder)
    np.testing.assert_array_equal(autosave.restore(saved).labels, layer.data)
    correcting.undo()
    assert saved_in(state_folder) == []  # there is nothing to bring back


def test_marks_are_saved(correcting, state_folder):
    correcting.add(field())
    correcting.press("R")
    correcting.wait()
    (saved,) = saved_in(state_folder)
    assert saved.reviewed == 1


def test_own_corrections_are_not_offered(correcting):
    first = correcting.add(field())
    correcting.press("D")
    correcting.click((10, 65))
    correcting.add(np.ones((5, 5), np.int32))
    correcting.viewer.layers.selection.active = first
    correcting.wait()
    assert correcting.widget.offer.value == ""


CRASH = """
import os, sys
os.environ["NAPARI_ASYNC"] = "0"  # without a window nobody slices
from qtpy.QtWidgets import QApplication
application = QApplication([])
from napari.components import ViewerModel
from napari_nucseg.widgets.correct_widget import CorrectWidget
sys.path.insert(0, sys.argv[1])
from correcting import field

viewer = ViewerModel()
widget = CorrectWidget(viewer)
layer = viewer.add_labels(field(), name="cells nuclei")
while not widget.ready:
    application.processEvents()
layer.selected_label = 2
widget.delete_selected()
widget.review.mark_plane()
while widget.busy:
    application.processEvents()
print("saved", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def crashed(state_folder):
    """A napari that was killed after nucleus 2 was deleted and the plane was reviewed."""
    command = [sys.executable, "-c", CRASH, str(Path(__file__).parent)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        assert "saved\n" in iter(process.stdout.readline, "")
        process.kill()  # SIGKILL where there are signals
    assert process.returncode != 0
    return state_folder


def test_corrections_survive_a_crash(correcting, crashed):
    layer = correcting.add(field(), name="cells nuclei")
    widget = correcting.widget
    np.testing.assert_array_equal(layer.data, field())  # nothing is forced
    (saved,) = saved_in(crashed)
    when = f"{saved.time.astimezone():%d %b %Y, %H:%M}"
    assert widget.offer.value == f"Corrections of {when} were kept (1 deleted, 100 % reviewed)."
    widget.restore_button.native.click()
    correcting.wait()
    np.testing.assert_array_equal(layer.data, np.where(field() == 2, 0, field()))
    assert reviewed_mask(layer).all()
    assert correcting.counts == "1 deleted"
    assert widget.offer.value == ""
    assert correcting.status == f"Restored the corrections of {when}."
    correcting.undo()
    np.testing.assert_array_equal(layer.data, field())
    assert correcting.status == f"Undone: Restored the corrections of {when}."


def test_undoing_a_restore_keeps_the_backup(correcting, crashed):
    (backup,) = saved_in(crashed)
    correcting.add(field(), name="cells nuclei")
    correcting.widget.restore_button.native.click()
    correcting.wait()
    correcting.widget.review.unmark()
    correcting.undo()
    assert saved_in(crashed) == [backup]
    layer = correcting.add(field(), name="again")
    assert correcting.widget.offer.value.startswith("Corrections of ")
    correcting.widget.restore_button.native.click()
    correcting.wait()
    np.testing.assert_array_equal(layer.data, np.where(field() == 2, 0, field()))


@pytest.fixture
def restored(correcting, crashed):
    """A layer, and a region of it that was reviewed before corrections were restored."""
    layer = correcting.add(field(), name="cells nuclei")
    corrector = correcting.widget._corrector
    box = ((), rectangle((30, 70), (49, 89)))
    corrector.set_reviewed(corrector.state.reviewed.with_polygons([box]))
    correcting.wait()
    before = reviewed_mask(layer)
    assert 0 < before.sum() < before.size
    correcting.widget.restore_button.native.click()
    correcting.wait()
    return layer, before


def test_undoing_a_restore_undoes_the_marks(correcting, restored):
    layer, before = restored
    widget = correcting.widget
    assert correcting.status.endswith(
        "What you had marked as reviewed before comes back when you undo this."
    )
    for _ in range(2):
        assert reviewed_mask(layer).all()
        assert widget.review.text.value.startswith("100 % of the image")
        assert widget.offer.value == ""
        correcting.undo()
        np.testing.assert_array_equal(reviewed_mask(layer), before)
        assert widget.review.text.value.endswith("1 of 3 nuclei")
        assert correcting.counts == "nothing yet"
        assert widget.offer.value.startswith("Corrections of ")
        correcting.redo()


def test_what_is_saved_follows_the_undo_of_a_restore(correcting, restored, state_folder):
    layer, before = restored
    (own,) = (s for s in saved_in(state_folder) if s.folder == correction_of(layer).folder)
    assert own.restored
    for turn, marked in ((correcting.undo, before), (correcting.redo, np.ones_like(before))):
        turn()
        own, _backup = saved_in(state_folder)  # the newest first
        kept = autosave.restore(own)
        np.testing.assert_array_equal(kept.labels, layer.data)
        np.testing.assert_array_equal(kept.reviewed.mask(), marked)
        assert bool(own.restored) == marked.all()  # else the backup would be offered no more


def test_marks_made_after_a_restore_come_back_with_it(correcting, restored):
    layer, before = restored
    correcting.widget.review.unmark()
    correcting.widget.review.mark_plane()
    correcting.undo()
    np.testing.assert_array_equal(reviewed_mask(layer), before)
    assert correcting.status.endswith("since then comes back when you redo this.")
    correcting.redo()
    assert reviewed_mask(layer).all()


def test_a_restore_may_be_undone_while_nobody_watches(correcting, restored):
    layer, before = restored
    correcting.add(np.ones((5, 5), np.int32))  # which is corrected now
    layer.undo()
    np.testing.assert_array_equal(reviewed_mask(layer), before)
    layer.redo()
    correcting.viewer.layers.selection.active = layer
    correcting.wait()
    assert correcting.widget.review.text.value.startswith("100 % of the image")
    correcting.undo()
    np.testing.assert_array_equal(reviewed_mask(layer), before)


def test_restoring_marks_of_the_same_labels_adds_them(correcting, state_folder):
    nothing, low, high = Reviewed((60, 100)), rectangle((2, 2), (9, 9)), rectangle((5, 5), (20, 9))
    kept = nothing.with_polygons([((), low)])
    folder = state_folder / "autosave" / "kept"
    autosave.save(folder, "cells nuclei", Snapshot.of(field()), field(), kept)
    layer = correcting.add(field(), name="cells nuclei")
    correcting.widget._corrector.set_reviewed(nothing.with_polygons([((), high)]))
    correcting.widget.restore_button.native.click()
    correcting.wait()
    both = nothing.with_polygons([((), low), ((), high)]).mask()
    np.testing.assert_array_equal(reviewed_mask(layer), both)
    correcting.undo()  # there is nothing to undo
    np.testing.assert_array_equal(reviewed_mask(layer), both)
    assert "undo" not in correcting.status


def test_two_layers_that_restore_the_same_share_no_folder(correcting, crashed):
    layers = []
    for name in ("one", "two"):
        layers.append(correcting.add(field(), name=name))
        correcting.widget.restore_button.native.click()
        correcting.wait()
    correcting.press("D")
    correcting.click((32, 72))  # in the second one only
    correcting.wait()
    kept = {saved.layer: autosave.restore(saved).labels for saved in saved_in(crashed)}
    np.testing.assert_array_equal(kept["one"], layers[0].data)
    np.testing.assert_array_equal(kept["two"], layers[1].data)
    assert 3 in kept["one"]
    assert 3 not in kept["two"]


def test_corrections_go_on_where_they_were(correcting, crashed):
    layer = correcting.add(field(), name="cells nuclei")
    correcting.widget.restore_button.native.click()
    correcting.wait()
    correcting.press("D")
    correcting.click((32, 72))
    newest, _backup = saved_in(crashed)
    np.testing.assert_array_equal(autosave.restore(newest).labels, layer.data)
    assert np.unique(layer.data).tolist() == [0, 1]


def test_corrections_can_be_discarded(correcting, crashed):
    correcting.add(field(), name="cells nuclei")
    correcting.widget.discard_button.native.click()
    assert saved_in(crashed) == []
    assert correcting.widget.offer.value == ""


def test_corrections_of_an_open_layer_are_not_discarded(correcting, state_folder):
    first = correcting.add(field(), name="cells nuclei")
    correcting.press("D")
    correcting.click((10, 65))
    correcting.add(field(), name="cells nuclei [1]")  # as of a second run
    widget = correcting.widget
    assert widget.offer.value.endswith("They are those of the layer 'cells nuclei', which is open.")
    widget.discard_button.native.click()
    (saved,) = saved_in(state_folder)
    np.testing.assert_array_equal(autosave.restore(saved).labels, first.data)
    assert widget.offer.value == ""
    assert correcting.status.startswith("They stay on the disk, as the layer 'cells nuclei'")


def test_what_is_not_restored_is_kept(correcting, crashed):
    correcting.add(field(), name="cells nuclei")
    correcting.press("D")
    correcting.click((32, 72))
    assert len(saved_in(crashed)) == 2


def test_corrections_of_other_labels_say_so(correcting, crashed):
    other = np.where(field() == 3, 0, field())
    layer = correcting.add(other, name="cells nuclei")
    widget = correcting.widget
    assert widget.offer.value.endswith("They belong to other labels of this name and shape.")
    widget.restore_button.native.click()
    correcting.wait()
    np.testing.assert_array_equal(layer.data, np.where(field() == 2, 0, field()))
    assert correcting.counts == "1 deleted"
    correcting.undo()
    np.testing.assert_array_equal(layer.data, other)


def test_restoring_other_labels_after_a_correction_is_saved(correcting, crashed):
    layer = correcting.add(np.where(field() == 3, 0, field()), name="cells nuclei")
    correcting.press("D")
    correcting.click((30, 20))  # saved, with what this layer was before
    correcting.widget.restore_button.native.click()
    correcting.wait()
    newest, _backup = saved_in(crashed)
    np.testing.assert_array_equal(autosave.restore(newest).labels, layer.data)
    assert 3 in layer.data


def test_other_layers_are_offered_nothing(correcting, crashed):
    correcting.add(field() + (field() > 0), name="something else")
    assert correcting.widget.offer.value == ""


def test_broken_corrections_are_explained(correcting, crashed, notices):
    (saved,) = saved_in(crashed)
    (saved.folder / "predicted.npz").write_bytes(b"nothing")
    layer = correcting.add(field(), name="cells nuclei")
    correcting.widget.restore_button.native.click()
    correcting.wait()
    assert notices[0].startswith(f"The corrections in {saved.folder} cannot be read")
    np.testing.assert_array_equal(layer.data, field())
    assert correcting.widget.ready


def test_a_folder_that_cannot_be_written_is_said(correcting, state_folder, notices):
    (state_folder / "autosave").touch()
    correcting.add(field())
    correcting.press("D")
    correcting.click((10, 65))
    correcting.wait()
    assert any(text.startswith("Cannot write") for text in notices)
    assert correcting.counts == "1 deleted"
