"""The widget that segments a folder: what the shell does, with progress and cancelling."""

import csv
import os
import shlex

import numpy as np
import pytest
import tifffile
import zarr
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication
from typer.testing import CliRunner

from napari_nucseg import segment
from napari_nucseg.batch.outcome import Outcome, Status
from napari_nucseg.cli import make_app
from napari_nucseg.params import SegmentParams
from napari_nucseg.widgets._batch_run import TimeLeft
from napari_nucseg.widgets.batch_widget import NO_SEGMENT_WIDGET, BatchWidget

TIMEOUT = 60_000
DOCK = "Segment a folder"


@pytest.fixture
def images(tmp_path, field):
    """A folder with a.tif, b.tif and c.tif, of 0.5 micrometres per pixel."""
    folder = tmp_path / "images"
    folder.mkdir()
    for i, name in enumerate("abc"):
        tifffile.imwrite(
            folder / f"{name}.tif",
            np.roll(field, 10 * i, axis=0),
            imagej=True,
            resolution=(2, 2),
            metadata={"axes": "YX", "unit": "um"},
        )
    return folder


class Bench:
    """A viewer and the widget."""

    def __init__(self, viewer, widget, qtbot):
        self.viewer, self.widget, self.qtbot = viewer, widget, qtbot

    def run(self, inputs=None, output=None, **fields):
        """Fill in the form, press Run, wait until it is done; return the status."""
        if inputs is not None:
            self.widget.input_field.value = str(inputs)
            self.widget.output_field.value = str(output)
        for name, value in fields.items():
            self.widget.fields[name].value = value
        self.press("run")
        return self.widget.status.value

    def press(self, button):
        getattr(self.widget, f"{button}_button").native.click()
        self.wait()

    def wait(self):
        self.qtbot.waitUntil(lambda: not self.widget.running, timeout=TIMEOUT)

    def rows(self):
        model = self.widget.table.rows
        return [[model.data(model.index(r, c)) for c in range(3)] for r in range(model.rowCount())]


@pytest.fixture
def bench(qtbot):
    viewer = ViewerModel()
    widget = BatchWidget(viewer)
    qtbot.addWidget(widget.native)
    return Bench(viewer, widget, qtbot)


def table(output):
    """The rows of the summary, without the times."""
    with open(output / "summary.csv", newline="", encoding="utf-8") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def test_it_writes_what_the_shell_writes(bench, images, tmp_path):
    gui, shell = tmp_path / "gui", tmp_path / "shell"
    (images / "b.tif").write_bytes((images / "b.tif").read_bytes()[:300])
    status = bench.run(images, gui, diameter="14", splitting=0.7, probabilities=True)
    line = ["segment", str(images), "--output", str(shell), "--diameter", "14"]
    CliRunner().invoke(make_app(), [*line, "--splitting", "0.7", "--probabilities"])
    names = sorted(path.name for path in gui.iterdir())
    assert names == sorted(path.name for path in shell.iterdir())
    assert "a_labels.tif" in names
    for name in names:
        if name != "summary.csv":
            assert (gui / name).read_bytes() == (shell / name).read_bytes()
    assert table(gui) == table(shell)
    assert status.startswith("2 of 3 files segmented")


def test_the_table_shows_what_became_of_each(bench, images, tmp_path, field, notices):
    (images / "b.tif").write_bytes(b"no image")
    bench.run(images, tmp_path / "out", diameter="14")
    nuclei = str(segment(field, diameter=14).count)
    assert bench.rows()[0] == ["a.tif", "ok", nuclei]
    assert bench.rows()[1] == ["b.tif", "failed", ""]
    assert "b.tif: Cannot read" in bench.widget.errors.toPlainText()
    assert "it is not an image" in bench.widget.errors.toPlainText()
    assert notices == ["1 of 3 images failed; it is listed below."]


def test_an_image_that_is_newer_than_its_labels_is_marked(bench, images, tmp_path):
    bench.run(images, tmp_path / "out", diameter="14")
    later = (tmp_path / "out" / "b_labels.tif").stat().st_mtime_ns + 1
    os.utime(images / "b.tif", ns=(later, later))
    assert "1 of these older than the image" in bench.run()
    assert [row[1] for row in bench.rows()] == ["skipped", "skipped (newer image)", "skipped"]


