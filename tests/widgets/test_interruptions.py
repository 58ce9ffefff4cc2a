"""Cancelling, and whatever a user does while it runs."""

import numpy as np
import pytest
from napari.layers import Image
from qtpy.QtCore import QThreadPool

from napari_nucseg.inference.engine import LiteRTEngine


@pytest.fixture
def bench(docked_bench):
    return docked_bench


@pytest.fixture
def started(bench, stack, slow_network):
    """A run that waits in its first plane; the event lets it go on."""
    begun, go_on = slow_network
    bench.viewer.add_image(stack, name="cells")
    bench.widget.run()
    bench.qtbot.waitUntil(begun.is_set)
    return go_on


def settle(bench, go_on):
    go_on.set()
    bench.qtbot.waitUntil(lambda: QThreadPool.globalInstance().activeThreadCount() == 0)


def is_ready(bench):
    widget = bench.widget
    return widget.run_button.enabled and not widget.cancel_button.enabled and not widget.running


def test_cancel_leaves_nothing_behind(bench, started, notices):
    assert not bench.widget.run_button.enabled
    bench.widget.cancel_button.native.click()
    started.set()
    bench.wait()
    assert [layer.name for layer in bench.viewer.layers] == ["cells"]
    assert bench.status == "Cancelled; nothing was changed."
    assert is_ready(bench)
    assert notices == []


def test_cancel_takes_effect_within_one_tile(bench, stack, monkeypatch):
    tiles = []
    predict = LiteRTEngine.predict

    def count(self, tile):
        tiles.append(tile.shape)
        bench.widget.cancel()
        return predict(self, tile)

    monkeypatch.setattr(LiteRTEngine, "predict", count)
    bench.viewer.add_image(stack)
    bench.run()
    assert len(tiles) == 1
    assert len(bench.viewer.layers) == 1


def test_data_of_another_shape_gets_no_labels(bench, started, notices):
    bench.viewer.layers["cells"].data = np.zeros((64, 64), np.uint8)
    settle(bench, started)
    bench.wait()
    assert [layer.name for layer in bench.viewer.layers] == ["cells"]
    assert "image of another shape" in bench.status
    assert bench.status in notices
    assert is_ready(bench)


def test_a_cancelled_rerun_keeps_the_labels(bench, stack, slow_network):
    begun, go_on = slow_network
    go_on.set()
    bench.viewer.add_image(stack)
    labels = bench.run()
    before = labels.data.copy()
    go_on.clear()
    begun.clear()
    bench.set(diameter="12")
    bench.widget.run()
    bench.qtbot.waitUntil(begun.is_set)
    bench.widget.cancel()
    go_on.set()
    bench.wait()
    assert (labels.data == before).all()


def test_sliders_act_on_the_labels_that_a_cancelled_rerun_left(bench, stack, slow_network):
    begun, go_on = slow_network
    go_on.set()
    bench.viewer.add_image(stack)
    labels = bench.run()
    go_on.clear()
    begun.clear()
    bench.widget.run()
    bench.qtbot.waitUntil(begun.is_set)
    bench.widget.cancel()
    go_on.set()
    bench.wait()
    before = labels.data.max()
    bench.set(min_size=250)
    bench.wait()
    assert 0 < labels.data.max() < before


def test_a_run_after_cancel_works(bench, started):
    bench.widget.cancel()
    started.set()
    bench.wait()
    assert bench.run().name == "cells nuclei"


def test_a_second_press_during_a_run_is_ignored(bench, started):
    bench.widget.run()
    started.set()
    bench.wait()
    assert [layer.name for layer in bench.viewer.layers] == ["cells", "cells nuclei"]


def test_source_removed(bench, started, notices):
    bench.viewer.layers.remove("cells")
    settle(bench, started)
    bench.wait()
    assert len(bench.viewer.layers) == 0
    text = "'cells' was removed while it was being segmented, so the result was dropped."
    assert notices == [text]
    assert bench.status == text
    assert is_ready(bench)


def test_all_layers_removed(bench, started, notices):
    bench.viewer.layers.clear()
    settle(bench, started)
    bench.wait()
    assert len(bench.viewer.layers) == 0
    assert is_ready(bench)


def test_other_layer_removed(bench, started, stack):
    other = bench.viewer.add_image(stack, name="other")
    bench.viewer.layers.remove(other)
    settle(bench, started)
    bench.wait()
    assert "cells nuclei" in bench.viewer.layers


def test_dock_closed(bench, started, notices):
    bench.viewer.window.remove_dock_widget(bench.dock)
    settle(bench, started)
    bench.wait()
    assert [layer.name for layer in bench.viewer.layers] == ["cells"]
    assert notices == []


def test_dock_hidden_goes_on(bench, started):
    bench.dock.hide()
    settle(bench, started)
    bench.wait()
    assert "cells nuclei" in bench.viewer.layers


def test_viewer_closed(bench, started, notices):
    bench.viewer.close()
    settle(bench, started)
    bench.qtbot.waitUntil(lambda: not bench.widget.running)
    assert not any(layer.name == "cells nuclei" for layer in bench.viewer.layers)
    assert notices == []


def test_viewer_closed_while_sliders_update(bench, stack, monkeypatch):
    bench.viewer.add_image(stack)
    bench.run()
    bench.set(min_size=100)
    bench.viewer.close()
    bench.qtbot.waitUntil(lambda: QThreadPool.globalInstance().activeThreadCount() == 0)


def test_unforeseen_errors_are_shown_by_napari_and_run_is_enabled_again(
    bench, field, monkeypatch, notices
):
    def predict(self, tile):
        raise ZeroDivisionError("out of luck")

    monkeypatch.setattr(LiteRTEngine, "predict", predict)
    bench.viewer.add_image(field)
    with bench.qtbot.captureExceptions() as raised:
        bench.run()
    assert bench.status == "Segmenting failed: ZeroDivisionError: out of luck"
    assert raised or any("out of luck" in text for text in notices)
    assert is_ready(bench)
    assert all(isinstance(layer, Image) for layer in bench.viewer.layers)


def test_progress_counts_planes(bench, stack):
    seen = []
    bench.widget.progress.native.valueChanged.connect(seen.append)
    bench.viewer.add_image(stack)
    bench.run()
    assert {1, 2, 3} <= set(seen)
    assert not bench.widget.progress.visible


def test_finished_is_emitted_however_a_run_ends(bench, field):
    ends = []
    bench.widget.finished.connect(lambda: ends.append(bench.widget.running))
    bench.viewer.add_image(field)
    bench.run()
    bench.widget.run()
    bench.widget.cancel()
    bench.wait()
    assert ends == [False, False]
