import os

import numpy as np
import pytest
import tifffile

from napari_nucseg.errors import InputError, WriteError
from napari_nucseg.io.reading import read_image
from napari_nucseg.io.writing import maps_with, prepare_output, prepared_output, write_labels

RNG = np.random.default_rng(0)
SIZES = {"T": 2, "Z": 3, "C": 4, "Y": 20, "X": 30}


def write_maps(path, maps, axes, pixel_size=None, *, overwrite=False):
    with maps_with(path, maps, axes, pixel_size or {}, overwrite=overwrite):
        pass


def labels_of(axes, largest=500):
    labels = RNG.integers(0, largest, [SIZES[axis] for axis in axes])
    labels.flat[0] = largest
    return labels


@pytest.mark.parametrize("axes", ["YX", "ZYX", "TYX", "TZYX"])
@pytest.mark.parametrize(("largest", "dtype"), [(65_535, np.uint16), (65_536, np.uint32)])
def test_labels_keep_axes_and_scale(tmp_path, axes, largest, dtype):
    path = tmp_path / "a_labels.tif"
    labels = labels_of(axes, largest)
    pixel_size = {"Z": 2.0, "Y": 0.25, "X": 0.5}
    write_labels(path, labels, axes, pixel_size)
    image = read_image(path)
    assert image.axes == axes
    assert image.data.dtype == dtype
    assert image.pixel_size == pytest.approx({a: s for a, s in pixel_size.items() if a in axes})
    np.testing.assert_array_equal(image.data, labels)


def test_labels_are_a_compressed_imagej_file(tmp_path):
    path = tmp_path / "a.tif"
    write_labels(path, np.zeros((2, 3, 20, 30), np.uint8), "TZYX", {"Z": 2, "Y": 0.5, "X": 0.5})
    with tifffile.TiffFile(path) as tif:
        assert tif.is_imagej
        assert tif.pages[0].compression == tifffile.COMPRESSION.ADOBE_DEFLATE
        metadata = tif.imagej_metadata
        assert {key: metadata[key] for key in ("images", "slices", "frames", "spacing")} == {
            "images": 6,
            "slices": 3,
            "frames": 2,
            "spacing": 2.0,
        }
        assert (metadata["unit"], metadata["hyperstack"]) == ("micron", True)
        assert len(tif.pages) == 6
    assert os.listdir(tmp_path) == ["a.tif"]


def test_other_orders_are_stored_as_imagej_expects(tmp_path):
    labels = labels_of("ZTYX")
    write_labels(tmp_path / "a.tif", labels, "ZTYX")
    image = read_image(tmp_path / "a.tif")
    assert image.axes == "TZYX"
    np.testing.assert_array_equal(image.data, labels.transpose(1, 0, 2, 3))


def test_three_planes_are_not_taken_for_colours(tmp_path):
    write_labels(tmp_path / "a.tif", labels_of("ZYX"), "ZYX")
    assert read_image(tmp_path / "a.tif").axes == "ZYX"


def test_unknown_pixel_size_stays_unknown(tmp_path):
    for pixel_size in (None, {}, {"Z": 2.0}, {"X": 0.5}):
        write_labels(tmp_path / "a.tif", labels_of("ZYX"), "ZYX", pixel_size, overwrite=True)
        assert read_image(tmp_path / "a.tif").pixel_size == {}


@pytest.mark.parametrize("axes", ["CYX", "ZCYX", "CZYX", "YX"])
def test_maps_keep_axes_and_scale(tmp_path, axes):
    maps = RNG.random([SIZES[axis] for axis in axes])
    write_maps(tmp_path / "a.tif", maps, axes, {"Y": 0.25, "X": 0.5})
    image = read_image(tmp_path / "a.tif")
    assert image.data.dtype == np.float32
    assert image.axes == "".join(sorted(axes, key="TZCYX".index))
    assert image.pixel_size == pytest.approx({"Y": 0.25, "X": 0.5})
    wanted = maps.transpose([axes.index(axis) for axis in image.axes])
    np.testing.assert_array_equal(image.data, wanted.astype(np.float32))


