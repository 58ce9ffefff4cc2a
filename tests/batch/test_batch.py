"""Folders: what was made with which parameters, bad folders, full disks, stops."""

import errno
import json
import os
import re
import shutil
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import tifffile

import napari_nucseg
from napari_nucseg import segment, segment_batch, segment_large
from napari_nucseg.batch import results
from napari_nucseg.batch.batch import LOCK, Batch
from napari_nucseg.batch.file_item import FileItem
from napari_nucseg.batch.outcome import Outcome, Status
from napari_nucseg.batch.work import Work, segment_on_worker
from napari_nucseg.errors import Cancelled, InputError, ModelError, ReadError, WriteError
from napari_nucseg.io.lock import give_back, take_lock
from napari_nucseg.io.summary import COLUMNS, PLACE, SummaryTable
from napari_nucseg.params import SegmentParams, make_params


def run(images, output, *, overwrite=False, **options):
    """Run a batch; return it and the remarks by name of the file."""
    remarks = {}
    batch = Batch.plan([images], output, SegmentParams(**options), overwrite=overwrite)
    batch.run(finished=lambda item, outcome: remarks.update({item.source.name: outcome.remark}))
    return batch, remarks


def test_parameters_are_recorded(images, output, table):
    segment_batch(images, output, diameter=14)
    record = json.loads((output / "parameters.json").read_text())
    ((key, made),) = record.items()
    assert {row["parameters"] for row in table()} == {key}
    assert made["version"] == napari_nucseg.__version__
    assert made["model"] == "nuclei"
    assert made["model_sha256"] == segment(np.zeros((32, 32))).record["model_sha256"]
    assert SegmentParams(**made["parameters"]) == SegmentParams(diameter="14")


def diameters(table):
    """Return the diameter and whether it was estimated, by name of the file."""
    return {Path(r["file"]).name: (r["diameter"], r["diameter_estimated"]) for r in table()}


def test_the_diameter_that_was_used_is_in_the_table(images, output, table, field):
    run(images / "a.tif", output, diameter="7.25")
    found = segment(np.roll(field, 10, axis=0))
    assert found.job.estimated
    run(images / "b.tif", output)
    estimated = (f"{found.diameter:.2f}", "yes")
    assert diameters(table) == {"a.tif": ("7.25", "no"), "b.tif": estimated}
    run(images, output, diameter="14")  # what is skipped was made with what it was made with
    wanted = {"a.tif": ("7.25", "no"), "b.tif": estimated, "c.tif": ("14.00", "no")}
    assert diameters(table) == wanted


def test_the_diameter_of_labels_that_cannot_be_replaced_stays(images, output, table):
    image = images / "a.tif"
    pixels = image.read_bytes()
    run(image, output, diameter="14")
    image.write_text("no pixels")
    assert run(image, output, diameter="20", overwrite=True)[0].counts == {Status.FAILED: 1}
    assert diameters(table) == {"a.tif": ("14.00", "no")}
    image.write_bytes(pixels)
    assert run(image, output, diameter="20")[0].counts == {Status.SKIPPED: 1}
    assert diameters(table) == {"a.tif": ("14.00", "no")}
    run(image, output, diameter="20", overwrite=True)
    assert diameters(table) == {"a.tif": ("20.00", "no")}


def test_diameters_that_an_earlier_version_did_not_note(images, output, table):
    run(images / "a.tif", output, diameter="14")
    path = output / "summary.csv"
    path.write_text(
        path.read_text().replace("diameter,diameter_estimated,", "", 1).replace("14.00,no,", "", 1)
    )
    assert "14.00" not in path.read_text()
    batch, _ = run(images, output, diameter="14")
    assert batch.counts == {Status.SKIPPED: 1, Status.OK: 2}
    given = ("14.00", "no")
    assert diameters(table) == {"a.tif": ("", ""), "b.tif": given, "c.tif": given}


def test_results_of_other_parameters_are_named(images, output, table):
    run(images, output, diameter="14")
    os.remove(output / "b_labels.tif")
    batch, remarks = run(images, output, diameter="14", splitting=0.8)
    other = "made with other parameters (splitting 0.5, now 0.8)"
    assert remarks == {"a.tif": other, "b.tif": "", "c.tif": other}
    assert batch.outdated == 2
    assert "2 of these made with other parameters" in batch.describe()
    keys = {Path(row["file"]).name: row["parameters"] for row in table()}
    assert keys["a.tif"] == keys["c.tif"] != keys["b.tif"]
    assert set(json.loads((output / "parameters.json").read_text())) == set(keys.values())
    _, remarks = run(images, output, diameter="14")
    assert remarks["b.tif"] == "made with other parameters (splitting 0.8, now 0.5)"
    batch, remarks = run(images, output, diameter="14", overwrite=True)
    assert set(remarks.values()) == {""}
    assert len({row["parameters"] for row in table()}) == 1


