"""What the labels say about themselves: OME-Zarr in, OME-Zarr out."""

import json

import numpy as np
import pytest
import tifffile
import zarr
from stores import read_labels, write_ome

import napari_nucseg
from napari_nucseg import segment_large
from napari_nucseg.errors import InputError
from napari_nucseg.io.lazy import LazyImage, open_lazily
from napari_nucseg.io.ngff import Placement, ngff_content
from napari_nucseg.registry import find_model

OPTIONS = {"diameter": 18, "block": 160}


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_version_axes_and_place_are_those_of_the_image(tmp_path, target, field, version):
    image = np.stack([field.image[:160, :160]] * 2)[:, None]  # T, Z of length 1
    source = write_ome(tmp_path / "i.zarr", image, "tzyx", version, scale=0.25, shift=7.0)
    segment_large(source, target, **OPTIONS)
    group = zarr.open_group(target, mode="r")
    attributes = group.attrs.asdict()
    assert group.metadata.zarr_format == {"0.4": 2, "0.5": 3}[version]
    assert ("ome" in attributes) is (version == "0.5")
    content = ngff_content(attributes)
    assert content["image-label"]["source"] == {"image": "../i.zarr"}
    (multiscale,) = content["multiscales"]
    assert multiscale["axes"] == [
        {"name": "t", "type": "time"},
        {"name": "z", "type": "space", "unit": "micrometer"},
        {"name": "y", "type": "space", "unit": "micrometer"},
        {"name": "x", "type": "space", "unit": "micrometer"},
    ]
    assert multiscale["datasets"] == [
        {
            "path": "0",
            "coordinateTransformations": [
                {"type": "scale", "scale": [2.0, 2.0, 0.25, 0.25]},
                {"type": "translation", "translation": [0.0, 0.0, 7.0, 7.0]},
            ],
        }
    ]
    again = open_lazily(target)
    assert (again.axes, again.version) == ("TZYX", version)
    assert again.placement == open_lazily(source).placement
    if version == "0.5":
        assert group["0"].metadata.dimension_names == ("t", "z", "y", "x")


def test_an_array_that_knows_where_it_lies(target, field):
    units = {"Y": "micrometer", "X": "micrometer"}
    placement = Placement({"Y": 0.5, "X": 0.5}, {"Y": 3.0, "X": 4.0}, units)
    result = segment_large(LazyImage(field.image, "YX", placement), target, diameter="9 um")
    assert result.diameter == 18.0
    assert open_lazily(target).placement == placement


def test_the_pyramid_has_every_second_pixel(target, field, monkeypatch):
    monkeypatch.setattr("napari_nucseg.large.labels.SMALLEST", 100)
    segment_large(field.image, target, diameter=18, block=96)
    group = zarr.open_group(target, mode="r")
    labels = read_labels(target)
    assert [group[str(level)].shape for level in range(3)] == [(288, 336), (144, 168), (72, 84)]
    np.testing.assert_array_equal(group["1"][...], labels[::2, ::2])
    np.testing.assert_array_equal(group["2"][...], labels[::4, ::4])
    datasets = group.attrs["multiscales"][0]["datasets"]
    scales = [d["coordinateTransformations"][0]["scale"] for d in datasets]
    assert scales == [[1.0, 1.0], [2.0, 2.0], [4.0, 4.0]]


def test_the_record_repeats_the_call(source, target, tmp_path):
    result = segment_large(source, target, **OPTIONS)
    record = zarr.open_group(target, mode="r").attrs["napari-nucseg"]
    assert record == json.loads(json.dumps(result.record))
    assert record["version"] == napari_nucseg.__version__
    assert record["model_sha256"] == find_model("nuclei").hashes["model.tflite"]
    assert record["nuclei"] == result.count
    again = tmp_path / "again.zarr"
    options = {name: record[name] for name in ("block", "overlap")}
    segment_large(source, again, **options, **record["parameters"])
    np.testing.assert_array_equal(read_labels(again), read_labels(target))


def test_lengths_are_read_with_the_image(tmp_path, target, field):
    source = write_ome(tmp_path / "i.zarr", field.image, scale=0.5)
    assert segment_large(source, target, diameter="9 um", block=160).diameter == 18.0
    given = {"Y": 0.25, "X": 0.25}
    other = segment_large(
        source, target, diameter="9 um", pixel_size=given, block=160, overwrite=True
    )
    assert other.diameter == 36.0


def test_older_versions_and_conversions_are_read(tmp_path, field):
    old = zarr.open_group(tmp_path / "old.zarr", mode="w", zarr_format=2)
    old.create_array("0", data=field.image[None, None, None])
    old.attrs["multiscales"] = [{"version": "0.1", "datasets": [{"path": "0"}]}]
    assert open_lazily(tmp_path / "old.zarr").axes == "TCZYX"
    named = zarr.open_group(tmp_path / "named.zarr", mode="w", zarr_format=2)
    named.create_array("0", data=field.image)
    named.attrs["multiscales"] = [
        {"version": "0.3", "axes": ["y", "x"], "datasets": [{"path": "0"}]}
    ]
    assert open_lazily(tmp_path / "named.zarr").axes == "YX"
    converted = zarr.open_group(tmp_path / "converted.zarr", mode="w", zarr_format=2)
    converted.attrs["bioformats2raw.layout"] = 3
    write_ome(tmp_path / "converted.zarr" / "0", field.image)
    assert open_lazily(tmp_path / "converted.zarr").array.shape == field.image.shape


