"""OME-Zarr plates: every field of every well is an image."""

import json
import os
import shutil

import numpy as np
import pytest
import zarr
from plates import WELLS, field_image, write_plate

from napari_nucseg import segment, segment_batch
from napari_nucseg.batch.outcome import Status
from napari_nucseg.errors import ReadError, WriteError
from napari_nucseg.io.earlier import remove_bare_plate
from napari_nucseg.io.plate import is_plate, list_fields, read_ome
from napari_nucseg.io.plate_field import field_with, read_field

FIELDS = [(well, name) for well, names in WELLS.items() for name in names]


@pytest.fixture(params=["0.4", "0.5"])
def version(request):
    return request.param


@pytest.fixture
def plate(tmp_path, field, version):
    return write_plate(tmp_path / "screen.zarr", field, version)


def expected(field, well, name):
    n = list(WELLS).index(well)
    return segment(field_image(field, n, int(name)), diameter=14).labels


def files(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_every_field_is_segmented(plate, output, table, field, version):
    before = files(plate)
    batch = segment_batch(plate, output, diameter="7 um")
    assert batch.counts == {Status.OK: 3}
    assert files(plate) == before
    result = output / "screen_labels.zarr"
    assert is_plate(result)
    assert [(one.well, one.name) for one in list_fields(result)] == FIELDS
    assert read_ome(result)["plate"] == read_ome(plate)["plate"]
    for well, name in FIELDS:
        written = read_field(result / well / name)
        np.testing.assert_array_equal(written.pixels(), expected(field, well, name))
        assert written.data.dtype == np.uint16
        assert written.axes == "YX"
        assert written.pixel_size == {"Y": 0.5, "X": 0.5}
        assert zarr.open_array(result / well / name / "0").metadata.zarr_format == (
            3 if version == "0.5" else 2
        )
    rows = table()
    assert [(row["plate"], row["well"], row["field"]) for row in rows] == [
        ("screen.zarr", *place) for place in FIELDS
    ]
    assert [row["file"] for row in rows] == [str(plate / well / name) for well, name in FIELDS]
    assert sum(int(row["nuclei"]) for row in rows) == batch.nuclei > 0


def test_labels_say_what_they_are_of(plate, output):
    segment_batch(plate, output, diameter=14)
    ome = read_ome(output / "screen_labels.zarr" / "B/3/0")
    assert ome["image-label"]["source"]["image"] == "../../../../../screen.zarr/B/3/0"
    (image,) = ome["multiscales"]
    assert [axis["name"] for axis in image["axes"]] == ["y", "x"]
    assert image["datasets"][0]["coordinateTransformations"] == [
        {"type": "scale", "scale": [0.5, 0.5]},
        {"type": "translation", "translation": [7.0, 9.0]},
    ]


def test_probabilities_have_a_plate_of_their_own(plate, output, field):
    segment_batch(plate, output, diameter=14, probabilities=True)
    written = read_field(output / "screen_probability.zarr" / "A/1/0")
    maps = segment(field, diameter=14, probabilities=True).probabilities
    np.testing.assert_array_equal(written.pixels(), maps)


def test_probabilities_go_with_the_labels_they_were_of(plate, output):
    maps = output / "screen_probability.zarr"
    segment_batch(plate, output, diameter=14, probabilities=True)
    segment_batch(plate, output, diameter=14)
    assert {place for place in FIELDS if (maps / "/".join(place)).exists()} == {*FIELDS}
    shutil.rmtree(plate / "B/3/0")  # so that this field fails, and keeps what it has
    segment_batch(plate, output, diameter=14, overwrite=True)
    assert [place for place in FIELDS if (maps / "/".join(place)).exists()] == [("B/3", "0")]


def test_a_plate_with_an_array_of_zeros_stays(tmp_path):
    plate = tmp_path / "maps.zarr"
    zarr.open_group(plate, mode="w").create_array("A/1/0/0", shape=(4, 4), dtype="float32")
    assert not [path for path in plate.rglob("*") if path.is_file() and path.name != "zarr.json"]
    remove_bare_plate(plate)
    assert plate.exists()


@pytest.mark.parametrize("other", [[], ["notes.txt"]])
def test_a_plate_without_probabilities_left_goes(plate, output, other):
    segment_batch(plate, output, diameter=14, probabilities=True)
    maps = output / "screen_probability.zarr"
    for name in other:
        (maps / name).write_text("mine")
    segment_batch(plate, output, diameter=14, overwrite=True)
    assert maps.exists() == bool(other)
    assert (output / "screen_labels.zarr" / "B/3/0").is_dir()


def test_tracks_are_in_the_attributes_of_the_labels(plate, output):
    segment_batch(plate, output, axes="TYX", diameter=14, link_time=True)
    labels = output / "screen_labels.zarr" / "A/1/0"
    count = int(read_field(labels).pixels().max())
    tracks = zarr.open_group(labels, mode="r").attrs["napari-nucseg"]["tracks"]
    assert tracks == [[nucleus, 0, 0, 0] for nucleus in range(1, count + 1)]


def test_what_is_finished_is_skipped(plate, output, table):
    segment_batch(plate, output, diameter=14)
    first = table()
    shutil.rmtree(output / "screen_labels.zarr" / "A/1/1")
    before = files(output / "screen_labels.zarr" / "B")
    batch = segment_batch(plate, output, diameter=14)
    assert batch.counts == {Status.OK: 1, Status.SKIPPED: 2}
    assert files(output / "screen_labels.zarr" / "B") == before
    assert {row["file"]: row["nuclei"] for row in table()} == {
        row["file"]: row["nuclei"] for row in first
    }


def test_a_plate_keeps_its_name(plate, output, images):
    segment_batch(plate, output, diameter=14)
    image = shutil.copy(images / "a.tif", plate.with_name("screen.tif"))
    both = segment_batch([image, plate], output, diameter=14)
    assert both.counts == {Status.OK: 1, Status.SKIPPED: 3}
    assert (output / "screen_tif_labels.tif").exists()
    plate.rename(plate.with_name("older.zarr"))
    assert segment_batch(image, output, diameter=14).counts == {Status.SKIPPED: 1}


def test_a_plate_that_wrote_into_that_of_another_gets_its_own(plate, tmp_path, output):
    segment_batch(plate, output, diameter=14)
    (tmp_path / "other").mkdir()
    other = shutil.copytree(plate, tmp_path / "other" / "screen.zarr")
    shutil.rmtree(output / "screen_labels.zarr" / "B/3/0")
    alone = segment_batch(other, output, diameter=14)
    assert alone.counts == {Status.FAILED: 2, Status.OK: 1}
    both = segment_batch([plate, other], output, diameter=14, overwrite=True)
    assert both.counts == {Status.OK: 6}
    assert len({item.labels for item in both.items}) == 6


def test_a_field_whose_metadata_are_newer_than_those_of_its_labels(plate, output, version):
    segment_batch(plate, output, diameter=14)
    place = os.path.join("B", "3", "0", "zarr.json" if version == "0.5" else ".zattrs")
    made = (output / "screen_labels.zarr" / place).stat().st_mtime_ns
    for later in (0, 1):  # in nanoseconds
        os.utime(plate / place, ns=(made + later, made + later))
        assert segment_batch(plate, output, diameter=14).newer == later


def test_overwrite(plate, output):
    segment_batch(plate, output, diameter=14)
    batch = segment_batch(plate, output, diameter=14, certainty=1.0, overwrite=True)
    assert batch.counts == {Status.OK: 3}
    assert not read_field(output / "screen_labels.zarr" / "A/1/0").pixels().any()
    assert not list(output.rglob("*.partial"))


def write_field(*arguments, overwrite):
    with field_with(*arguments, overwrite=overwrite):
        pass


def test_the_old_field_stays_if_the_new_one_cannot_take_its_place(plate, tmp_path, monkeypatch):
    source, target = plate / "A" / "1" / "0", tmp_path / "field"
    image = read_field(source)
    labels = np.ones((8, 8), np.int32)
    write_field(target, source, labels, "YX", image, overwrite=False)
    before, replace = files(target), os.replace

    def refuse(old, new):
        if str(new) == str(target) and str(old).endswith(".partial"):  # none of zarr's own files
            raise PermissionError(13, "Permission denied")
        replace(old, new)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        with pytest.raises(WriteError):
            write_field(target, source, labels * 2, "YX", image, overwrite=True)
    assert files(target) == before
    write_field(target, source, labels * 2, "YX", image, overwrite=True)
    assert (zarr.open_group(target, mode="r")["0"][...] == 2).all()
    assert not list(tmp_path.glob(".field.*"))


def test_what_others_are_writing_stays_and_what_a_kill_left_goes(plate, output):
    segment_batch(plate, output, diameter=14)
    target = output / "screen_labels.zarr" / "A/1/0"
    other = target.with_name(".0.1234.partial")
    other.mkdir()
    labels = read_field(target)
    write_field(target, plate / "A/1/0", labels.pixels(), labels.axes, labels, overwrite=True)
    assert other.exists()
    assert segment_batch(plate, output, diameter=14).counts == {Status.SKIPPED: 3}
    assert not other.exists()


def test_a_damaged_field_does_not_stop_the_rest(plate, output, table):
    chunk = next(p for p in (plate / "A/1/0/0").rglob("*") if p.is_file() and p.name == "0")
    chunk.write_bytes(b"no pixels")
    batch = segment_batch(plate, output, diameter=14)
    assert batch.counts == {Status.OK: 2, Status.FAILED: 1}
    row = next(row for row in table() if row["status"] == "failed")
    assert (row["well"], row["field"]) == ("A/1", "0")
    assert "a chunk is damaged" in row["message"]
    assert not (output / "screen_labels.zarr" / "A/1/0").exists()


@pytest.mark.parametrize(
    ("missing", "message"),
    [("", "there is no such file or folder"), ("0", "which is not there")],
)
def test_a_field_that_is_missing(plate, output, table, missing, message):
    shutil.rmtree(plate / "B/3/0" / missing)
    assert segment_batch(plate, output, diameter=14).counts[Status.FAILED] == 1
    assert message in next(row["message"] for row in table() if row["well"] == "B/3")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda image: image["axes"].pop(), "its axes contradict its pixels"),
        (lambda image: image.pop("datasets"), "metadata are not valid (datasets"),
    ],
)
def test_metadata_that_contradict_the_image(tmp_path, output, table, field, change, message):
    plate = write_plate(tmp_path / "screen.zarr", field, "0.4")
    path = plate / "A/1/0/.zattrs"
    metadata = json.loads(path.read_text())
    change(metadata["multiscales"][0])
    path.write_text(json.dumps(metadata))
    assert segment_batch(plate, output, diameter=14).counts[Status.FAILED] == 1
    assert message in table()[0]["message"]