def test_probabilities_asked_for_later(bench, images, tmp_path, notices):
    output = tmp_path / "out"
    bench.run(images, output, diameter="14")
    made = table(output)
    status = bench.run(probabilities=True)
    assert "3 of these without probabilities" in status
    assert "--" not in status  # napari has fields
    assert "(Overwrite computes them again)" in status
    tooltip = bench.widget.table.rows.index(0, 0).data(Qt.ItemDataRole.ToolTipRole)
    assert tooltip.endswith("without probabilities (Overwrite computes both)")
    assert [row[1] for row in bench.rows()] == ["skipped (no probabilities)"] * 3
    assert table(output) == made
    assert notices == []


def test_a_run_shows_the_images_in_place_of_the_settings(bench, images, tmp_path):
    widget = bench.widget
    widget.further_box.value = True
    assert widget.table.isHidden()
    (images / "b.tif").write_bytes(b"no image")
    bench.run(images, tmp_path / "out", diameter="14")
    assert not widget.further_box.value
    assert not widget.table.isHidden()
    assert not widget.errors.isHidden()
    widget.further_box.value = True
    assert widget.table.isHidden()
    assert widget.errors.isHidden()


def test_settings_that_are_not_seen_are_counted(bench):
    widget = bench.widget
    box = widget.further_box
    assert box.text == "More settings"
    widget.fields["diameter"].value = "14"  # which is seen
    assert box.text == "More settings"
    widget.fields["splitting"].value = 0.8
    widget.workers_field.value = 2
    assert box.text == "More settings (2 changed)"
    widget.set_params(SegmentParams(min_size=30, certainty=0.5, channels=(1,)))
    assert box.text == "More settings (4 changed)"
    widget.set_params(SegmentParams())
    widget.workers_field.value = 1
    assert box.text == "More settings"


def test_results_are_skipped_unless_overwritten(bench, images, tmp_path):
    output = tmp_path / "out"
    bench.run(images, output, diameter="14")
    before = (output / "a_labels.tif").stat().st_mtime_ns
    status = bench.run(splitting=1.0)
    assert "3 skipped" in status
    assert "3 of these made with other parameters" in status
    assert [row[1] for row in bench.rows()] == ["skipped (other parameters)"] * 3
    assert (output / "a_labels.tif").stat().st_mtime_ns == before
    bench.widget.overwrite_field.value = True
    assert bench.run().startswith("3 of 3 files segmented")


def test_cancelling_takes_effect_within_a_tile(bench, images, tmp_path, slow_network):
    begun, go_on = slow_network
    output = tmp_path / "out"
    widget = bench.widget
    widget.input_field.value, widget.output_field.value = str(images), str(output)
    widget.run()
    bench.qtbot.waitUntil(begun.is_set, timeout=TIMEOUT)
    bench.qtbot.waitUntil(lambda: widget.table.rows.state(0) == "running", timeout=TIMEOUT)
    widget.cancel()
    go_on.set()
    bench.wait()
    assert widget.status.value.startswith("Cancelled. 0 of 3 files segmented")
    assert widget.status.value.endswith("Run goes on with the rest.")
    assert [row[1] for row in bench.rows()] == ["waiting"] * 3
    assert widget.run_button.enabled
    assert not list(output.glob("*.tif"))
    assert bench.run().startswith("3 of 3 files segmented")


def test_open_shows_image_and_labels_where_they_belong(bench, images, tmp_path, field):
    bench.run(images, tmp_path / "out", diameter="14")
    bench.widget.table.selectRow(0)
    assert bench.widget.open_button.enabled
    bench.press("open")
    image, labels = bench.viewer.layers
    np.testing.assert_array_equal(image.data, field)
    np.testing.assert_array_equal(labels.data, segment(field, diameter=14).labels)
    for layer in (image, labels):
        assert list(layer.scale) == pytest.approx([0.5, 0.5])
        assert [str(unit) for unit in layer.units] == ["micrometer", "micrometer"]
        assert layer.axis_labels == ("y", "x")
    assert (image.name, labels.name) == ("a.tif", "a.tif nuclei")
    bench.widget.table.doubleClicked.emit(bench.widget.table.rows.index(0, 0))
    bench.wait()
    assert len(bench.viewer.layers) == 2  # shown already
    assert bench.viewer.layers.selection.active is labels