@pytest.mark.parametrize("options", [{"engine": "litert"}, {"probabilities": False}, {}])
def test_what_does_not_change_labels_is_no_other_parameter(images, output, options):
    run(images, output, diameter="14", probabilities=True)
    _, remarks = run(images, output, diameter="14", **options)
    assert set(remarks.values()) == {""}


def test_another_version_is_named(images, output, monkeypatch):
    run(images, output, diameter="14")
    monkeypatch.setattr(napari_nucseg, "__version__", "9")
    _, remarks = run(images, output, diameter="14")
    assert remarks["a.tif"].startswith("made with other parameters (version ")
    assert remarks["a.tif"].endswith(", now 9)")


def test_a_table_of_another_version_is_left_alone_unless_told_otherwise(images, output, table):
    run(images, output, diameter="14")
    path = output / "summary.csv"
    other = "".join(line.rsplit(",", 1)[0] + "\n" for line in path.read_text().splitlines())
    path.write_text(other)
    with pytest.raises(
        WriteError, match=r"summary\.csv is another table, or one of another version"
    ):
        run(images, output, diameter="14")
    assert path.read_text() == other
    batch, _ = run(images, output, diameter="14", overwrite=True)
    assert batch.counts == {Status.OK: 3}
    assert [row["labels"] for row in table()] == [f"{name}_labels.tif" for name in "abc"]


@pytest.mark.parametrize("text", ["", "[]", '{"x": 1}', "{"])
def test_a_foreign_record(images, output, text):
    output.mkdir()
    (output / "parameters.json").write_text(text)
    with pytest.raises(WriteError, match=r"parameters\.json is not a record of parameters"):
        segment_batch(images, output)
    assert (output / "parameters.json").read_text() == text
    assert segment_batch(images, output, diameter=14, overwrite=True).counts == {Status.OK: 3}


def test_a_full_disk_stops_and_keeps_what_is_finished(images, output, table, monkeypatch):
    original = tifffile.imwrite

    def write(file, *args, **kwargs):
        if "b_labels" in file.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(file, *args, **kwargs)

    monkeypatch.setattr(tifffile, "imwrite", write)
    with pytest.raises(WriteError, match=r"No space left.*Stopped.*1 of 3 files segmented"):
        segment_batch(images, output, diameter=14)
    assert [path.name for path in output.glob("*_labels.tif")] == ["a_labels.tif"]
    assert [row["status"] for row in table()] == ["ok", "failed"]
    monkeypatch.undo()
    assert segment_batch(images, output, diameter=14).counts == {Status.OK: 2, Status.SKIPPED: 1}


def test_a_failure_that_passes_is_repaired(images, output, table, monkeypatch):
    seen = []

    def read(item, axes):
        seen.append(item.stem)
        if seen.count("b") == 1 and item.stem == "b":
            raise ReadError("The network share was away.")
        return original(item, axes)

    original = FileItem.read
    monkeypatch.setattr(FileItem, "read", read)
    assert segment_batch(images, output, diameter=14).counts == {Status.OK: 3}
    assert seen == ["a", "b", "b", "c"]
    assert [row["status"] for row in table()] == ["ok", "ok", "ok"]


def test_cancelling_within_an_image(images, output, table):
    asked = []

    def cancelled():
        asked.append((output / "a_labels.tif").exists())
        return asked.count(True) > 2  # it was asked before b, and then within it

    with pytest.raises(Cancelled):
        segment_batch(images, output, cancelled=cancelled)
    assert [path.name for path in output.glob("*_labels.tif")] == ["a_labels.tif"]
    assert [Path(row["file"]).name for row in table()] == ["a.tif"]
    assert segment_batch(images, output).counts == {Status.SKIPPED: 1, Status.OK: 2}


def test_an_empty_folder(tmp_path, output):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReadError, match="No images in the folder"):
        segment_batch(tmp_path / "empty", output)
    assert not output.exists()