@pytest.mark.parametrize(
    ("labels", "axes", "message"),
    [
        (np.zeros((5, 6), np.float32), "YX", "must be integers, got float32"),
        (np.full((5, 6), -1), "YX", "from 0 to 4,294,967,295, got -1 to -1"),
        (np.full((5, 6), 2**32), "YX", "got 4294967296"),
        (np.zeros((2, 5, 6), int), "CYX", "TZYX only, got 'CYX'"),
        (np.zeros((2, 5, 6), int), "YX", "One letter per axis"),
    ],
)
def test_wrong_labels_are_refused(tmp_path, labels, axes, message):
    with pytest.raises(InputError, match=message):
        write_labels(tmp_path / "a.tif", labels, axes)
    assert os.listdir(tmp_path) == []


def test_maps_are_not_colours(tmp_path):
    with pytest.raises(InputError, match="TZCYX only, got 'YXS'"):
        write_maps(tmp_path / "a.tif", np.zeros((5, 6, 3)), "YXS")


@pytest.mark.parametrize("write", [write_labels, write_maps])
def test_existing_file_is_kept_unless_told(tmp_path, write):
    path = tmp_path / "a.tif"
    path.write_bytes(b"mine")
    with pytest.raises(WriteError, match=r"a\.tif exists already; .*Overwrite .*overwrite=True"):
        write(path, np.ones((5, 6), int), "YX")
    assert path.read_bytes() == b"mine"
    write(path, np.ones((5, 6), int), "YX", overwrite=True)
    np.testing.assert_array_equal(read_image(path).data, 1)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("before", [None, b"mine"])
def test_interrupted_write_leaves_what_was_there(tmp_path, monkeypatch, before, error):
    path = tmp_path / "a.tif"
    if before is not None:
        path.write_bytes(before)

    def fail(source, target):
        raise error

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises((WriteError, KeyboardInterrupt)) as caught:
        write_labels(path, np.ones((5, 6), int), "YX", overwrite=True)
    if isinstance(error, OSError):
        assert str(caught.value) == f"Cannot write {path}: No space left on device."
    assert os.listdir(tmp_path) == ([] if before is None else ["a.tif"])
    if before is not None:
        assert path.read_bytes() == before


def test_unwritable_targets(tmp_path):
    file = tmp_path / "file"
    file.touch()
    labels = np.ones((5, 6), int)
    for path, message in (
        (file / "a.tif", "is a file, expected a folder"),
        (tmp_path / "none" / "a.tif", "the folder .*none does not exist"),
        (tmp_path, "it is a folder, expected the name of a file"),
    ):
        with pytest.raises(WriteError, match=message):
            write_labels(path, labels, "YX")


def test_prepare_output(tmp_path):
    folder = tmp_path / "a" / "b"
    assert prepare_output(str(folder)) == folder
    assert prepare_output(folder).is_dir()
    file = tmp_path / "file"
    file.touch()
    for target in (file, file / "below"):
        with pytest.raises(WriteError, match=r"Cannot create the folder .*is a file\."):
            prepare_output(target)


def test_what_was_prepared_and_stays_empty_goes(tmp_path):
    def fail_in(folder, name=None):
        with prepared_output(folder):
            assert folder.is_dir()
            if name is not None:
                (folder / name).touch()
            raise KeyError

    (tmp_path / "mine").mkdir()
    for folder in (tmp_path / "new" / "deep", tmp_path / "mine" / "deep"):
        with pytest.raises(KeyError):
            fail_in(folder)
    assert [path.name for path in tmp_path.rglob("*")] == ["mine"]
    with pytest.raises(KeyError):
        fail_in(tmp_path / "new" / "deep", "half")
    assert {path.name for path in tmp_path.rglob("*")} == {"mine", "new", "deep", "half"}