def test_open_after_another_run_shows_the_new_labels(bench, images, tmp_path, field):
    for options in ({"diameter": "14"}, {"min_size": 250}):
        bench.run(images, tmp_path / "out", **options)
        bench.widget.table.selectRow(0)
        bench.press("open")
        bench.widget.overwrite_field.value = True
    first, second = bench.viewer.layers[1], bench.viewer.layers[3]
    np.testing.assert_array_equal(first.data, segment(field, diameter=14).labels)
    np.testing.assert_array_equal(second.data, segment(field, diameter=14, min_size=250).labels)
    bench.run(images, tmp_path / "elsewhere", diameter="20")
    bench.widget.table.selectRow(0)
    bench.press("open")
    labels = bench.viewer.layers.selection.active
    other = segment(field, diameter=20, min_size=250).labels
    np.testing.assert_array_equal(labels.data, other)


def test_run_is_not_ignored_while_an_image_is_opened(bench, images, tmp_path):
    bench.run(images, tmp_path / "out", diameter="14")
    bench.widget.table.selectRow(0)
    bench.widget.open_chosen()
    bench.widget.run()
    assert not bench.widget.run_button.enabled
    bench.wait()
    assert len(bench.viewer.layers) == 2
    assert "3 skipped" in bench.widget.status.value


def test_open_a_stack_with_channels(bench, tmp_path, field):
    stack = np.stack([np.stack([field, 0 * field]), np.stack([field[::-1], 0 * field])])  # ZCYX
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "x.tif"
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "ZCYX"})
    bench.run(tmp_path / "in", tmp_path / "out", diameter="14", channels="0")
    bench.widget.table.selectRow(0)
    bench.press("open")
    image, labels = bench.viewer.layers
    assert image.data.shape == (2, 2, *field.shape)
    assert labels.data.shape == (2, 1, *field.shape)
    np.testing.assert_array_equal(
        labels.data[:, 0], segment(stack, "ZCYX", diameter=14, channels=(0,)).labels
    )


def test_a_plate(bench, tmp_path, field):
    plate = tmp_path / "screen.zarr"
    wells = [{"path": "A/1", "rowIndex": 0, "columnIndex": 0}]
    zarr.open_group(plate, mode="w", zarr_format=2).attrs["plate"] = {
        "rows": [{"name": "A"}],
        "columns": [{"name": "1"}],
        "wells": wells,
    }
    zarr.open_group(plate / "A/1", zarr_format=2).attrs["well"] = {"images": [{"path": "0"}]}
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    changes = [{"type": "scale", "scale": [0.5, 0.5]}]
    datasets = [{"path": "0", "coordinateTransformations": changes}]
    zarr.open_group(plate / "A/1/0", zarr_format=2).attrs["multiscales"] = [
        {"axes": axes, "datasets": datasets}
    ]
    zarr.create_array(plate / "A/1/0/0", data=field, zarr_format=2)
    assert bench.run(plate, tmp_path / "out", diameter="7 um").startswith("1 of 1 file segmented")
    assert bench.rows()[0][:2] == ["screen.zarr A/1 0", "ok"]
    bench.widget.table.selectRow(0)
    bench.press("open")
    image, labels = bench.viewer.layers
    np.testing.assert_array_equal(labels.data, segment(field, diameter=14).labels)
    assert list(labels.scale) == list(image.scale) == [0.5, 0.5]


@pytest.mark.parametrize(
    ("inputs", "output", "message"),
    [
        ("", "out", "Choose what to segment first"),
        ("images", "", "Choose an output folder"),
        ("nothing", "out", "There is no file or folder"),
        (".", "out", "There are some in images."),
        ("images", "images/a.tif/x", "a part of its path, is a file"),
    ],
)
def test_bad_input_is_said(bench, images, tmp_path, notices, monkeypatch, inputs, output, message):
    monkeypatch.chdir(tmp_path)
    assert message in bench.run(inputs, output)
    assert len(notices) == 1
    assert message in notices[0]
    assert bench.widget.run_button.enabled