def test_a_folder_that_cannot_be_read(tmp_path, output, monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    (tmp_path / "closed").mkdir()
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(ReadError, match=r"Cannot read the folder .*closed: Permission denied"):
        segment_batch(tmp_path / "closed", output)


def test_an_output_that_cannot_be_written(images, output, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(WriteError, match="permission denied"):
        segment_batch(images, output)


@pytest.fixture
def movie(tmp_path, field):
    """Three frames, which are in m.tif too."""
    frames = np.stack([field, np.roll(field, 2, axis=0), np.roll(field, 4, axis=0)])
    tifffile.imwrite(tmp_path / "m.tif", frames, imagej=True, metadata={"axes": "TYX"})
    return frames


def test_tracks_lie_beside_the_labels(tmp_path, output, movie):
    segment_batch(tmp_path / "m.tif", output, diameter=14, link_time=True)
    expected = segment(movie, "TYX", diameter=14, link_time=True).features
    columns = np.loadtxt(output / "m_tracks.txt", dtype=int).T
    names = ("index", "first_frame", "last_frame", "parent")
    for name, column in zip(names, columns, strict=True):
        np.testing.assert_array_equal(column, expected[name])
    segment_batch(tmp_path / "m.tif", output, diameter=14, overwrite=True)
    assert not (output / "m_tracks.txt").exists()  # the labels are others now


def test_tracks_that_lie_there_are_only_replaced_when_told_to(tmp_path, output, movie, table):
    output.mkdir()
    tracks = output / "m_tracks.txt"
    tracks.write_text("1 0 0 0\n")
    options = {"diameter": 14, "link_time": True}
    batch = segment_batch(tmp_path / "m.tif", output, **options)
    assert batch.counts == {Status.FAILED: 1}
    assert table()[0]["message"].startswith(f"{tracks} exists already, but m_labels.tif does not;")
    result = segment(movie, "TYX", **options)
    item = FileItem(tmp_path / "m.tif", output, "m")
    with pytest.raises(WriteError, match=r"m_tracks.txt exists already"):  # since the run began
        item.write(result, item.read(None), overwrite=False)
    assert tracks.read_text() == "1 0 0 0\n"
    assert not item.labels.exists()
    assert segment_batch(tmp_path / "m.tif", output).counts == {Status.OK: 1}  # not linked in time
    assert tracks.read_text() == "1 0 0 0\n"
    segment_batch(tmp_path / "m.tif", output, overwrite=True, **options)
    assert len(tracks.read_text().splitlines()) == result.count > 1


def test_tracks_that_no_run_wrote_are_not_removed(tmp_path, output, movie, table):
    segment_batch(tmp_path / "m.tif", output, diameter=14)
    tracks = output / "m_tracks.txt"
    tracks.write_text("1 0 2 0\n")
    batch = segment_batch(tmp_path / "m.tif", output, diameter=14, overwrite=True)
    assert batch.counts == {Status.OK: 1}
    assert tracks.read_text() == "1 0 2 0\n"
    left = f"{tracks} was left, as it is not known to be of the earlier labels"
    assert left in table()[0]["message"]
    tracks.unlink()
    segment_batch(tmp_path / "m.tif", output, diameter=14, overwrite=True)
    assert "tracks" not in table()[0]["message"]


def test_probabilities_without_labels_are_only_replaced_when_told_to(images, output, field, table):
    output.mkdir()
    map_file = output / "a_probability.tif"
    map_file.write_text("mine")
    options = {"diameter": 14, "probabilities": True}
    batch = segment_batch(images / "a.tif", output, **options)
    assert batch.counts == {Status.FAILED: 1}
    message = f"{map_file} exists already, but a_labels.tif does not; remove or rename it"
    assert table()[0]["message"].startswith(message)
    item = FileItem(images / "a.tif", output, "a")
    with pytest.raises(WriteError, match=r"a_probability.tif exists already"):  # since it began
        item.write(segment(field, **options), item.read(None), overwrite=False)
    assert map_file.read_text() == "mine"
    assert not item.labels.exists()
    segment_batch(images / "a.tif", output, overwrite=True, **options)
    assert tifffile.imread(map_file).shape == field.shape


def test_probabilities_of_labels_that_are_replaced_by_some_without_go(images, output, table):
    map_file = output / "a_probability.tif"
    segment_batch(images / "a.tif", output, diameter=14, probabilities=True)
    for options in ({}, {"splitting": 0.8}):  # skipped
        segment_batch(images / "a.tif", output, diameter=14, **options)
        assert map_file.exists()
    again = segment_batch(images / "a.tif", output, diameter=14, overwrite=True)
    assert again.counts == {Status.OK: 1}
    assert not map_file.exists()
    assert table()[0]["message"] == ""


def test_probabilities_that_no_run_wrote_are_not_removed(images, output, table):
    segment_batch(images / "a.tif", output, diameter=14, probabilities=True)
    segment_batch(images / "a.tif", output, diameter=14, overwrite=True)
    map_file = output / "a_probability.tif"
    map_file.write_text("mine")
    segment_batch(images / "a.tif", output, diameter=14, overwrite=True)
    assert map_file.read_text() == "mine"
    left = f"{map_file} was left, as it is not known to be of the earlier labels"
    assert table()[0]["message"].startswith(left)


def test_a_map_that_changed_after_its_labels_is_not_removed(images, output, table):
    segment_batch(images / "a.tif", output, diameter=14, probabilities=True)
    map_file = output / "a_probability.tif"
    map_file.write_text("mine")
    later = (output / "a_labels.tif").stat().st_mtime + 60
    os.utime(map_file, (later, later))
    segment_batch(images / "a.tif", output, diameter=14, overwrite=True)
    assert map_file.read_text() == "mine"
    assert f"{map_file} was left" in table()[0]["message"]


def test_a_key_that_does_not_tell_of_maps_removes_none(images, output):
    segment_batch(images / "a.tif", output, diameter=14, probabilities=True)
    record, summary = output / "parameters.json", output / "summary.csv"
    (key,) = json.loads(record.read_text())
    for file in (record, summary):  # as of a version whose keys did not depend on maps
        file.write_text(file.read_text().replace(key, "0123abcd"))
    segment_batch(images / "a.tif", output, diameter=14, overwrite=True)
    assert (output / "a_probability.tif").exists()


def test_probabilities_of_labels_that_cannot_be_replaced_stay(images, output, monkeypatch):
    segment_batch(images / "a.tif", output, diameter=14, probabilities=True)
    before = {path.name: path.read_bytes() for path in output.glob("a_*")}
    with no_space_for_labels(monkeypatch):
        failed = segment_batch(images / "a.tif", output, diameter=14, overwrite=True)
    assert failed.counts == {Status.FAILED: 1}
    assert {path.name: path.read_bytes() for path in output.glob("a_*")} == before


@contextmanager
def no_space_for_labels(monkeypatch):
    """Let writing labels fail as long as the context lasts."""

    def fail(*_, **__):
        raise WriteError("no space")

    with monkeypatch.context() as patched:
        patched.setattr("napari_nucseg.batch.file_item.write_labels", fail)
        yield


def test_probabilities_of_labels_that_cannot_be_written_are_not_in_the_way(
    images, output, monkeypatch
):
    options = {"diameter": 14, "probabilities": True}
    with no_space_for_labels(monkeypatch):
        segment_batch(images / "a.tif", output, **options)
    assert not (output / "a_probability.tif").exists()
    assert segment_batch(images / "a.tif", output, **options).counts == {Status.OK: 1}


@pytest.mark.parametrize("labels", [True, False])
def test_a_folder_where_tracks_go_is_named(tmp_path, output, movie, table, labels):
    if labels:
        segment_batch(tmp_path / "m.tif", output, diameter=14)
    (output / "m_tracks.txt").mkdir(parents=True)
    batch = segment_batch(tmp_path / "m.tif", output, diameter=14, link_time=True)
    assert batch.counts == {Status.FAILED: 1}
    message = table()[0]["message"]
    assert "m_tracks.txt is a folder, expected a place for a file; move or rename" in message
    assert "Overwrite" not in message


def test_tracks_of_labels_that_cannot_be_written_are_not_in_the_way(
    tmp_path, output, movie, monkeypatch
):
    options = {"diameter": 14, "link_time": True}
    with no_space_for_labels(monkeypatch):
        segment_batch(tmp_path / "m.tif", output, **options)
    assert not (output / "m_tracks.txt").exists()
    assert segment_batch(tmp_path / "m.tif", output, **options).counts == {Status.OK: 1}
    assert (output / "m_tracks.txt").exists()


def test_tracks_of_labels_that_cannot_be_replaced_stay(tmp_path, output, movie, monkeypatch):
    segment_batch(tmp_path / "m.tif", output, diameter=14, link_time=True)
    before = {path.name: path.read_bytes() for path in output.glob("m_*")}
    with no_space_for_labels(monkeypatch):
        failed = segment_batch(tmp_path / "m.tif", output, diameter=14, overwrite=True)
    assert failed.counts == {Status.FAILED: 1}
    assert {path.name: path.read_bytes() for path in output.glob("m_*")} == before
    segment_batch(tmp_path / "m.tif", output, diameter=14, overwrite=True)
    assert not (output / "m_tracks.txt").exists()


def test_tracks_that_cannot_be_removed_are_told(tmp_path, output, movie, table, monkeypatch):
    segment_batch(tmp_path / "m.tif", output, diameter=14, link_time=True)
    tracks, unlink = output / "m_tracks.txt", Path.unlink

    def refuse(path, missing_ok=False):
        if path == tracks:
            raise PermissionError(13, "Permission denied")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    batch = segment_batch(tmp_path / "m.tif", output, diameter=14, overwrite=True)
    assert batch.counts == {Status.OK: 1}  # the labels are the new ones
    told = f"{tracks} is of the earlier labels but cannot be removed: Permission denied."
    assert told in table()[0]["message"]


def test_labels_whose_tracks_are_not_there_are_not_taken_for_linked_ones(
    tmp_path, output, movie, table, monkeypatch
):
    monkeypatch.setattr("napari_nucseg.batch.work.share_cores", lambda _: None)  # no worker here
    options = {"diameter": 14, "link_time": True}
    segment_batch(tmp_path / "m.tif", output, **options)
    (output / "m_tracks.txt").unlink()  # as a kill between labels and tracks leaves it
    item = FileItem(tmp_path / "m.tif", output, "m")

    again = segment_batch(tmp_path / "m.tif", output, **options)
    on_worker = segment_on_worker(item, Work(make_params(options), None, False), "run", None)

    assert again.counts == {Status.SKIPPED: 1}
    assert "1 of these without tracks" in again.describe()
    assert table()[0]["status"] == Status.OK
    assert on_worker.status is Status.FAILED
    assert not item.tracks.exists()
    plain = segment_batch(tmp_path / "m.tif", output, diameter=14)
    assert plain.counts == {Status.SKIPPED: 1}  # which needs no tracks


def test_pixel_sizes_of_numpy_are_those_of_python(images, output):
    sizes = {"Y": np.float32(0.5), "X": np.int64(1)}
    segment_batch(images, output, diameter=14, pixel_size=sizes)
    again = segment_batch(images, output, diameter=14, pixel_size={"Y": 0.5, "X": 1.0})
    assert set(again.counts) == {Status.SKIPPED}
    assert again.outdated == 0


def test_one_image_is_no_images(images, output):
    batch = segment_batch(images / "a.tif", output, diameter=14)
    batch.nuclei = 1
    assert batch.describe() == "1 of 1 file segmented (1 nucleus)"
    again = segment_batch(images / "a.tif", output, diameter=14)
    wanted = "1 skipped as it has results (Overwrite computes it again)"
    assert again.describe() == f"0 of 1 file segmented (0 nuclei), {wanted}"
    assert Outcome(Status.OK, 1, 0.5).describe() == "1 nucleus in 0.5 s"


def test_what_is_called_like_tracks_but_is_not_stays(images, output):
    output.mkdir()
    (output / "a_tracks.txt").write_text("LABEL,ID\nmine,1\n")
    segment_batch(images, output, diameter=14, overwrite=True)
    assert (output / "a_tracks.txt").read_text() == "LABEL,ID\nmine,1\n"


def test_what_killed_processes_left_of_files_goes(images, output):
    segment_batch(images, output, diameter=14)
    names = sorted(os.listdir(output))
    for name in ("a_labels.tif", "b_tracks.txt", "c_probability.tif", "summary.csv"):
        (output / f".{name}.4711.part").write_bytes(b"half a file")
    (output / ".d_labels.tif.4711.part").write_bytes(b"of an image that is not given")
    segment_batch(images, output, diameter=14)
    assert sorted(os.listdir(output)) == [".d_labels.tif.4711.part", *names]


def test_other_files_are_left_alone(images, output):
    (images / "notes.txt").write_text("notes")
    (images / "sub").mkdir()
    assert segment_batch(images, output, diameter=14).counts == {Status.OK: 3}


def test_options_and_workers_are_checked(images, output):
    for workers, said in ((0, "0"), (1.5, "1.5"), (None, "None"), ("2", "'2'")):
        with pytest.raises(InputError, match=f"workers must be a whole .* least 1, got {said}"):
            segment_batch(images, output, workers=workers)
    with pytest.raises(InputError, match=r"axes must be one string .* got 3"):
        segment_batch(images, output, axes=3)
    with pytest.raises(InputError, match="not both; got splitting"):
        segment_batch(images, output, params=SegmentParams(), splitting=0.2)
    with pytest.raises(InputError, match="Unknown axis Q"):
        segment_batch(images, output, axes="QQ")
    with pytest.raises(InputError, match=r"x\.zarr names an OME-Zarr, which holds"):
        segment_batch(images, images / "x.zarr")
    assert not (images / "x.zarr").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"inputs": None}, r"inputs must be paths or patterns .* got None; an array is"),
        ({"inputs": 3}, r"inputs must be .* got 3;"),
        ({"inputs": ["a.tif", None]}, r"inputs must be .* got None;"),
        ({"inputs": b"a.tif"}, r"inputs must be .* got b'a.tif';"),
        ({"inputs": np.zeros((2, 8, 8))}, r"inputs must be .* got a ndarray;"),
        ({"output": None}, "output must be the path of a folder, got None"),
        ({"scheduler": 3}, "scheduler must be the address .* or a Client, got 3"),
    ],
)
def test_arguments_of_another_type_are_named(images, output, arguments, message):
    with pytest.raises(InputError, match=message):
        segment_batch(**{"inputs": images, "output": output, **arguments})
    assert not output.exists()


