"""Images that cannot be used, in whole or in part: a clear sentence, and nothing is lost."""

import shutil

import numpy as np
import pytest
import tifffile
import zarr
from stores import content_of, read_labels, write_ome

from napari_nucseg import segment_large
from napari_nucseg.errors import BlocksFailed, InputError, ReadError
from napari_nucseg.large.work_folder import WorkFolder
from napari_nucseg.sample_data import fluorescence_field

OPTIONS = {"diameter": 18, "block": 96, "overlap": 64}
CHUNK = "full/4/4"
"""Rows and columns from 256 to 320: two of the twelve blocks see it."""


@pytest.mark.parametrize("content", [b"", b"not a chunk at all", b"\2\1!\2 cut off"])
def test_a_chunk_that_goes_bad_fails_its_blocks_only(source, target, tmp_path, content):
    undisturbed = tmp_path / "undisturbed.zarr"
    segment_large(source, undisturbed, **OPTIONS)
    chunk = source / CHUNK
    whole = chunk.read_bytes()

    def go_bad(done, *_):  # when intensities are measured
        if done:
            chunk.write_bytes(content)

    with pytest.raises(BlocksFailed) as failed:
        segment_large(source, target, progress=go_bad, **OPTIONS)
    message = str(failed.value)
    assert len(WorkFolder.beside(target).found()) == 10
    assert "2 of 12 blocks failed" in message
    assert "Y 192-288, X 288-336: " in message
    assert f"Cannot read {source}: a chunk is damaged" in message
    assert not target.exists()
    chunk.write_bytes(whole)
    segment_large(source, target, **OPTIONS)
    assert content_of(target) == content_of(undisturbed)


def test_a_chunk_that_is_bad_from_the_start(source, target, whole, monkeypatch):
    monkeypatch.setattr("napari_nucseg.inference.samples.WINDOW", 32)
    chunk = source / CHUNK
    sound = chunk.read_bytes()
    chunk.write_bytes(b"damaged")
    with pytest.raises(BlocksFailed, match="2 of 12 blocks failed"):
        segment_large(source, target, **OPTIONS)
    assert len(WorkFolder.beside(target).found()) == 10
    chunk.write_bytes(sound)
    result = segment_large(source, target, **OPTIONS)
    assert result.count == pytest.approx(whole.count, abs=1)  # intensities of what was sound


def test_nothing_can_be_read(source, target):
    for chunk in (source / "full").glob("?/?"):
        chunk.write_bytes(b"damaged")
    with pytest.raises(ReadError, match=r"Cannot read .*: a chunk is damaged"):
        segment_large(source, target, **OPTIONS)
    assert not WorkFolder.beside(target).path.exists()


def test_missing_chunks_are_empty_and_mentioned(source, target, field):
    (source / CHUNK).unlink()
    result = segment_large(source, target, **OPTIONS)
    assert "1 of 30 chunks of the image are not stored and were taken as 0" in result.messages[0]
    image = field.image.copy()
    image[256:320, 256:320] = 0
    expected = segment_large(image, target.with_name("expected.zarr"), **OPTIONS)
    np.testing.assert_array_equal(read_labels(target), read_labels(expected.path))


def test_a_store_without_metadata(tmp_path, target, field):
    source = write_ome(tmp_path / "bare.zarr", field.image)
    (source / ".zattrs").unlink()
    with pytest.raises(ReadError, match=r"group without metadata of an image.*path of an array"):
        segment_large(source, target)
    assert segment_large(source / "full", target, "YX", **OPTIONS).count > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"axes": [{"name": "x"}]}, "axes contradict its pixels. One letter per axis is needed"),
        ({"axes": [{"name": "y"}, {"name": "q"}]}, "contradict its pixels. Unknown axis Q"),
        ({"axes": 3}, "metadata are not valid .axes"),
        ({"datasets": []}, "metadata are not valid .datasets"),
        ({"datasets": [{"path": "gone"}]}, "name the array 'gone', which is not there"),
        (
            {"coordinateTransformations": [{"type": "scale", "scale": [1, 1, 1]}]},
            "has 3 numbers, expected one for each of the axes YX",
        ),
    ],
)
def test_metadata_that_are_wrong(source, target, change, message):
    group = zarr.open_group(source, mode="r+")
    group.attrs["multiscales"] = [{**group.attrs["multiscales"][0], **change}]
    with pytest.raises(ReadError, match=message):
        segment_large(source, target)