def test_channels_that_are_none(bench, images, tmp_path, notices):
    assert "Channels must be" in bench.run(images, tmp_path / "out", channels="blue")
    assert len(notices) == 1


def test_choosing_proposes_an_output(bench, images, monkeypatch):
    widget = bench.widget
    monkeypatch.setattr(BatchWidget, "ask_folder", lambda _: str(images))
    bench.press("folder")
    assert widget.input_field.value == str(images)
    assert widget.output_field.value == f"{images}_nuclei"
    files = [str(images / "a.tif"), str(images / "c.tif")]
    monkeypatch.setattr(BatchWidget, "ask_files", lambda _: files)
    bench.press("files")
    assert list(widget.request().inputs) == files
    assert widget.output_field.value == f"{images}_nuclei"
    monkeypatch.setattr(BatchWidget, "ask_output", lambda _: "/elsewhere")
    bench.press("output")
    bench.press("folder")
    assert widget.output_field.value == "/elsewhere"  # the user's own stays


def test_a_whole_drive_and_very_many_files_can_be_chosen(bench):
    root = os.path.abspath(os.sep)
    bench.widget.set_inputs([root])
    assert bench.widget.output_field.value == os.path.join(root, "nuclei")
    files = [f"{root}folder/image_{i:05}.tif" for i in range(1000)]  # longer than a path may be
    bench.widget.set_inputs(files)
    assert list(bench.widget.request().inputs) == files


def test_the_copied_command_does_the_same(bench, images, tmp_path):
    widget = bench.widget
    widget.input_field.value = f"{images / 'a.tif'}; {images / 'c.tif'}"
    widget.output_field.value = str(tmp_path / "my results")
    widget.fields["diameter"].value = "14"
    widget.workers_field.value = 2
    bench.press("copy")
    words = shlex.split(QApplication.clipboard().text())
    assert words == [
        *("napari-nucseg", "segment", str(images / "a.tif"), str(images / "c.tif")),
        *("--output", str(tmp_path / "my results"), "--workers", "2", "--diameter", "14"),
    ]
    bench.run()
    gui = {path.name: path.read_bytes() for path in (tmp_path / "my results").glob("*.tif")}
    assert sorted(gui) == ["a_labels.tif", "c_labels.tif"]


@pytest.fixture
def unsized(images, field):
    """The same folder, with one image more whose file states no pixel size."""
    tifffile.imwrite(images / "d.tif", field)
    return images


@pytest.mark.parametrize("text", ["0.4", "Z=2,Y=0.4,X=0.4"])
def test_the_pixel_size_is_that_of_the_shell(bench, unsized, tmp_path, text):
    widget, gui, shell = bench.widget, tmp_path / "gui", tmp_path / "shell"
    widget.pixel_size_field.value = f" {text} "
    assert widget.further_box.text == "More settings (1 changed)"
    assert bench.run(unsized, gui, diameter="5.6 um").startswith("4 of 4 files segmented")
    bench.press("copy")
    words = shlex.split(QApplication.clipboard().text())
    words[words.index("--output") + 1] = str(shell)
    assert CliRunner().invoke(make_app(), words[1:]).exit_code == 0
    for name in ("a_labels.tif", "d_labels.tif", "parameters.json"):
        assert (gui / name).read_bytes() == (shell / name).read_bytes()


def test_an_image_of_another_pixel_size_is_opened_with_it(bench, images, tmp_path):
    bench.widget.pixel_size_field.value = "0.4"  # not the 0.5 of the file
    bench.run(images, tmp_path / "out", diameter="14")
    bench.widget.table.selectRow(0)
    bench.press("open")
    for layer in bench.viewer.layers:
        assert list(layer.scale) == [0.4, 0.4]


def test_a_missing_pixel_size_names_its_field(bench, unsized, tmp_path):
    bench.run(unsized, tmp_path / "out", diameter="8 um")
    said = bench.widget.errors.toPlainText()
    assert "has no pixel size in Y and X; give Pixel size in Y and X, or the diameter" in said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0,4", "Pixel size must be micrometres per pixel: one number for Y and X"),
        ("0", "The pixel size in Y must be a number of micrometres above 0"),
    ],
)
def test_a_pixel_size_that_is_none(bench, images, tmp_path, notices, text, message):
    bench.widget.pixel_size_field.value = text
    assert message in bench.run(images, tmp_path / "out")
    bench.widget.further_box.native.click()  # where the field is
    assert message in bench.widget.status.value
    bench.widget.pixel_size_field.value = "0.4"
    assert bench.widget.status.value == ""
    assert len(notices) == 1
    assert not (tmp_path / "out").exists()