def test_of_planes_that_are_given_as_inputs_one_is_read(output):
    read = []
    planes = (read.append(z) or np.zeros((8, 8)) for z in range(3))
    with pytest.raises(InputError, match=r"got a ndarray; an array is segmented by segment\(\)"):
        segment_batch(planes, output)
    assert read == [0]


@pytest.fixture
def numbered(tmp_path, field):
    """Write images whose names differ in case only, which get numbers in this order."""
    folder = tmp_path / "same"
    folder.mkdir()
    shifts = {"i.TIF": 0, "i.Tif": 10, "i.tif": 20}

    def write(*names):
        for name in names:
            tifffile.imwrite(folder / name, np.roll(field, shifts[name], axis=0))
        return folder

    return write


def names(table):
    """Return what the labels of each image are called."""
    return {Path(row["file"]).name: row["labels"] for row in table()}


@pytest.mark.parametrize("overwrite", [False, True])
def test_numbered_images_keep_their_names(numbered, output, table, overwrite):
    folder = numbered("i.TIF", "i.tif")
    segment_batch(folder, output, diameter=14)
    kept = {"i.TIF": "i_1_labels.tif", "i.tif": "i_2_labels.tif"}
    assert names(table) == kept
    numbered("i.Tif")  # between the two
    again = Status.OK if overwrite else Status.SKIPPED
    batch = segment_batch(folder, output, diameter=14, overwrite=overwrite)
    assert batch.counts == Counter([Status.OK, again, again])
    kept["i.Tif"] = "i_3_labels.tif"
    assert names(table) == kept
    (folder / "i.TIF").unlink()
    batch = segment_batch(folder, output, diameter=14, overwrite=overwrite)
    assert batch.counts == Counter([again, again])
    assert names(table) == kept  # also of the image that is gone, as its labels are there