def test_a_well_without_metadata_is_reported(tmp_path, output, table, field):
    plate = write_plate(tmp_path / "screen.zarr", field, "0.4")
    shutil.rmtree(plate / "B")
    assert segment_batch(plate, output, diameter=14).counts == {Status.OK: 2, Status.FAILED: 1}
    assert table()[-1]["well"] == "B/3"


def test_a_damaged_well_does_not_stop_the_rest(tmp_path, output, table, field):
    plate = write_plate(tmp_path / "screen.zarr", field, "0.4")
    (plate / "A/1/.zattrs").write_text('{"well": ')
    shutil.rmtree(plate / "A/1/0")
    assert segment_batch(plate, output, diameter=14).counts == {Status.OK: 1, Status.FAILED: 1}
    assert {row["well"]: row["status"] for row in table()} == {"A/1": "failed", "B/3": "ok"}


def rename_wells(plate, name):
    metadata = json.loads((plate / ".zattrs").read_text())
    for well in metadata["plate"]["wells"]:
        well["path"] = name(well["path"])
    (plate / ".zattrs").write_text(json.dumps(metadata))


def test_paths_of_wells_with_a_slash_in_front_lie_in_the_plate(tmp_path, output, field):
    plate = write_plate(tmp_path / "screen.zarr", field, "0.4")
    elsewhere = tmp_path / "elsewhere"
    rename_wells(plate, lambda path: f"{elsewhere}/{path}")
    shutil.copytree(plate / "A", plate / str(elsewhere).strip("/") / "A")
    assert segment_batch(plate, output, diameter=14).counts == {Status.OK: 2, Status.FAILED: 1}
    assert not elsewhere.exists()
    labels = output / "screen_labels.zarr" / str(elsewhere).strip("/") / "A/1/0"
    assert read_field(labels).axes == "YX"


