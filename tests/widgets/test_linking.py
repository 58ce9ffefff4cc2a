"""Linking in the widget: shown where it means something, live, and as tracks."""

import threading

import numpy as np
import pytest
from napari.layers import Tracks

from napari_nucseg import segment
from napari_nucseg.inference.engine import LiteRTEngine
from napari_nucseg.params import LINK_PARAMETERS, SegmentParams
from napari_nucseg.sample_data import time_lapse, z_stack
from napari_nucseg.widgets import _tracks
from napari_nucseg.widgets._image_form import PLANE, SHAPES, WHOLE

TIMEOUT = 60_000
SIZE = (1.0, 0.35, 0.35)
MICROMETRES = ("um", "um", "um")


@pytest.fixture(scope="session")
def volume():
    return z_stack((6, 128, 128), voxel_size=SIZE, seed=2)


@pytest.fixture(scope="session")
def movie():
    return time_lapse((8, 128, 128), n_divisions=2, seed=4)


@pytest.fixture
def bench(windowless_bench):
    return windowless_bench


def open_stack(bench, volume):
    return bench.viewer.add_image(
        volume.image, name="stack", scale=SIZE, units=MICROMETRES, axis_labels=("z", "y", "x")
    )


def open_movie(bench, movie):
    return bench.viewer.add_image(movie.image, name="movie", axis_labels=("t", "y", "x"))


def show_tracks(bench):
    """Press the button, wait until it is done, return the uppermost layer."""
    button = bench.widget.tracks_button
    button.native.click()
    bench.qtbot.waitUntil(lambda: not button.busy, timeout=TIMEOUT)
    return bench.viewer.layers[-1]


def shown(bench):
    fields = bench.widget.fields
    return {name for name in LINK_PARAMETERS if not fields[name].native.isHidden()}


def test_only_what_the_image_has_is_shown(docked_bench, field, volume):
    bench = docked_bench
    bench.dock.show()
    bench.viewer.add_image(field)
    assert shown(bench) == set()
    open_stack(bench, volume)
    assert shown(bench) == {"link_depth"}
    bench.set(link_depth=True)
    assert shown(bench) == set(LINK_PARAMETERS) - {"link_time"}
    bench.form.axes.value = "TYX"
    assert shown(bench) == {"link_time"}
    bench.set(link_time=True)
    assert shown(bench) == {"link_time", "link_overlap", "link_gap"}
    bench.form.what.value = PLANE
    assert shown(bench) == set()
    bench.form.what.value = SHAPES
    assert shown(bench) == {"link_time", "link_overlap", "link_gap"}
    assert bench.widget.tracks_button.native.isHidden()


def test_what_is_hidden_is_not_used(bench, field, volume):
    open_stack(bench, volume)
    bench.set(link_depth=True, link_gap=3, min_planes=2)
    assert bench.widget.params() == SegmentParams(link_depth=True, link_gap=3, min_planes=2)
    bench.form.what.value = PLANE
    assert bench.widget.params() == SegmentParams()
    bench.form.what.value = WHOLE
    bench.viewer.add_image(field)
    assert bench.widget.params() == SegmentParams()


def test_labels_are_those_of_segment(bench, volume):
    open_stack(bench, volume)
    bench.set(link_depth=True)
    labels = bench.run()
    pixel_size = dict(zip("ZYX", SIZE, strict=True))
    expected = segment(volume.image, "ZYX", pixel_size=pixel_size, link_depth=True)
    np.testing.assert_array_equal(labels.data, expected.labels)
    assert bench.status.startswith(f"{expected.count} nuclei in ")
    assert bench.status.endswith(expected.messages[0])
    assert labels.metadata["napari_nucseg"]["parents"] == {}
    assert list(labels.features) == ["index", "first_plane", "last_plane", "planes", "parent"]
    for name, column in expected.features.items():
        np.testing.assert_array_equal(labels.features[name], column)