def test_labels_of_an_image_that_is_gone_are_not_taken(numbered, output, table):
    folder = numbered("i.TIF", "i.tif")
    shutil.move(folder / "i.TIF", folder / "I.TIF")
    segment_batch(folder, output, diameter=14)
    kept = {"I.TIF": "I_1_labels.tif", "i.tif": "i_2_labels.tif"}
    assert names(table) == kept
    (folder / "I.TIF").unlink()
    numbered("i.Tif")  # number 1 is free, which some systems take for that of I.TIF
    for _ in range(2):
        batch = segment_batch(folder, output, diameter=14)
        assert batch.counts == {Status.FAILED: 1, Status.SKIPPED: 1}
        assert names(table) == kept | {"i.Tif": ""}
        assert table()[-1]["message"] == (
            f"{output / 'I_1_labels.tif'} exists already and was made from {folder / 'I.TIF'}; "
            "choose another Output, or Overwrite, which replaces them."
        )
    (output / "I_1_labels.tif").unlink()
    assert segment_batch(folder, output, diameter=14).counts == {Status.OK: 1, Status.SKIPPED: 1}
    assert names(table) == {"i.tif": "i_2_labels.tif", "i.Tif": "i_1_labels.tif"}


def test_names_stay_whatever_images_come_and_go(images, output, table):
    segment_batch(images, output, diameter=14)
    shutil.copy(images / "a.tif", images / "a.tiff")
    batch, _ = run(images, output, diameter="14")
    assert batch.counts == {Status.SKIPPED: 3, Status.OK: 1}
    (images / "a.tif").unlink()
    batch, _ = run(images, output, diameter="14")
    assert batch.counts == {Status.SKIPPED: 3}
    assert names(table) == {
        "a.tif": "a_labels.tif",  # the image is gone, its labels are not
        "b.tif": "b_labels.tif",
        "c.tif": "c_labels.tif",
        "a.tiff": "a_tiff_labels.tif",
    }
    (output / "a_tiff_labels.tif").unlink()  # so there is no name to keep
    assert run(images, output, diameter="14")[0].counts == {Status.SKIPPED: 2, Status.FAILED: 1}
    (output / "a_labels.tif").unlink()
    assert run(images, output, diameter="14")[0].counts == {Status.SKIPPED: 2, Status.OK: 1}
    assert names(table)["a.tiff"] == "a_labels.tif"