@pytest.mark.parametrize("path", ["C:/A/1", "..\\A/1", "A/../1", "A//1"])
def test_paths_of_wells_that_lead_elsewhere(tmp_path, output, field, path):
    plate = write_plate(tmp_path / "screen.zarr", field, "0.4")
    rename_wells(plate, lambda _: path)
    with pytest.raises(ReadError, match=r"list no wells with a path such as 'A/1'"):
        segment_batch(plate, output)


def test_a_damaged_plate_of_a_folder_fails_as_a_whole(images, output, table, field, version):
    plate = write_plate(images / "screen.zarr", field, version)
    metadata = plate / ("zarr.json" if version == "0.5" else ".zattrs")
    sound = metadata.read_bytes()
    metadata.write_bytes(sound[:20])
    batch = segment_batch(images, output, diameter=14)
    assert batch.counts == {Status.OK: 3, Status.FAILED: 1}
    assert table()[-1]["message"] == f"Cannot read {metadata}: it is not the JSON metadata of Zarr."
    metadata.write_bytes(sound)
    assert segment_batch(images, output, diameter=14).counts == {Status.OK: 3, Status.SKIPPED: 3}
    assert {row["status"] for row in table()} == {"ok"}


def test_a_store_that_is_no_plate(tmp_path, output):
    zarr.open_group(tmp_path / "x.zarr", mode="w")
    with pytest.raises(ReadError, match="without the metadata of an OME-Zarr image or plate"):
        segment_batch(tmp_path / "x.zarr", output)
    assert not output.exists()