def test_stacks_are_linked_as_in_python(bench, tmp_path, field):
    (tmp_path / "in").mkdir()
    stack = np.stack([field, field])
    path = tmp_path / "in" / "x.tif"
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "ZYX"})
    bench.run(tmp_path / "in", tmp_path / "out", diameter="14", link_depth=True)
    expected = segment(stack, "ZYX", diameter=14, link_depth=True)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out/x_labels.tif"), expected.labels)
    bench.widget.axes_field.value = "YX"  # nothing to link
    assert not bench.widget.request().params.link_depth


def test_tracks_of_movies_are_those_of_the_shell(bench, tmp_path, field):
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, np.stack([field, field]), imagej=True, metadata={"axes": "TYX"})
    bench.run(path, tmp_path / "gui", diameter="14", link_time=True)
    arguments = [path, "--output", tmp_path / "cli", "--diameter", "14", "--link-time"]
    result = CliRunner().invoke(make_app(), ["segment", *map(str, arguments)])
    count = int(tifffile.imread(tmp_path / "cli/x_labels.tif").max())
    assert f"[1/1] {path}: {count} tracks in " in result.stderr
    for told in (result.stderr, bench.widget.status.value):
        assert f"1 of 1 file segmented ({count} tracks); see " in told
    gui, cli = ((tmp_path / name / "x_tracks.txt").read_text() for name in ("gui", "cli"))
    assert gui == cli
    assert gui.splitlines()[0] == "1 0 1 0"


def test_without_a_segment_widget(bench):
    bench.press("take")
    assert bench.widget.status.value == NO_SEGMENT_WIDGET


def test_parameters_of_the_segment_widget(without_opengl, make_napari_viewer):
    viewer = make_napari_viewer()
    _, segment_widget = viewer.window.add_plugin_dock_widget("napari-nucseg", "Segment nuclei")
    segment_widget.fields["splitting"].value = 0.8
    segment_widget.fields["diameter"].value = "8 um"
    _, widget = viewer.window.add_plugin_dock_widget("napari-nucseg", DOCK)
    widget.input_field.value, widget.output_field.value = "x", "y"
    assert widget.request().params == SegmentParams(splitting=0.8, diameter="8 um")
    segment_widget.fields["min_size"].value = 30
    widget.take_button.native.click()
    assert widget.request().params.min_size == 30


def test_closing_the_dock_cancels(
    without_opengl, make_napari_viewer, qtbot, images, tmp_path, slow_network
):
    begun, go_on = slow_network
    viewer = make_napari_viewer()
    dock, widget = viewer.window.add_plugin_dock_widget("napari-nucseg", DOCK)
    output = tmp_path / "out"
    widget.input_field.value, widget.output_field.value = str(images), str(output)
    widget.run()
    qtbot.waitUntil(begun.is_set, timeout=TIMEOUT)
    viewer.window.remove_dock_widget(dock)
    go_on.set()
    qtbot.waitUntil(lambda: not widget.running, timeout=TIMEOUT)
    assert sorted(path.name for path in output.iterdir()) == ["parameters.json", "summary.csv"]


def test_time_left():
    now = iter([0.0, 10.0, 20.0, 3000.0])
    left = TimeLeft(5, lambda: next(now))
    left.count(Outcome(Status.SKIPPED))
    assert left.describe() == "1 of 5 images"
    left.count(Outcome(Status.OK))
    assert left.describe() == "2 of 5 images, 30 s left"
    left.count(Outcome(Status.FAILED))
    assert left.describe() == "3 of 5 images, 20 s left"
    left.count(Outcome(Status.OK))
    assert left.describe() == "4 of 5 images, 17 min left"
    left.count(Outcome(Status.OK))
    assert left.describe() == "5 of 5 images"
