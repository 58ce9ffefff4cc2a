"""A re-run replaces what the widget made, and never what somebody edited."""

import numpy as np
import pytest

from napari_nucseg import segment
from napari_nucseg.widgets._image_form import PLANE

UNTOUCHED = ["cells", "cells nuclei"]
KEPT = ["cells", "cells nuclei", "cells nuclei [1]"]


@pytest.fixture
def bench(windowless_bench):
    return windowless_bench


def names(bench):
    return [layer.name for layer in bench.viewer.layers]


@pytest.fixture
def labels(bench, field):
    bench.viewer.add_image(field, name="cells")
    return bench.run()


def test_untouched_labels_are_replaced(bench, field, labels):
    labels.opacity = 0.3
    bench.set(diameter="12")
    assert bench.run() is labels
    assert names(bench) == UNTOUCHED
    np.testing.assert_array_equal(labels.data, segment(field, "YX", diameter="12").labels)
    assert labels.metadata["napari_nucseg"]["parameters"]["diameter"] == "12"
    assert labels.opacity == 0.3


EDITS = {
    "painted": lambda layer: layer.paint((50, 50), 99),
    "filled": lambda layer: layer.fill((0, 0), 99),
    "set": lambda layer: layer.data_setitem((np.array([1]), np.array([1])), 99),
    "written into": lambda layer: layer.data.__setitem__((1, 1), 99),
    "exchanged": lambda layer: setattr(layer, "data", layer.data + 1),
}


@pytest.mark.parametrize("edit", EDITS)
def test_edited_labels_are_kept(bench, field, labels, edit):
    EDITS[edit](labels)
    edited = labels.data.copy()
    new = bench.run()
    assert names(bench) == KEPT
    np.testing.assert_array_equal(labels.data, edited)
    np.testing.assert_array_equal(new.data, segment(field, "YX").labels)
    bench.run()
    assert names(bench) == KEPT


def test_an_undone_edit_is_none(bench, labels):
    labels.paint((50, 50), 99)
    labels.undo()
    assert bench.run() is labels


def test_undo_after_a_rerun_writes_no_old_pixels(bench, field, labels):
    labels.paint((50, 50), 99)
    labels.undo()
    labels.mode = "paint"
    bench.set(diameter="12")
    bench.run()
    fresh = segment(field, "YX", diameter="12").labels
    labels.redo()
    np.testing.assert_array_equal(labels.data, fresh)
    labels.undo()
    np.testing.assert_array_equal(labels.data, fresh)
    assert labels.mode == "paint"
    assert labels.editable


def test_removed_labels_are_made_again(bench, labels):
    bench.viewer.layers.remove(labels)
    assert bench.run() is not labels
    assert names(bench) == UNTOUCHED


def test_locked_labels_are_kept(bench, labels):
    labels.locked = True
    bench.run()
    assert names(bench) == KEPT


def test_labels_of_another_image_are_kept(bench, field, labels):
    other = bench.viewer.add_image(field[::-1], name="other")
    bench.run()
    assert names(bench) == [*UNTOUCHED, "other", "other nuclei"]
    bench.viewer.layers.remove(other)
    bench.viewer.layers.selection.active = bench.viewer.layers["cells"]
    assert bench.run() is labels or bench.viewer.layers["cells nuclei"] is labels
    assert names(bench) == [*UNTOUCHED, "other nuclei"]


def test_labels_of_an_image_with_the_same_name_are_kept(bench, field, labels):
    bench.viewer.layers.remove("cells")
    bench.viewer.add_image(field, name="cells")
    bench.run()
    assert names(bench) == ["cells nuclei", "cells", "cells nuclei [1]"]


def test_result_of_other_dimensions_takes_the_same_place(bench, stack):
    bench.viewer.add_image(stack, name="cells")
    bench.form.axes.value = "ZYX"
    first = bench.run()
    first.opacity = 0.3
    bench.viewer.add_points(np.zeros((1, 3)), name="points")
    bench.form.axes.value = "CYX"
    bench.run()
    assert names(bench) == [*UNTOUCHED, "points"]
    layer = bench.viewer.layers["cells nuclei"]
    assert (layer.ndim, layer.opacity) == (2, 0.3)


def test_a_plane_never_replaces_the_whole_stack(bench, stack):
    bench.viewer.add_image(stack, name="cells")
    whole = bench.run()
    count = len(np.unique(whole.data))
    bench.form.what.value = PLANE
    bench.run()
    assert names(bench) == KEPT
    assert len(np.unique(whole.data)) == count
    assert bench.viewer.layers["cells nuclei [1]"].data.shape == (1, *stack.shape[1:])


def test_another_plane_moves_the_labels(bench, stack):
    bench.viewer.add_image(stack, name="cells")
    bench.form.what.value = PLANE
    for plane in (0, 2):
        bench.viewer.dims.set_current_step(0, plane)
        bench.run()
        layer = bench.viewer.layers["cells nuclei"]
        assert list(layer.translate) == [plane, 0, 0]
        np.testing.assert_array_equal(layer.data[0], segment(stack[plane], "YX").labels)
    assert names(bench) == UNTOUCHED
