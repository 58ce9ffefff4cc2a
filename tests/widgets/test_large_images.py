"""Images that are segmented in blocks, onto disk, from the widget."""

from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import zarr
from napari.layers import Image, Labels
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import QApplication

from napari_nucseg import segment_batch, segment_large
from napari_nucseg.axes import Planes
from napari_nucseg.errors import WriteError
from napari_nucseg.inference import job, samples
from napari_nucseg.inference.engine import LiteRTEngine
from napari_nucseg.large import rule
from napari_nucseg.large.rule import reason_for_blocks
from napari_nucseg.large.work_folder import WorkFolder
from napari_nucseg.sample_data import fluorescence_field
from napari_nucseg.widgets import _growing, _large_run
from napari_nucseg.widgets._growing import coarseness, take_coarse
from napari_nucseg.widgets._image_form import PLANE, SHAPES
from napari_nucseg.widgets._memory_copy import start_copy
from napari_nucseg.widgets._time_left import BlocksLeft, duration

SCALE = 0.5


@pytest.fixture
def bench(windowless_bench, monkeypatch):
    """Images on disk are large from 10,000 pixels a plane."""
    monkeypatch.setattr(rule, "LAZY_PLANE", 10_000)
    monkeypatch.setattr(_growing, "INTERVAL", 0)
    return windowless_bench


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Several blocks, tiles and levels in a small image."""
    monkeypatch.setattr("napari_nucseg.large.plan.OUTER", 416)
    monkeypatch.setattr("napari_nucseg.large.labels.SMALLEST", 128)


@pytest.fixture(scope="session")
def large_field():
    return fluorescence_field((320, 352), diameter=18, seed=4).image


@pytest.fixture
def source(tmp_path, large_field):
    """An OME-Zarr 0.4 with two levels."""
    path = tmp_path / "slide.ome.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=2)
    datasets = []
    for level, factor in enumerate((1, 2)):
        data = large_field[::factor, ::factor]
        group.create_array(str(level), data=data, chunks=(64, 64))
        place = [{"type": "scale", "scale": [SCALE * factor] * 2}]
        datasets.append({"path": str(level), "coordinateTransformations": place})
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets}]
    return path


def add(bench, source, **options):
    group = zarr.open_group(source, mode="r")
    return bench.viewer.add_image(
        [group["0"], group["1"]],
        multiscale=True,
        name="slide",
        **{"scale": (SCALE, SCALE), "units": "micrometer", **options},
    )


def first_level(path):
    return np.asarray(zarr.open_group(path, mode="r")["0"][...])


def names(bench):
    return [layer.name for layer in bench.viewer.layers]


@pytest.mark.parametrize(
    ("shape", "axes", "lazy", "large"),
    [
        ((8000, 8000), "YX", True, False),
        ((8000, 8001), "YX", True, True),
        ((8000, 8001), "YX", False, False),
        ((16000, 16001), "YX", False, True),
        ((8000, 8000, 3), "YXS", True, False),
        ((3, 8000, 8000), "CYX", True, False),
        ((500, 1000, 1000), "ZYX", True, False),
        ((501, 1000, 1000), "ZYX", True, True),
        ((501, 1000, 1000), "ZYX", False, False),
        ((3, 167, 1000, 1000), "TZYX", True, True),
        ((1001, 1000, 1000), "ZYX", False, True),
    ],
)
def test_which_images_are_cut_into_blocks(shape, axes, lazy, large):
    image = np.broadcast_to(np.uint8(0), shape)
    reason = reason_for_blocks(da.from_array(image, chunks=shape) if lazy else image, axes)
    assert (reason is not None) == large


def test_only_whole_images_are_cut_into_blocks(bench, tmp_path, large_field):
    stack = zarr.create_array(tmp_path / "z.zarr", data=np.stack([large_field] * 2))
    bench.viewer.add_image(stack)
    form, shown = bench.form, bench.widget.large_form
    assert "112,640 pixels, more than 10,000" in form.reason_for_blocks
    assert "112,640 pixels, more than 10,000" in shown.why.value
    for part in (PLANE, SHAPES):
        form.what.value = part
        assert form.reason_for_blocks is None
    form.what.value = form.what.choices[0]
    assert form.reason_for_blocks
    bench.viewer.add_image(np.stack([large_field] * 2))
    assert form.reason_for_blocks is None


def test_gui_command_and_python_write_the_same(bench, source, tmp_path, large_field):
    from napari_nucseg.cli import make_app

    add(bench, source)
    bench.set(diameter="9 um")
    labels = bench.run()
    in_napari = tmp_path / "slide_nuclei.ome.zarr"
    assert str(bench.widget.large_form.target()) == str(in_napari)
    expected = segment_large(source, tmp_path / "python.ome.zarr", diameter="9 um")
    bench.widget.copy_command()
    line = QApplication.clipboard().text().split()
    assert line[:5] == ["napari-nucseg", "segment", str(source), "--output", str(in_napari)]
    assert line[5:] == ["--diameter", "18.0"]
    line[4] = str(tmp_path / "shell.ome.zarr")
    make_app()(line[1:], standalone_mode=False)

    assert expected.count > 10
    assert labels.metadata["napari_nucseg"]["count"] == expected.count
    truth = first_level(expected.path)
    for path in (in_napari, tmp_path / "shell.ome.zarr"):
        np.testing.assert_array_equal(first_level(path), truth)
    attributes = [dict(zarr.open_group(p, mode="r").attrs) for p in (in_napari, expected.path)]
    for content in attributes:
        content.pop("napari-nucseg")
        content["multiscales"][0].pop("name", None)
    assert attributes[0] == attributes[1]


def test_the_result_is_a_pyramid_on_the_image(bench, source, large_field):
    image = add(bench, source, translate=(7, 9), rotate=30, shear=[0.2])
    labels = bench.run()
    assert isinstance(labels, Labels)
    assert labels.multiscale
    assert names(bench) == ["slide", "slide nuclei"]
    assert [level.shape for level in labels.data] == [(320, 352), (160, 176), (80, 88)]
    assert all(isinstance(level, da.Array) for level in labels.data)
    for key in ("scale", "translate", "rotate", "shear"):
        np.testing.assert_allclose(getattr(labels, key), getattr(image, key))
    assert (labels.units, labels.axis_labels) == (image.units, image.axis_labels)
    record = labels.metadata["napari_nucseg"]
    assert (record["source"], record["plane"], record["region"]) == ("slide", None, None)
    assert Path(record["path"]).is_dir()
    assert f"{record['count']} nuclei in " in bench.status
    assert record["path"] in bench.status


def test_growing_labels_lie_on_the_image(bench, source, monkeypatch, large_field):
    """Every nucleus of the coarse labels is where the final labels have one."""
    monkeypatch.setattr(_growing, "PLANE_PIXELS", 13_000)  # a step of 3
    image = add(bench, source, translate=(7, 9), rotate=30)
    seen = {}

    def note(event):
        layer = event.value
        if "growing" in layer.name:
            seen["layer"] = layer
            assert bench.viewer.layers.selection.active is image

    bench.viewer.layers.events.inserted.connect(note)
    labels = bench.run()
    growing = seen["layer"]
    assert growing not in bench.viewer.layers
    assert growing.data.shape == (107, 117)
    final = np.asarray(labels.data[0])
    rows, columns = np.nonzero(growing.data)
    assert len(rows) > 1000
    for row, column in list(zip(rows, columns, strict=True))[::97]:
        place = labels.world_to_data(growing.data_to_world((row, column)))
        assert final[tuple(np.rint(place).astype(int))] > 0


@pytest.mark.parametrize("step", [1, 2, 3, 7])
def test_blocks_make_up_the_coarse_labels(step):
    image = np.arange(40 * 50).reshape(40, 50)
    whole = image[step // 2 :: step, step // 2 :: step]
    canvas = np.zeros_like(whole)
    for y in range(0, 40, 16):
        for x in range(0, 50, 16):
            window = (slice(y, min(y + 16, 40)), slice(x, min(x + 16, 50)))
            part, seen = take_coarse(image[window], window, step)
            canvas[part] = seen
    np.testing.assert_array_equal(canvas, whole)


@pytest.mark.parametrize(
    "shape", [(100, 100), (100_000, 100_000), (300, 4000, 4000), (10**6, 16, 16)]
)
def test_coarse_labels_are_small(shape):
    step = coarseness(shape)
    sides = [len(range(step // 2, side, step)) for side in shape[-2:]]
    assert np.prod(sides) <= 4_000_000
    assert np.prod([*shape[:-2], *sides], dtype=float) <= 16_000_000
    assert min(sides) >= 1


def test_cancel_and_go_on(bench, source, tmp_path, monkeypatch, notices):
    add(bench, source)
    bench.set(diameter="18")
    statuses = []
    predict, asked = LiteRTEngine.predict, []

    def predict_until_a_block_is_done(self, tile):
        work = WorkFolder.beside(tmp_path / "slide_nuclei.ome.zarr")
        if not asked and (work.path / "nuclei").is_dir() and work.found():
            asked.append(True)
            bench.widget.cancel()
        return predict(self, tile)

    monkeypatch.setattr(LiteRTEngine, "predict", predict_until_a_block_is_done)
    bench.run()
    assert asked
    assert names(bench) == ["slide"]
    assert "Run goes on" in bench.status
    assert notices == []
    found = WorkFolder.beside(tmp_path / "slide_nuclei.ome.zarr").found()
    assert found

    show = bench.widget._show_blocks
    bench.widget._show_blocks = lambda *told: (statuses.append(told[2]), show(*told))
    labels = bench.run()
    assert any("Going on with an unfinished run" in text for text in statuses)
    expected = segment_large(source, tmp_path / "python.ome.zarr", diameter="18")
    np.testing.assert_array_equal(np.asarray(labels.data[0]), first_level(expected.path))


def test_cancel_while_intensities_are_measured(bench, source, tmp_path, monkeypatch, notices):
    """The image is read window by window; none is read after Cancel."""
    monkeypatch.setattr(samples, "MAX_PIXELS", 1000)
    monkeypatch.setattr(samples, "WINDOW", 64)
    add(bench, source)
    take, read, measuring, reads = job.take_samples, Planes.read, [], []

    def take_samples(*arguments):
        measuring.append(True)
        return take(*arguments)

    def read_and_cancel(self, *arguments):
        if measuring:
            reads.append(arguments)
            bench.widget.cancel()
        return read(self, *arguments)

    monkeypatch.setattr(job, "take_samples", take_samples)
    monkeypatch.setattr(Planes, "read", read_and_cancel)
    bench.run()
    assert len(reads) == 1
    assert names(bench) == ["slide"]
    assert notices == []
    assert not WorkFolder.beside(tmp_path / "slide_nuclei.ome.zarr").path.exists()
    measuring.clear()
    monkeypatch.setattr(job, "take_samples", take)
    assert bench.run().name == "slide nuclei"


def test_cancel_while_the_diameter_is_estimated(bench, source, slow_network):
    begun, go_on = slow_network
    add(bench, source)
    bench.widget.run()
    bench.qtbot.waitUntil(begun.is_set)
    assert bench.status == "Measuring intensities and diameter ..."
    bench.widget.cancel()
    go_on.set()
    bench.wait()
    assert names(bench) == ["slide"]
    assert not WorkFolder.beside(bench.widget.large_form.target()).path.exists()


def test_nothing_is_overwritten_without_the_box(bench, source, tmp_path, notices):
    add(bench, source)
    first = bench.run()
    count = first.metadata["napari_nucseg"]["count"]
    first.name, first.opacity = "mine", 0.3
    bench.viewer.add_points([[1, 1]], name="points")
    bench.set(min_size=200)
    bench.widget.run()
    bench.wait()
    assert "exists already" in bench.status
    assert bench.status in notices
    assert names(bench) == ["slide", "mine", "points"]
    bench.widget.large_form.overwrite.value = True
    bench.viewer.layers.selection.active = bench.viewer.layers["slide"]
    second = bench.run()
    assert names(bench) == ["slide", "mine", "points"]
    assert second.opacity == 0.3
    assert second.metadata["napari_nucseg"]["count"] < count


def test_layer_removed_during_the_run(bench, source, slow_network, notices):
    begun, go_on = slow_network
    image = add(bench, source)
    bench.widget.run()
    bench.qtbot.waitUntil(begun.is_set)
    bench.viewer.layers.remove(image)
    go_on.set()
    bench.wait()
    assert names(bench) == []
    assert notices == [bench.status]
    assert "'slide' was removed" in bench.status
    assert "blocks are kept" in bench.status


@pytest.mark.parametrize("closed", ["dock", "viewer"])
def test_closed_during_the_run(docked_bench, bench, source, slow_network, notices, closed):
    begun, go_on = slow_network
    bench = docked_bench
    add(bench, source)
    bench.widget.run()
    bench.qtbot.waitUntil(begun.is_set)
    if closed == "dock":
        bench.viewer.window.remove_dock_widget(bench.dock)
    else:
        bench.viewer.close()
    go_on.set()
    bench.qtbot.waitUntil(lambda: QThreadPool.globalInstance().activeThreadCount() == 0)
    bench.qtbot.waitUntil(lambda: not bench.widget.running)
    assert not any("nuclei" in layer.name for layer in bench.viewer.layers)
    assert notices == []


def test_an_image_without_a_file_goes_to_the_users_folder(bench, large_field, state_folder):
    bench.viewer.add_image(da.from_array(large_field, chunks=64), name="my: cells")
    labels = bench.run()
    path = state_folder / "results" / "my_cells_nuclei.ome.zarr"
    assert labels.metadata["napari_nucseg"]["path"] == str(path)
    assert path.is_dir()


def test_colour_channels_and_planes(bench, tmp_path, large_field):
    """A C that is not the first axis stays in the layer, as one voxel."""
    data = np.stack([np.stack([large_field, large_field[::-1]], 0)] * 2)
    array = zarr.create_array(tmp_path / "stack.zarr", data=data)
    bench.viewer.add_image(array, name="stack")
    bench.form.axes.value = "ZCYX"
    bench.set(channels="1", diameter="18")
    labels = bench.run()
    expected = segment_large(
        array, tmp_path / "python.ome.zarr", "ZCYX", channels=(1,), diameter="18"
    )
    assert labels.data[0].shape == (2, 1, 320, 352)
    np.testing.assert_array_equal(labels.data[0][:, 0].compute(), first_level(expected.path))


def test_planes_are_linked(bench, tmp_path, large_field):
    array = zarr.create_array(tmp_path / "stack.zarr", data=np.stack([large_field] * 2))
    bench.viewer.add_image(array, name="stack")
    bench.set(diameter="18", link_depth=True)
    labels = bench.run()
    expected = segment_large(array, tmp_path / "p.ome.zarr", "ZYX", diameter=18, link_depth=True)
    np.testing.assert_array_equal(np.asarray(labels.data[0]), first_level(expected.path))
    assert labels.metadata["napari_nucseg"]["count"] == expected.count > 0
    assert list(labels.features["index"]) == list(expected.features["index"])


def test_tracks_lie_beside_the_labels(bench, tmp_path, large_field, notices):
    """The same file as that of the command."""
    from napari_nucseg.cli import make_app

    array = zarr.create_array(tmp_path / "movie.zarr", data=np.stack([large_field] * 2))
    bench.viewer.add_image(array, name="movie")
    bench.form.axes.value = "TYX"
    bench.set(diameter="18", link_time=True)
    tracks = tmp_path / "movie_nuclei_tracks.txt"
    tracks.write_text("mine")
    bench.widget.run()
    bench.wait()
    assert "movie_nuclei_tracks.txt exists already" in bench.status
    assert (names(bench), tracks.read_text()) == (["movie"], "mine")
    bench.widget.large_form.overwrite.value = True
    labels = bench.run()
    assert len(tracks.read_text().splitlines()) == labels.metadata["napari_nucseg"]["count"] > 0
    bench.viewer.layers.selection.active = bench.viewer.layers["movie"]
    bench.widget.copy_command()
    line = QApplication.clipboard().text().split()
    line[line.index("--output") + 1] = str(tmp_path / "shell.ome.zarr")
    make_app()(line[1:], standalone_mode=False)
    assert (tmp_path / "shell_tracks.txt").read_text() == tracks.read_text()


def test_probabilities_of_a_batch_go_with_the_labels_they_were_of(
    bench, source, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(rule, "LAZY_PLANE", 10**6)
        segment_batch(source, tmp_path, diameter=18, probabilities=True)
    assert (tmp_path / "slide_probability.ome.zarr").is_dir()
    add(bench, source)
    bench.set(diameter="18")
    bench.widget.large_form.target_field.value = tmp_path / "slide_labels.ome.zarr"
    bench.widget.large_form.overwrite.value = True
    bench.run()
    assert not list(tmp_path.glob("*probability*"))


def test_labels_stay_when_their_tracks_cannot_be_written(bench, tmp_path, large_field, monkeypatch):
    def full(*_, **__):
        raise WriteError("Cannot write movie_nuclei_tracks.txt: No space left on device.")

    monkeypatch.setattr(_large_run, "write_large_tracks", full)
    array = zarr.create_array(tmp_path / "movie.zarr", data=np.stack([large_field] * 2))
    bench.viewer.add_image(array, name="movie")
    bench.form.axes.value = "TYX"
    bench.set(diameter="18", link_time=True)
    labels = bench.run()
    assert labels.metadata["napari_nucseg"]["count"] > 0
    assert "There is no text file: Cannot write movie_nuclei_tracks.txt" in bench.status


def test_what_cannot_be_done_in_blocks_is_not_offered(bench, source, large_field):
    bench.viewer.add_image(large_field)
    bench.set(probabilities=True)
    add(bench, source)
    assert not bench.widget.params().probabilities
    assert isinstance(bench.form.image.value, Image)


def test_a_part_becomes_labels_that_can_be_edited(bench, source):
    add(bench, source)
    bench.run()
    box = np.array([[20, 20], [20, 120], [110, 120], [110, 20]]) * SCALE
    bench.viewer.add_shapes([box], shape_type="rectangle")
    bench.form.what.value = SHAPES
    labels = bench.run()
    assert names(bench)[:2] == ["slide", "slide nuclei"]
    assert labels is not bench.viewer.layers["slide nuclei"]
    assert isinstance(labels.data, np.ndarray)
    assert labels.editable
    assert labels.data.any()


def test_a_copy_that_is_corrected_stays_when_the_run_is_repeated(bench, source):
    add(bench, source)
    copies = []
    start_copy(bench.run(), lambda _task, copy: copies.append(copy))
    bench.qtbot.waitUntil(lambda: bool(copies))
    bench.viewer.layers.append(copies[0])
    bench.widget.large_form.overwrite.value = True
    bench.run()
    assert names(bench) == ["slide", "slide nuclei", "slide nuclei copy"]


def test_a_damaged_chunk_is_reported_and_the_rest_kept(bench, source, notices):
    chunk = source / "0" / "0.0"
    good = chunk.read_bytes()
    chunk.write_bytes(b"no pixels")
    add(bench, source)
    bench.set(diameter="18")
    bench.widget.run()
    bench.wait()
    assert names(bench) == ["slide"]
    assert "a chunk is damaged" in bench.status
    assert bench.status in notices
    chunk.write_bytes(good)
    assert bench.run().name == "slide nuclei"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (125, "2 min 5 s"),
        (599.6, "10 min"),
        (3571, "60 min"),
        (5400, "1.5 h"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_time_left():
    now = iter([0.0, 10.0, 40.0, 100.0])
    left = BlocksLeft(lambda: next(now))
    assert left.describe(5, 10) == ""  # finished by an earlier run
    assert left.describe(6, 10) == "40 s left"
    assert left.describe(7, 10) == "1 min 0 s left"
    assert left.describe(10, 10) == ""