def test_a_plate_without_wells(tmp_path, output, field):
    plate = write_plate(tmp_path / "screen.zarr", field, "0.4")
    (plate / ".zattrs").write_text('{"plate": {"wells": [{"path": "../.."}]}}')
    with pytest.raises(ReadError, match=r"list no wells with a path such as 'A/1'"):
        segment_batch(plate, output)
    (plate / ".zattrs").write_text('{"plate": {"wells": []}}')
    with pytest.raises(ReadError, match="has no fields"):
        segment_batch(plate, output)


def test_something_else_where_labels_go(tmp_path, output, field):
    plate = write_plate(tmp_path / "screen.zarr", field, "0.4")
    other = output / "screen_labels.zarr"
    zarr.create_array(other, shape=(2,), dtype="u1", zarr_format=2)
    before = files(other)
    with pytest.raises(WriteError, match="exists already and is no plate"):
        segment_batch(plate, output, overwrite=True)
    assert files(other) == before


def test_plates_and_files_of_a_folder(tmp_path, images, table, field):
    write_plate(images / "b.zarr", field, "0.5")
    output = tmp_path / "results"
    batch = segment_batch(images, output, diameter=14)
    assert batch.counts == {Status.OK: 6}
    assert sorted(path.name for path in output.iterdir()) == [
        "a_labels.tif",
        "b_tif_labels.tif",
        "b_zarr_labels.zarr",
        "c_labels.tif",
        "parameters.json",
        "summary.csv",
    ]
    assert segment_batch(images, output, diameter=14).counts == {Status.SKIPPED: 6}
    with pytest.raises(ReadError, match="No images in the folder"):
        segment_batch(output, output)  # results are no inputs