def test_what_is_no_image(tmp_path, target, source):
    (tmp_path / "folder").mkdir()
    with pytest.raises(ReadError, match="no zarr array or group"):
        segment_large(tmp_path / "folder", target)
    with pytest.raises(ReadError, match="no such file or folder"):
        segment_large(tmp_path / "gone.zarr", target)
    (tmp_path / "text.tif").write_text("text")
    with pytest.raises(ReadError, match="it is no TIFF file; expected TIFF or OME-Zarr"):
        segment_large(tmp_path / "text.tif", target)
    (source / ".zgroup").write_text("{")
    with pytest.raises(ReadError, match="its metadata are damaged"):
        segment_large(source, target)
    plate = zarr.open_group(tmp_path / "plate.zarr", mode="w")
    plate.attrs["ome"] = {"version": "0.5", "plate": {}}
    with pytest.raises(ReadError, match="it is a plate; expected an OME-Zarr image"):
        segment_large(tmp_path / "plate.zarr", target)


def test_an_axis_of_length_zero(tmp_path, target):
    zarr.create_array(tmp_path / "e.zarr", shape=(0, 64), chunks=(1, 64), dtype="u1")
    with pytest.raises(InputError, match="empty: it has the shape 0 x 64"):
        segment_large(tmp_path / "e.zarr", target)


def test_colours_that_are_no_intensities(tmp_path, target):
    image = np.zeros((64, 64), np.uint8)
    tifffile.imwrite(tmp_path / "w.tif", image, photometric="miniswhite")
    with pytest.raises(ReadError, match="convert them to grey or RGB"):
        segment_large(tmp_path / "w.tif", target)


def test_a_nucleus_larger_than_the_overlap(target):
    field = fluorescence_field((320, 320), diameter=60, seed=3)
    result = segment_large(field.image, target, diameter=30, block=96, overlap=32)
    assert len(result.cut) == 1
    assert "1 nucleus reaches beyond the overlap of 32 pixels" in result.messages[-1]
    assert result.messages[-1].endswith("A larger overlap keeps it whole.")
    assert result.cut[0] in result.messages[-1]
    assert result.cut[0].startswith("Y ")
    assert zarr.open_group(target, mode="r").attrs["napari-nucseg"]["cut"] == list(result.cut)
    wide = segment_large(field.image, target, diameter=30, block=96, overlap=96, overwrite=True)
    assert wide.cut == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"block": 0}, "block must be a whole number of at least 1, got 0"),
        ({"block": float("nan")}, "block must be a whole number of at least 1, got nan"),
        ({"block": 96.5}, "block must be a whole number of at least 1, got 96.5"),
        ({"overlap": -1}, "overlap must be a whole number of at least 0, got -1"),
        ({"overlap": "wide"}, "overlap must be a whole number of at least 0, got 'wide'"),
        ({"workers": "2"}, "workers must be a whole number of at least 1, got '2'"),
        ({"block": 32, "overlap": 96, "diameter": 18}, "at least the overlap, 96 pixels"),
        ({"probabilities": True}, "Probability maps are not written"),
        ({"link_depth": True}, "link_depth needs an image with the axis Z"),
        ({"min_sise": 3}, "unknown parameter 'min_sise'"),
    ],
)
def test_options_that_cannot_be(source, target, options, message):
    with pytest.raises(InputError, match=message):
        segment_large(source, target, **options)
    assert not WorkFolder.beside(target).path.exists()


def test_a_model_that_sees_whole_images_only(source, target, tmp_path):
    from napari_nucseg.model.config import ModelConfig
    from napari_nucseg.model.folder import CONFIG, write_config
    from napari_nucseg.registry import find_model

    folder = tmp_path / "fixed"
    shutil.copytree(find_model("nuclei").path, folder)
    config = ModelConfig.model_validate_json((folder / CONFIG).read_bytes())
    write_config(folder, config.model_copy(update={"fixed_size": 256}))
    with pytest.raises(InputError, match="resizes whole images to 256 pixels"):
        segment_large(source, target, model=str(folder))
