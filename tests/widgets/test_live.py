"""The sliders give what a fresh run would give, without the network."""

import gc
import threading
import weakref

import numpy as np
import pytest
from qtpy.QtCore import QObject

from napari_nucseg import relabel, segment
from napari_nucseg.inference.engine import LiteRTEngine
from napari_nucseg.params import SegmentParams
from napari_nucseg.widgets import _busy_sign, _live, segment_widget
from napari_nucseg.widgets._image_form import SHAPES, ImageForm
from napari_nucseg.widgets._segment_form import LARGE_TITLE, UPDATING_TITLE

CHANGES = [
    {"foreground_threshold": 0.8},
    {"certainty": 0.97},
    {"splitting": 0.9},
    {"min_size": 250},
    {"drop_border": True},
    {"foreground_threshold": 0.3, "splitting": 0.1, "min_size": 40, "drop_border": True},
]


@pytest.fixture
def bench(windowless_bench):
    return windowless_bench


@pytest.fixture
def slow_updates(monkeypatch):
    """Let updates wait; returns (has begun, may go on)."""
    begun, go_on = threading.Event(), threading.Event()

    def wait_and_relabel(*args, **options):
        begun.set()
        go_on.wait(60)
        return relabel(*args, **options)

    monkeypatch.setattr(_live, "relabel", wait_and_relabel)
    yield begun, go_on
    go_on.set()


def forbid_network(monkeypatch):
    def predict(self, tile):
        raise AssertionError("the network ran")

    monkeypatch.setattr(LiteRTEngine, "predict", predict)


@pytest.mark.parametrize("axes", ["YX", "ZYX"])
def test_sliders_equal_a_fresh_run(bench, field, stack, axes, monkeypatch):
    data = {"YX": field, "ZYX": stack[:2]}[axes]
    expected = [segment(data, axes, **change) for change in CHANGES]
    bench.viewer.add_image(data, name="cells")
    labels = bench.run()
    forbid_network(monkeypatch)
    for change, fresh in zip(CHANGES, expected, strict=True):
        names = {name for change in CHANGES for name in change}
        defaults = {name: getattr(SegmentParams(), name) for name in names}
        bench.set(**{**defaults, **change})
        bench.wait()
        np.testing.assert_array_equal(labels.data, fresh.labels)
        record = labels.metadata["napari_nucseg"]
        assert record["parameters"] == fresh.record["parameters"]
        assert record["count"] == fresh.count
        assert bench.status.startswith(f"{fresh.count} nuclei in ")
    assert len({fresh.count for fresh in expected}) > 2
    assert len(bench.viewer.layers) == 2


def test_a_certainty_that_leaves_nothing_is_told(bench, field):
    every = segment(field, "YX", certainty=0).count
    bench.viewer.add_image(field)
    bench.run()
    text = f"{every} nuclei were found and left out: all are less certain than Certainty 0.99"
    bench.set(certainty=0.99)
    bench.wait()
    assert text in bench.status
    bench.set(certainty=0.7)
    bench.wait()
    assert text not in bench.status
    bench.set(certainty=0.99)
    bench.run()
    assert text in bench.status


def test_a_minimum_size_that_leaves_nothing_is_told(bench, field):
    every = segment(field, "YX", certainty=0).count
    bench.viewer.add_image(field)
    bench.run()
    bench.set(min_size=9000)
    bench.wait()
    assert f"{every} nuclei were found and left out" in bench.status
    assert "all are smaller than Minimum size 9,000" in bench.status
    bench.set(min_size=0)
    bench.wait()
    assert "were found" not in bench.status


def test_sliders_after_shapes_keep_to_the_region(bench, field, monkeypatch):
    bench.viewer.add_image(field)
    box = np.array([[20, 20], [20, 120], [110, 120], [110, 20]])
    bench.viewer.add_shapes([box], shape_type="rectangle")
    bench.form.what.value = SHAPES
    labels = bench.run()
    region = bench.form.request(bench.widget.params()).region
    bench.set(splitting=0.9)
    bench.wait()
    fresh = segment(field, "YX", region=region, splitting=0.9)
    np.testing.assert_array_equal(labels.data, fresh.labels)


def test_a_slider_moved_during_the_run_counts(bench, field, slow_network):
    begun, go_on = slow_network
    bench.viewer.add_image(field)
    bench.widget.run()
    bench.qtbot.waitUntil(begun.is_set)
    bench.set(min_size=250)
    go_on.set()
    bench.wait()
    labels = bench.viewer.layers.selection.active
    np.testing.assert_array_equal(labels.data, segment(field, "YX", min_size=250).labels)


def test_edited_labels_are_left_alone(bench, field):
    bench.viewer.add_image(field, name="cells")
    labels = bench.run()
    labels.paint((50, 50), 99)
    edited = labels.data.copy()
    bench.set(min_size=250)
    bench.wait()
    np.testing.assert_array_equal(labels.data, edited)
    assert bench.status == (
        "'cells nuclei' was edited by hand, so the sliders no longer change it; Run adds a new "
        "layer."
    )
    new = bench.run()
    assert new.name == "cells nuclei [1]"
    bench.set(min_size=0)
    bench.wait()
    np.testing.assert_array_equal(new.data, segment(field, "YX").labels)
    np.testing.assert_array_equal(labels.data, edited)