def test_of_two_names_in_an_older_table_the_later_one_is_kept(images, output, table):
    segment_batch(images / "a.tif", output, diameter=14)
    shutil.copy(output / "a_labels.tif", output / "a_tif_labels.tif")
    line = (output / "summary.csv").read_text().splitlines()[1]
    with open(output / "summary.csv", "a") as file:
        file.write(line.replace("a_labels", "a_tif_labels") + "\n")
    said = []
    for name in ("a_tif_labels.tif", "a_labels.tif"):
        batch = Batch.plan([images / "a.tif"], output, SegmentParams(diameter="14"))
        batch.run(finished=lambda _, outcome: said.append(outcome.describe()))
        assert said[-1] == f"skipped: {output / name} exists already"
        (output / name).unlink()
    assert [row["labels"] for row in table()] == ["a_labels.tif"]


def test_labels_stay_those_of_another_image_if_overwriting_them_fails(
    images, tmp_path, output, table
):
    segment_batch(images / "a.tif", output, diameter=14)
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.tif").write_text("no pixels")
    for overwrite in (True, False):
        batch = segment_batch(other, output, diameter=14, overwrite=overwrite)
        assert batch.counts == {Status.FAILED: 1}
        assert [(row["status"], row["labels"]) for row in table()] == [
            ("ok", "a_labels.tif"),
            ("failed", ""),
        ]
    assert f"was made from {images / 'a.tif'}" in table()[1]["message"]


