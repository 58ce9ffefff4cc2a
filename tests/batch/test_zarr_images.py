"""OME-Zarr images in a folder, each one item of a batch."""

import os
import shutil

import numpy as np
import pytest
import zarr
from plates import multiscale

from napari_nucseg import segment, segment_batch
from napari_nucseg.batch.outcome import Status
from napari_nucseg.errors import InputError
from napari_nucseg.io.plate import read_ome
from napari_nucseg.io.plate_field import read_field
from napari_nucseg.io.reading import read_image
from napari_nucseg.large import rule


@pytest.fixture(params=["0.4", "0.5"])
def with_zarr(request, images, field):
    """The folder of images, with the OME-Zarr image d.ome.zarr (C, Y, X)."""
    newer = request.param == "0.5"
    group = zarr.open_group(images / "d.ome.zarr", mode="w", zarr_format=3 if newer else 2)
    content = {"multiscales": [multiscale()]}
    group.attrs.update({"ome": {"version": "0.5", **content}} if newer else content)
    group.create_array("0", data=field[None], chunks=(1, 64, 64))
    return images


def test_ome_zarr_images_of_a_folder(with_zarr, output, table, field):
    batch = segment_batch(with_zarr, output, diameter="7 um", probabilities=True, axes=None)
    failed = [row for row in table() if row["status"] == "failed"]
    assert [row["file"][-5:] for row in failed] == ["a.tif", "b.tif", "c.tif"]  # no pixel size
    written = read_field(output / "d_labels.ome.zarr")
    np.testing.assert_array_equal(written.pixels(), segment(field, diameter=14).labels)
    assert dict(written.placement.translation) == {"Y": 7.0, "X": 9.0}
    source = read_ome(output / "d_labels.ome.zarr")["image-label"]["source"]["image"]
    assert source == "../../images/d.ome.zarr"
    assert (output / "d_probability.ome.zarr").is_dir()
    assert batch.counts[Status.OK] == 1


def test_probabilities_go_with_the_labels_they_were_of(with_zarr, output):
    image = with_zarr / "d.ome.zarr"
    for options in ({"probabilities": True}, {}):
        segment_batch(image, output, diameter=14, **options)
        assert (output / "d_probability.ome.zarr").is_dir()
    segment_batch(image, output, diameter=14, overwrite=True)
    assert not list(output.glob("*probability*"))
    assert not list(output.glob(".*"))


@pytest.mark.parametrize("workers", [1, 2])
def test_the_pixel_size_is_that_of_all_images(with_zarr, output, field, workers):
    given = {"Y": 0.25, "X": 0.25}
    options = {"diameter": "3.5 um", "pixel_size": given, "workers": workers}
    assert segment_batch(with_zarr, output, **options).counts == {Status.OK: 4}
    written = read_field(output / "d_labels.ome.zarr")
    np.testing.assert_array_equal(written.pixels(), segment(field, diameter=14).labels)
    assert written.pixel_size == given
    assert dict(written.placement.translation) == {"Y": 7.0, "X": 9.0}  # stays where it is
    for name in "abc":
        assert read_image(output / f"{name}_labels.tif").pixel_size == given
    with pytest.raises(InputError, match="pixel_size must map some of the axes Z, Y and X"):
        segment_batch(with_zarr, output, pixel_size=0.25)


def test_ome_zarr_images_are_skipped_and_results_are_no_inputs(with_zarr, output):
    assert segment_batch(with_zarr, output, diameter=14).counts == {Status.OK: 4}
    assert segment_batch(with_zarr, output, diameter=14).counts == {Status.SKIPPED: 4}
    one = segment_batch(with_zarr / "d.ome.zarr", output, diameter=14, overwrite=True)
    assert one.counts == {Status.OK: 1}
    group = zarr.open_group(with_zarr / "d_labels.ome.zarr", mode="w", zarr_format=2)
    group.attrs["multiscales"] = [multiscale()]
    assert segment_batch(with_zarr, output, diameter=14).counts == {Status.SKIPPED: 4}


@pytest.mark.parametrize("count", [1, 2])
def test_the_first_image_of_a_converted_file(images, output, table, field, count):
    group = zarr.open_group(images / "d.zarr", mode="w", zarr_format=2)
    group.attrs["bioformats2raw.layout"] = 3
    for series in range(count):
        image = group.create_group(str(series))
        image.attrs["multiscales"] = [multiscale()]
        image.create_array("0", data=np.roll(field, 5 * series, axis=0)[None])
    assert segment_batch(images, output, diameter=14).counts == {Status.OK: 4}
    row = next(row for row in table() if row["file"].endswith("d.zarr"))
    assert ("The file has 2 images, of which the first was used." in row["message"]) == (count == 2)
    written = output / "d_labels.ome.zarr"
    np.testing.assert_array_equal(read_field(written).pixels(), segment(field, diameter=14).labels)
    source = read_ome(written)["image-label"]["source"]["image"]
    assert source == "../../images/d.zarr/0"


def test_an_image_that_was_replaced_is_newer_than_its_labels(with_zarr, output):
    segment_batch(with_zarr, output, diameter=14)
    for metadata in (output / "d_labels.ome.zarr").iterdir():
        made = metadata.stat().st_mtime_ns - 10**9  # as clocks of file systems are coarse
        os.utime(metadata, ns=(made, made))
    image = with_zarr / "d.ome.zarr"
    shutil.move(image, image.with_name("d"))
    shutil.copytree(image.with_name("d"), image, copy_function=shutil.copyfile)
    assert segment_batch(with_zarr, output, diameter=14).newer == 1


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null"])
def test_a_damaged_image_of_a_folder_fails_by_itself(with_zarr, output, table, content):
    newer = (with_zarr / "d.ome.zarr" / "zarr.json").exists()
    metadata = with_zarr / "d.ome.zarr" / ("zarr.json" if newer else ".zattrs")
    sound = metadata.read_bytes()
    metadata.write_bytes(content)
    zarr.open_group(with_zarr / "other.zarr", mode="w").attrs["x"] = 1  # no image, but sound
    batch = segment_batch(with_zarr, output, diameter=14)
    assert batch.counts == {Status.OK: 3, Status.FAILED: 1}
    row = table()[-1]
    assert row["file"] == str(with_zarr / "d.ome.zarr")
    assert row["message"] == f"Cannot read {metadata}: it is not the JSON metadata of Zarr."
    given = segment_batch(with_zarr / "d.ome.zarr", output, diameter=14)
    assert given.counts == {Status.FAILED: 1}
    metadata.write_bytes(sound)
    assert segment_batch(with_zarr, output, diameter=14).counts == {Status.OK: 1, Status.SKIPPED: 3}


def test_metadata_that_may_not_be_read(with_zarr, output, table, forbid_reading):
    forbid_reading("d.ome.zarr")
    batch = segment_batch(with_zarr, output, diameter=14)
    assert batch.counts == {Status.OK: 3, Status.FAILED: 1}
    assert table()[-1]["message"].endswith(": Permission denied.")


def test_large_ome_zarr_images_are_for_the_command_of_one(with_zarr, output, table, monkeypatch):
    monkeypatch.setattr(rule, "LAZY_PLANE", 5000)
    batch = segment_batch(with_zarr, output, diameter=14)
    assert batch.counts == {Status.OK: 3, Status.FAILED: 1}
    (row,) = [row for row in table() if row["status"] == "failed"]
    assert "9,216 pixels, more than 5,000" in row["message"]
    command = f"napari-nucseg segment {with_zarr}/d.ome.zarr --output {output}/d_labels.ome.zarr"
    assert command in row["message"]