def test_locked_labels_are_left_alone(bench, field):
    bench.viewer.add_image(field, name="cells")
    labels = bench.run()
    before = labels.data.copy()
    labels.locked = True
    bench.set(min_size=250)
    bench.wait()
    np.testing.assert_array_equal(labels.data, before)
    assert bench.status.startswith("'cells nuclei' is locked, so the sliders no longer change it")


def test_labels_edited_during_an_update_are_left_alone(bench, field, slow_updates):
    begun, go_on = slow_updates
    bench.viewer.add_image(field)
    labels = bench.run()
    bench.set(min_size=250)
    bench.qtbot.waitUntil(begun.is_set)
    labels.paint((50, 50), 99)
    edited = labels.data.copy()
    go_on.set()
    bench.wait()
    np.testing.assert_array_equal(labels.data, edited)
    assert "was edited by hand" in bench.status


def test_removed_labels_do_not_come_back(bench, field):
    bench.viewer.add_image(field)
    bench.viewer.layers.remove(bench.run())
    bench.set(min_size=250)
    bench.wait()
    assert len(bench.viewer.layers) == 1


def test_large_maps_are_not_kept(bench, field, monkeypatch):
    monkeypatch.setattr(segment_widget, "MAX_MAPS", 1000)
    bench.viewer.add_image(field)
    labels = bench.run()
    assert "were not kept: press Run after changing settings" in bench.status
    assert bench.widget._live.shown is None
    bench.set(min_size=250)
    bench.wait()
    np.testing.assert_array_equal(labels.data, segment(field, "YX").labels)
    bench.run()
    np.testing.assert_array_equal(labels.data, segment(field, "YX", min_size=250).labels)


def test_a_removed_image_gives_its_memory_back(bench, field):
    image = weakref.ref(bench.viewer.add_image(field))
    bench.run()
    bench.viewer.layers.clear()
    gc.collect()
    assert image() is None


@pytest.mark.parametrize("place", ["docked_bench", "windowless_bench"])
def test_removed_labels_give_the_maps_back(request, place, field):
    bench = request.getfixturevalue(place)
    bench.viewer.add_image(field, name="cells")
    labels = bench.run()
    result = weakref.ref(bench.widget._live.shown.result)
    bench.viewer.layers.remove(labels)
    assert bench.status.startswith("'cells nuclei' was removed, so the sliders have nothing")
    gc.collect()
    assert result() is None


@pytest.fixture
def updating_bench(docked_bench, field, slow_updates):
    """A widget that says that an update is under way."""
    bench = docked_bench
    bench.viewer.add_image(field, name="cells")
    bench.run()
    assert not says_updating(bench)
    bench.set(min_size=250)
    bench.qtbot.waitUntil(lambda: says_updating(bench))
    return bench


def says_updating(bench):
    return bench.widget._live_title.value == UPDATING_TITLE


def test_an_update_that_takes_long_is_seen_to_be_under_way(updating_bench, slow_updates):
    bench, before = updating_bench, updating_bench.status
    begun, go_on = slow_updates
    assert begun.is_set()
    go_on.set()
    bench.qtbot.waitUntil(lambda: not says_updating(bench))
    bench.wait()
    assert bench.status != before


def test_a_slider_that_was_moved_back_leaves_no_sign(updating_bench, slow_updates):
    bench, live = updating_bench, updating_bench.widget._live
    update = live._task
    bench.set(min_size=0)
    bench.qtbot.waitUntil(lambda: update.cancelled)
    slow_updates[1].set()
    bench.qtbot.waitUntil(lambda: not says_updating(bench))
    bench.wait()
    assert live.shown.result.record["parameters"]["min_size"] == 0


def test_the_sign_goes_with_the_labels(updating_bench):
    updating_bench.viewer.layers.remove("cells nuclei")
    assert not says_updating(updating_bench)


def test_the_sign_goes_when_run_is_pressed(updating_bench, slow_updates):
    updating_bench.widget.run()
    assert not says_updating(updating_bench)
    slow_updates[1].set()
    updating_bench.wait()


def test_the_sign_keeps_the_title_of_an_image_that_is_cut_into_blocks(updating_bench, monkeypatch):
    bench = updating_bench
    monkeypatch.setattr(ImageForm, "reason_for_blocks", "it is large")
    bench.widget.offer()
    bench.viewer.layers.remove("cells nuclei")
    assert bench.widget._live_title.value == LARGE_TITLE


def test_a_quick_update_shows_no_sign(bench, field, monkeypatch):
    bench.viewer.add_image(field)
    bench.run()
    live = bench.widget._live
    live._sign._timer.setInterval(60_000)  # whatever this machine takes is quick
    signs, due = [], []
    monkeypatch.setattr(live._sign, "_show", signs.append)
    monkeypatch.setattr(live, "_show", lambda _: due.append(live._sign.due))
    bench.set(min_size=250)
    bench.wait()
    assert due == [False]
    assert signs == []


def test_a_sign_stays_between_two_slow_updates(qtbot):
    signs = []
    parent = QObject()
    sign = _busy_sign.BusySign(parent, signs.append)
    sign.set(True)
    qtbot.waitUntil(lambda: signs == [True])
    sign.set(False)
    sign.set(True)
    assert not sign.due
    sign.remove()
    assert signs == [True, False]
