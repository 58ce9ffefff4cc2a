"""The axes that are proposed: of a file, those that the shell reads from it."""

import os

import numpy as np
import pytest
import tifffile
import zarr
from napari.layers import Image

from napari_nucseg.errors import InputError
from napari_nucseg.io.reading import read_image
from napari_nucseg.widgets import _layer_axes
from napari_nucseg.widgets._layer_axes import axes_choices, guess_axes


def image(shape, **options):
    return Image(np.zeros(shape, np.uint8), **options)


@pytest.mark.parametrize(
    ("ndim", "rgb", "choices"),
    [
        (2, False, ["YX"]),
        (3, False, ["TYX", "ZYX", "CYX"]),
        (4, False, ["TZYX", "TCYX", "ZTYX", "ZCYX", "CTYX", "CZYX"]),
        (2, True, ["YXS"]),
        (3, True, ["TYXS", "ZYXS"]),
        (6, False, []),
    ],
)
def test_choices(ndim, rgb, choices):
    assert axes_choices(ndim, rgb) == choices


@pytest.mark.parametrize(
    ("labels", "axes"),
    [(None, "ZYX"), (("t", "y", "x"), "TYX"), (("Channel", "row", "col"), "CYX")],
)
def test_axes_are_guessed_from_names(labels, axes):
    assert guess_axes(image((3, 8, 8), axis_labels=labels)) == axes


def test_too_many_dimensions():
    with pytest.raises(InputError, match="has 6 dimensions; 2 to 5"):
        guess_axes(image((2, 2, 2, 2, 8, 8), name="deep"))


@pytest.fixture
def opened(monkeypatch):
    """Return a function that makes a layer as if it had been opened from a path."""

    def make(path, shape, **options):
        monkeypatch.setattr(_layer_axes, "source_path", lambda _: str(path))
        return image(shape, **options)

    return make


def write_tiff(path, shape, **options):
    tifffile.imwrite(path, np.zeros(shape, np.uint16), **options)
    return path


def write_zarr(path, shape, axes, version):
    group = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    group.create_array("0", shape=shape, dtype="u1")
    described = [{"name": axis, "type": "time" if axis == "t" else "space"} for axis in axes]
    content = {"multiscales": [{"axes": described, "datasets": [{"path": "0"}]}]}
    group.attrs.update(content if version == "0.4" else {"ome": {"version": "0.5", **content}})
    return path


@pytest.mark.parametrize("flavour", ["imagej", "ome"])
@pytest.mark.parametrize(
    ("axes", "shape"),
    [("TYX", (5, 32, 40)), ("CYX", (2, 32, 40)), ("ZCYX", (4, 2, 32, 40))],
)
def test_axes_of_a_tiff(opened, tmp_path, flavour, axes, shape):
    path = write_tiff(tmp_path / "i.tif", shape, metadata={"axes": axes}, **{flavour: True})
    assert guess_axes(opened(path, shape)) == axes == read_image(path).axes


def test_axes_of_length_1_are_left_out_as_readers_do(opened, tmp_path):
    options = {"ome": True, "metadata": {"axes": "TCZYX"}}
    path = write_tiff(tmp_path / "i.ome.tif", (1, 2, 1, 32, 40), **options)
    assert guess_axes(opened(path, (2, 32, 40))) == "CYX"


def test_axes_of_colours(opened, tmp_path):
    options = {"photometric": "rgb", "metadata": {"axes": "TYXS"}}
    path = tmp_path / "i.tif"
    tifffile.imwrite(path, np.zeros((4, 32, 40, 3), np.uint8), **options)
    assert guess_axes(opened(path, (4, 32, 40, 3), rgb=True)) == "TYXS"


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_axes_of_an_ome_zarr(opened, tmp_path, version):
    path = write_zarr(tmp_path / "i.zarr", (4, 32, 40), "tyx", version)
    assert guess_axes(opened(path, (4, 32, 40))) == "TYX"


def test_axes_of_what_bioformats2raw_wrote(opened, tmp_path):
    converted = zarr.open_group(tmp_path / "i.zarr", mode="w", zarr_format=2)
    converted.attrs["bioformats2raw.layout"] = 3
    write_zarr(tmp_path / "i.zarr" / "0", (4, 32, 40), "tyx", "0.4")
    assert guess_axes(opened(tmp_path / "i.zarr", (4, 32, 40))) == "TYX"


def test_axes_of_one_channel_of_several(opened, tmp_path):
    path = write_tiff(tmp_path / "i.tif", (5, 2, 32, 40), imagej=True, metadata={"axes": "TCYX"})
    assert guess_axes(opened(path, (5, 32, 40))) == "TYX"


def test_labels_of_the_layer_count_before_its_file(opened, tmp_path):
    path = write_tiff(tmp_path / "i.tif", (5, 32, 40), imagej=True, metadata={"axes": "TYX"})
    assert guess_axes(opened(path, (5, 32, 40), axis_labels=("c", "y", "x"))) == "CYX"


def test_of_another_shape_nothing_is_known(opened, tmp_path):
    path = write_tiff(tmp_path / "i.tif", (5, 2, 32, 40), imagej=True, metadata={"axes": "TCYX"})
    assert guess_axes(opened(path, (2, 32, 40))) == "ZYX"  # one time
    path = write_zarr(tmp_path / "i.zarr", (4, 32, 40), "tyx", "0.4")
    assert guess_axes(opened(path, (5, 32, 40))) == "ZYX"


@pytest.mark.parametrize("content", [None, b"", b"II*\0", b"\x89PNG\r\n\x1a\n"])
def test_a_file_that_states_no_axes_does_no_harm(opened, tmp_path, content):
    path = tmp_path / "i.tif"
    if content is not None:
        path.write_bytes(content)
    assert guess_axes(opened(path, (5, 32, 40))) == "ZYX"


@pytest.mark.parametrize("damaged", [".zattrs", "0/.zarray"])
def test_a_damaged_ome_zarr_does_no_harm(opened, tmp_path, damaged):
    path = write_zarr(tmp_path / "i.zarr", (4, 32, 40), "tyx", "0.4")
    (path / damaged).write_text("[1, 2")
    assert guess_axes(opened(path, (4, 32, 40))) == "ZYX"


def test_a_file_is_asked_once_until_it_changes(opened, tmp_path, monkeypatch):
    path = write_tiff(tmp_path / "i.tif", (5, 32, 40), imagej=True, metadata={"axes": "TYX"})
    layer, asked = opened(path, (5, 32, 40)), []
    read = _layer_axes.stated_axes
    monkeypatch.setattr(_layer_axes, "stated_axes", lambda *a: asked.append(a) or read(*a))
    assert [guess_axes(layer), guess_axes(layer)] == ["TYX", "TYX"]
    assert len(asked) == 1
    write_tiff(path, (5, 32, 40), imagej=True, metadata={"axes": "CYX"})
    os.utime(path, ns=(0, 0))  # clocks of file systems are coarse
    assert guess_axes(layer) == "CYX"