def test_labels_that_could_not_be_replaced_are_of_their_old_parameters(images, output, table):
    run(images, output, diameter="14")
    keys = {row["labels"]: row["parameters"] for row in table()}
    good = (images / "b.tif").read_bytes()
    (images / "b.tif").write_text("no pixels")
    batch, _ = run(images, output, overwrite=True, diameter="14", splitting=0.8)
    assert batch.counts == {Status.OK: 2, Status.FAILED: 1}
    rows = {row["labels"]: row for row in table()}
    assert rows["b_labels.tif"]["status"] == "failed"
    assert rows["b_labels.tif"]["parameters"] == keys["b_labels.tif"]
    assert rows["a_labels.tif"]["parameters"] != keys["a_labels.tif"]
    (images / "b.tif").write_bytes(good)
    for _ in range(2):
        batch, remarks = run(images, output, diameter="14", splitting=0.8)
        other = "made with other parameters (splitting 0.5, now 0.8)"
        assert remarks == {"a.tif": "", "b.tif": other, "c.tif": ""}
        assert batch.counts == {Status.SKIPPED: 3}
        (row,) = [row for row in table() if row["labels"] == "b_labels.tif"]
        assert (row["status"], row["parameters"]) == ("skipped", keys["b_labels.tif"])
        assert int(row["nuclei"]) > 0


@pytest.mark.parametrize("killed", [False, True])
def test_what_a_stopped_run_did_not_replace_is_of_its_old_parameters(
    images, output, table, monkeypatch, killed
):
    run(images, output, diameter="14")
    if killed:  # it does not come to tidy the table
        monkeypatch.setattr(SummaryTable, "replace", lambda *_: None)
    done = []
    batch = Batch.plan([images], output, SegmentParams(diameter="20"), overwrite=True)
    with pytest.raises(Cancelled):
        batch.run(finished=lambda *one: done.append(one), cancelled=lambda: bool(done))
    assert len(table()) == 3 + killed
    monkeypatch.undo()
    _, remarks = run(images, output, diameter="20")
    other = "made with other parameters (diameter 14, now 20)"
    assert remarks == {"a.tif": "", "b.tif": other, "c.tif": other}
    assert len(table()) == 3


@pytest.mark.parametrize(
    ("content", "rows", "message"),
    [
        (b"", True, "is empty"),
        (b"", False, "is empty"),
        (b"II*\0 no labels", False, "cannot be read"),  # with a row they are not read
    ],
)
def test_labels_that_hold_nothing_are_no_result(images, output, table, content, rows, message):
    run(images, output, diameter="14")
    (output / "b_labels.tif").write_bytes(content)
    if not rows:
        (output / "summary.csv").write_text("")
    for _ in range(2):
        batch, _ = run(images, output, diameter="14")
        assert batch.counts == {Status.SKIPPED: 2, Status.FAILED: 1}
        (row,) = [row for row in table() if row["status"] == "failed"]
        expected = f"{output / 'b_labels.tif'} {message}; remove it to have it computed again."
        assert row["message"] == expected
    assert run(images, output, diameter="14", overwrite=True)[0].counts == {Status.OK: 3}


def test_an_image_that_changed_after_its_labels_is_named(images, output):
    run(images, output, diameter="14")
    for stem, later in (("a", 1), ("b", 0), ("c", -1)):  # in nanoseconds
        made = (output / f"{stem}_labels.tif").stat().st_mtime_ns
        os.utime(images / f"{stem}.tif", ns=(made + later, made + later))
    said = {}
    batch = Batch.plan([images], output, SegmentParams(diameter="14"))
    batch.run(finished=lambda item, outcome: said.update({item.stem: outcome.describe()}))
    there = f"skipped: {output / 'a_labels.tif'} exists already"
    assert said["a"] == f"{there}, the image is newer than its labels"
    assert said["b"].endswith("b_labels.tif exists already")
    assert said["c"].endswith("c_labels.tif exists already")
    assert batch.describe().endswith(
        "3 skipped as they have results (Overwrite computes them again), 1 of these older than "
        "the image"
    )
    batch = Batch.plan([images], output, SegmentParams(diameter="20"))
    batch.run(finished=lambda item, outcome: said.update({item.stem: outcome.describe()}))
    other = "made with other parameters (diameter 14, now 20)"
    assert said["a"] == f"{there}, {other}, the image is newer than its labels"
    assert batch.describe().endswith(
        ", 3 of these made with other parameters, 1 of these older than the image"
    )


@pytest.mark.parametrize("overwrite", [False, True])
def test_failed_images_that_are_gone_leave_the_table(images, output, table, overwrite):
    for stem in "bc":
        (images / f"{stem}.tif").write_text("no pixels")
    run(images, output, diameter="14")
    (images / "b.tif").unlink()
    run(images / "a.tif", output, diameter="14", overwrite=overwrite)
    kept = {Path(row["file"]).name: row["status"] for row in table()}
    assert kept == {"a.tif": "ok", "c.tif": "failed"}
    (images / "a.tif").unlink()
    run(images / "c.tif", output, diameter="14", overwrite=overwrite)
    kept = {Path(row["file"]).name: row["status"] for row in table()}
    assert kept == {"a.tif": "ok", "c.tif": "failed"}  # a has labels