def test_plain_arrays_take_axes(tmp_path, field):
    zarr.save_array(tmp_path / "a.zarr", np.stack([field.image] * 2))
    assert open_lazily(tmp_path / "a.zarr").axes == "ZYX"
    assert open_lazily(tmp_path / "a.zarr", "CYX").axes == "CYX"


@pytest.mark.parametrize(
    ("axes", "options", "expected"),
    [
        ("ZCYX", {"imagej": True}, "ZCYX"),
        ("SYX", {"photometric": "rgb", "planarconfig": "separate"}, "YXS"),
        ("QYX", {}, "ZYX"),
    ],
)
def test_axes_of_tiff_files(tmp_path, axes, options, expected):
    shape = {"Z": 2, "C": 4, "Q": 5, "S": 3, "Y": 32, "X": 48}
    image = np.arange(np.prod([shape[a] for a in axes]), dtype=np.uint16)
    image = image.reshape([shape[a] for a in axes])
    tifffile.imwrite(tmp_path / "i.tif", image, metadata={"axes": axes}, **options)
    lazy = open_lazily(tmp_path / "i.tif")
    assert lazy.axes == expected
    read = lazy.array[tuple(slice(0, n) for n in lazy.array.shape)]
    whole = np.moveaxis(image, 0, -1) if axes == "SYX" else image
    np.testing.assert_array_equal(read, whole)
    key = (0, *(slice(0, n) for n in lazy.array.shape[1:]))
    np.testing.assert_array_equal(lazy.array[key], whole[0])


def test_the_pixel_size_of_the_caller_is_the_scale_of_the_labels(target, field, monkeypatch):
    monkeypatch.setattr("napari_nucseg.large.labels.SMALLEST", 100)
    given = {"Y": 0.25, "X": 0.5}
    segment_large(field.image, target, diameter=18, block=96, pixel_size=given)
    (multiscale,) = zarr.open_group(target, mode="r").attrs["multiscales"]
    assert [axis["unit"] for axis in multiscale["axes"]] == ["micrometer", "micrometer"]
    scales = [d["coordinateTransformations"][0]["scale"] for d in multiscale["datasets"]]
    assert scales == [[0.25, 0.5], [0.5, 1.0], [1.0, 2.0]]
    assert open_lazily(target).placement.pixel_size == given


def test_the_pixel_size_of_the_caller_stands_before_that_of_the_image(tmp_path, target, field):
    source = write_ome(tmp_path / "i.zarr", np.stack([field.image] * 2), "zyx", shift=7.0)
    segment_large(source, target, pixel_size={"Y": 0.25, "X": 0.25}, **OPTIONS)
    placement = open_lazily(target).placement
    assert placement.scale == {"Z": 2.0, "Y": 0.25, "X": 0.25}
    assert placement.translation == {"Z": 0.0, "Y": 7.0, "X": 7.0}


def test_other_pixels_leave_the_first_one_where_it_is():
    stated = Placement(
        {"T": 3.0, "Z": 2000.0, "Y": -500.0, "X": 1.0},
        {"T": 1.0, "Z": 4000.0, "Y": 1000.0, "X": 8.0},
        {"T": "second", "Z": "nanometer", "Y": "nanometer"},
    )
    other = stated.resized({"Z": 2.0, "Y": 0.25, "X": 0.25})
    assert other.scale == {"T": 3.0, "Z": 2000.0, "Y": -0.25, "X": 0.25}
    assert other.translation == {"T": 1.0, "Z": 4000.0, "Y": 1.0, "X": 2.0}
    assert other.units == {
        "T": "second",
        "Z": "nanometer",  # as it was stated already
        "Y": "micrometer",
        "X": "micrometer",
    }
    assert other.pixel_size == {"Z": 2.0, "Y": 0.25, "X": 0.25}


@pytest.mark.parametrize("size", [0, -0.5, float("nan")])
def test_no_size_of_a_pixel(field, target, size):
    with pytest.raises(InputError, match=rf"pixel size in Y must be .* above 0, got {size}\."):
        segment_large(field.image, target, pixel_size={"Y": size}, **OPTIONS)


@pytest.mark.parametrize("given", [{"y": 1}, {"X": "1"}, 0.5])
def test_no_pixel_size(field, target, given):
    with pytest.raises(InputError, match="pixel_size must map some of the axes Z, Y and X"):
        segment_large(field.image, target, pixel_size=given, **OPTIONS)


def test_a_tiff_file_is_closed(tmp_path, target, field, monkeypatch):
    tifffile.imwrite(tmp_path / "i.tif", field.image)
    closed, close = [], tifffile.TiffFile.close
    monkeypatch.setattr(
        tifffile.TiffFile, "close", lambda tif: closed.append(tif.filename) or close(tif)
    )
    image = open_lazily(tmp_path / "i.tif")
    assert not closed
    segment_large(image, target, **OPTIONS)
    assert not closed  # the caller may go on reading
    image.close()
    assert closed == ["i.tif"]
    segment_large(tmp_path / "i.tif", target, overwrite=True, **OPTIONS)
    assert len(closed) == 2
    with pytest.raises(InputError, match="One letter per axis"):
        open_lazily(tmp_path / "i.tif", "ZYX")
    assert len(closed) == 3