def test_linking_is_live(bench, volume, monkeypatch):
    open_stack(bench, volume)
    labels = bench.run()
    assert len(labels.features.columns) == 0

    def predict(self, tile):
        raise AssertionError("the network ran")

    monkeypatch.setattr(LiteRTEngine, "predict", predict)
    slices = int(labels.data.max())
    bench.set(link_depth=True)
    bench.wait()
    nuclei = int(labels.data.max())
    assert 0 < nuclei < slices
    assert len(labels.features) == labels.metadata["napari_nucseg"]["count"] == nuclei
    bench.set(min_planes=6)
    bench.wait()
    assert len(labels.features) == labels.data.max() < nuclei
    bench.set(link_depth=False)
    bench.wait()
    assert labels.data.max() == slices
    assert len(labels.features.columns) == 0


def test_another_image_does_not_unlink_the_one_that_is_shown(bench, field, volume):
    open_stack(bench, volume)
    bench.set(link_depth=True)
    labels = bench.run()
    bench.viewer.add_image(field)  # is chosen now, and has no depth
    bench.set(splitting=0.9)
    bench.wait()
    pixel_size = dict(zip("ZYX", SIZE, strict=True))
    expected = segment(volume.image, "ZYX", pixel_size=pixel_size, link_depth=True, splitting=0.9)
    np.testing.assert_array_equal(labels.data, expected.labels)


def test_copied_command_knows_the_step_between_planes(bench, volume):
    open_stack(bench, volume)
    bench.widget.copy_command()
    assert "--anisotropy" not in bench.status
    bench.set(link_depth=True)
    bench.widget.copy_command()
    assert f"--link-depth --anisotropy {1.0 / 0.35}" in bench.status
    bench.set(anisotropy=2.0)
    bench.widget.copy_command()
    assert "--anisotropy 2.0" in bench.status


def test_tracks(bench, movie):
    open_movie(bench, movie)
    bench.set(link_time=True)
    labels = bench.run()
    parents = labels.metadata["napari_nucseg"]["parents"]
    assert bench.status.startswith(f"{labels.metadata['napari_nucseg']['count']} tracks in ")
    tracks = show_tracks(bench)
    assert isinstance(tracks, Tracks)
    assert tracks.name == "movie nuclei tracks"
    assert {str(c): m for c, (m,) in tracks.graph.items()} == parents
    assert len(parents) == 4
    frames = [np.unique(frame) for frame in labels.data]
    assert len(tracks.data) == sum(len(ids) - 1 for ids in frames)
    for nucleus, frame, *place in tracks.data:
        pixels = np.argwhere(labels.data[int(frame)] == nucleus)
        np.testing.assert_allclose(place, pixels.mean(axis=0))


def test_tracks_of_corrected_labels(bench, movie):
    open_movie(bench, movie)
    bench.set(link_time=True)
    labels = bench.run()
    child, mother = next(iter(labels.metadata["napari_nucseg"]["parents"].items()))
    labels.data[labels.data == mother] = 0
    tracks = show_tracks(bench)
    assert int(child) not in tracks.graph
    assert mother not in tracks.data[:, 0]


def test_no_tracks_without_nuclei(bench):
    bench.viewer.add_image(np.zeros((3, 64, 64), np.uint8), axis_labels=("t", "y", "x"))
    bench.set(link_time=True)
    bench.run()
    assert show_tracks(bench) is bench.viewer.layers[1]


def test_paths_and_their_layer_are_made_in_a_thread(bench, movie, monkeypatch):
    open_movie(bench, movie)
    bench.set(link_time=True)
    labels = bench.run()
    main, threads = threading.current_thread(), []

    def noted(function):
        def note(*arguments):
            threads.append(threading.current_thread())
            return function(*arguments)

        return note

    for name in ("track_points", "make_tracks"):
        monkeypatch.setattr(_tracks, name, noted(getattr(_tracks, name)))
    assert isinstance(show_tracks(bench), Tracks)
    assert main not in threads
    bench.widget.tracks_button.native.click()
    labels.data = labels.data.copy()  # the paths are of another array now
    bench.qtbot.waitUntil(lambda: not bench.widget.tracks_button.busy, timeout=TIMEOUT)
    assert len(threads) == 4
    assert len(bench.viewer.layers) == 3


def test_tracks_of_removed_labels_are_not_offered(bench, movie):
    open_movie(bench, movie)
    bench.set(link_time=True)
    labels = bench.run()
    button = bench.widget.tracks_button.native
    assert not button.isHidden()
    bench.viewer.layers.remove(labels)
    assert button.isHidden()