def test_looking_up_what_is_finished_does_not_grow_with_the_square(tmp_path, output, monkeypatch):
    """2,000 files of the same name, finished earlier: each row is looked at once or twice."""
    sources = []
    for i in range(2000):
        folder = tmp_path / f"d{i}"
        folder.mkdir()
        (folder / "x.tif").touch()
        sources.append(folder / "x.tif")
    output.mkdir()
    batch = Batch.plan(sources, output, SegmentParams())
    summary = SummaryTable(output / "summary.csv")
    rows = [
        dict.fromkeys((*COLUMNS, *PLACE), "")
        | {"file": item.file, "nuclei": "1", "status": "ok", "labels": item.labels.name}
        for item in batch.items
    ]
    for item in batch.items:
        item.labels.write_bytes(b"labels")
    summary.replace(rows)
    batch = Batch.plan(sources, output, SegmentParams())
    looked = []
    original = results._key
    monkeypatch.setattr(results, "_key", lambda row: looked.append(1) or original(row))
    batch.run()
    assert batch.counts == {Status.SKIPPED: 2000}
    assert len(looked) <= 3 * 2000


def test_one_run_at_a_time_writes_into_a_folder(images, output):
    batch = Batch.plan([images], output, SegmentParams(diameter="14"))
    lock = take_lock(output / LOCK, "", "")
    said = (
        rf"Another run writes into {output} \(process {os.getpid()} on .*\); wait for its end, or"
    )
    with pytest.raises(InputError, match=said):
        batch.run()
    give_back(lock, remove=True)
    assert list(output.iterdir()) == []  # nothing of the run that was refused
    batch.run()
    assert batch.counts == {Status.OK: 3}
    assert LOCK not in os.listdir(output)


def test_what_another_run_did_since_the_plan_is_kept(images, output, table):
    late = Batch.plan([images / "a.tif"], output, SegmentParams(diameter="14"))
    segment_batch([images / "b.tif"], output, diameter=20)
    late.run()
    keys = {Path(row["file"]).name: row["parameters"] for row in table()}
    assert sorted(keys) == ["a.tif", "b.tif"]
    assert set(json.loads((output / "parameters.json").read_text())) == set(keys.values())


def test_an_error_that_nobody_foresaw_stays_with_its_image(images, output, table, monkeypatch):
    original = FileItem.read

    def read(item, axes):
        if item.stem == "b":
            raise LookupError("no such codec")
        return original(item, axes)

    monkeypatch.setattr(FileItem, "read", read)
    assert segment_batch(images, output, diameter=14).counts == {Status.OK: 2, Status.FAILED: 1}
    rows = {row["file"]: row for row in table()}
    message = rows[str(images / "b.tif")]["message"]
    assert message == "LookupError: no such codec (see tracebacks.txt)"
    kept = (output / "tracebacks.txt").read_text()
    header, _, error = kept.partition("\n\n")
    assert re.fullmatch(
        rf"napari-nucseg {re.escape(napari_nucseg.__version__)}, run of [-\d]+ [\d:]+", header
    )
    assert error.startswith(f"{images / 'b.tif'}\nTraceback (most recent call last):\n")
    assert kept.count('raise LookupError("no such codec")') == 1  # that of the second try


@pytest.mark.parametrize("error", [LookupError("mine"), ReadError("mine"), MemoryError("mine")])
def test_an_error_of_the_callers_progress_is_no_failure_of_an_image(images, output, error):
    told = []

    def tiles(*progress):
        told.append(progress)
        raise error

    batch = Batch.plan([images], output, SegmentParams(diameter="14"))
    with pytest.raises(type(error), match="mine") as caught:
        batch.run(tiles=tiles)
    assert caught.value is error
    assert len(told) == 1
    assert batch.counts == {}


@pytest.mark.parametrize("before", [None, "my own notes\n"])
def test_tracebacks_of_earlier_runs_go_when_all_is_computed_again(
    images, output, monkeypatch, before
):
    def read(item, axes):
        raise LookupError(f"no codec for {item.stem}")

    kept = output / "tracebacks.txt"
    output.mkdir()
    if before:
        kept.write_text(before)
    monkeypatch.setattr(FileItem, "read", read)
    segment_batch([images / "a.tif", images / "b.tif"], output)
    assert kept.read_text().count("napari-nucseg ") == 1  # for both images
    segment_batch(images / "c.tif", output)
    assert kept.read_text().count("napari-nucseg ") == 2
    monkeypatch.undo()
    segment_batch(images, output, diameter=14, overwrite=True)
    assert kept.exists() == (before is not None)  # what is not ours stays
    if before:
        assert kept.read_text().startswith(before)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda images: segment_batch(images, ""), "^output is empty"),
        (lambda images: segment_batch("", images / "out"), "^An input is empty"),
        (lambda images: segment_batch(images, images / "out", model=""), "no model ''"),
        (lambda images: segment_large(images / "a.tif", ""), "^target is empty"),
        (lambda _: segment(np.zeros((32, 32)), model=""), "no model ''"),
    ],
)
def test_empty_names(images, tmp_path, monkeypatch, call, message):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    with pytest.raises((InputError, ReadError, ModelError), match=message):
        call(images)
    assert list(here.iterdir()) == []
    assert not (images / "out").exists()
