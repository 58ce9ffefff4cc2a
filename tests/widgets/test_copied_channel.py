"""Readers make a layer of each channel of a file; the copied command names the channel."""

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr
from qtpy.QtWidgets import QApplication

from napari_nucseg.widgets import _command
from napari_nucseg.widgets._channels_shown import channels_shown

IMAGE = np.random.default_rng(0).integers(0, 255, (3, 80, 100), np.uint8)
UNKNOWN = "Which channel of the file the layer shows is not known; add --channels."


def write(path, image, axes):
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.create_array("0", data=image, chunks=image.shape)
    kinds = {"t": "time", "c": "channel"}
    described = [{"name": axis, "type": kinds.get(axis, "space")} for axis in axes]
    group.attrs["multiscales"] = [
        {"version": "0.4", "axes": described, "datasets": [{"path": "0"}]}
    ]
    return str(path)


def layers_of(path, axis):
    array = da.from_zarr(zarr.open_group(path, mode="r")["0"])
    return list(np.moveaxis(array, axis, 0))


@pytest.mark.parametrize(
    ("image", "axes"),
    [
        (IMAGE, "cyx"),
        (IMAGE[None, :, None], "tczyx"),
        (np.stack([IMAGE[:, ::-1], IMAGE, IMAGE[::-1]], 1), "czyx"),
    ],
)
def test_each_channel_is_known_by_its_pixels(tmp_path, image, axes):
    path = write(tmp_path / "i.zarr", image, axes)
    layers = layers_of(path, axes.index("c"))
    assert [channels_shown(path, layer) for layer in layers] == [(0,), (1,), (2,)]
    squeezed = [np.squeeze(np.asarray(layer)) for layer in layers]
    assert [channels_shown(path, layer) for layer in squeezed] == [(0,), (1,), (2,)]


def test_channels_that_are_alike_in_the_middle(tmp_path):
    image = np.zeros((2, 600, 600), np.uint8)
    image[1, -10:, -10:] = 1
    path = write(tmp_path / "i.zarr", image, "cyx")
    assert [channels_shown(path, layer) for layer in layers_of(path, 0)] == [(0,), (1,)]


def test_of_a_lazy_layer_one_chunk_is_read(tmp_path):
    image = np.random.default_rng(1).integers(0, 255, (2, 512, 768), np.uint8)
    path = write(tmp_path / "i.zarr", image, "cyx")
    read = []

    def note(chunk):
        read.append(chunk.shape)
        return chunk

    lazy = da.from_array(image, chunks=(1, 128, 128)).map_blocks(note, meta=image[:0])
    assert channels_shown(path, lazy[1]) == (1,)
    assert read == [(1, 128, 128)]


def test_channels_that_cannot_be_told(tmp_path):
    alike = write(tmp_path / "alike.zarr", np.stack([IMAGE[0]] * 2), "cyx")
    assert channels_shown(alike, IMAGE[0]) is None
    assert channels_shown(alike, 255 - IMAGE[0]) is None
    assert channels_shown(alike, IMAGE[0, 1:]) is None
    assert channels_shown(str(tmp_path / "gone.zarr"), IMAGE[0]) is None
    one = write(tmp_path / "one.zarr", IMAGE[:1], "cyx")
    assert channels_shown(one, IMAGE[0]) == ()


def test_the_copied_command_names_the_channel(windowless_bench, tmp_path, monkeypatch):
    bench = windowless_bench
    path = write(tmp_path / "i.zarr", IMAGE, "cyx")
    monkeypatch.setattr(_command, "source_path", lambda _: path)
    bench.viewer.add_image(layers_of(path, 0)[2])
    bench.widget.copy_command()
    line = f"napari-nucseg segment {path} --output nuclei"
    assert QApplication.clipboard().text() == f"{line} --channels 2"
    assert UNKNOWN not in bench.status
    bench.viewer.add_image(255 - IMAGE[0])
    bench.widget.copy_command()
    assert QApplication.clipboard().text() == line
    assert UNKNOWN in bench.status
    bench.viewer.add_image(IMAGE, axis_labels=("c", "y", "x"))  # all channels
    bench.form.axes.value = "CYX"
    bench.widget.copy_command()
    assert QApplication.clipboard().text() == line
    assert UNKNOWN not in bench.status


def test_a_channel_of_a_tiff(windowless_bench, tmp_path, monkeypatch):
    bench = windowless_bench
    path = str(tmp_path / "i.ome.tif")
    tifffile.imwrite(path, IMAGE, ome=True, metadata={"axes": "CYX"})
    monkeypatch.setattr(_command, "source_path", lambda _: path)
    bench.viewer.add_image(IMAGE[1])
    bench.widget.copy_command()
    line = f"napari-nucseg segment {path} --output nuclei"
    assert QApplication.clipboard().text() == f"{line} --channels 1"
    bench.viewer.add_image(IMAGE)
    bench.form.axes.value = "CYX"
    bench.widget.copy_command()
    assert QApplication.clipboard().text() == f"{line} --axes CYX"


def test_axes_chosen_by_hand_are_copied(windowless_bench, tmp_path, monkeypatch):
    bench = windowless_bench
    path = write(tmp_path / "i.zarr", IMAGE, "cyx")
    monkeypatch.setattr(_command, "source_path", lambda _: path)
    bench.viewer.add_image(IMAGE)
    bench.form.axes.value = "ZYX"
    bench.widget.copy_command()
    line = f"napari-nucseg segment {path} --output nuclei --axes ZYX"
    assert QApplication.clipboard().text() == line
    assert UNKNOWN not in bench.status


def test_a_channel_of_what_the_file_calls_colours(windowless_bench, tmp_path, monkeypatch):
    bench = windowless_bench
    path = write(tmp_path / "i.zarr", IMAGE, "cyx")
    colours = [{"color": color} for color in ("FF0000", "00FF00", "0000FF")]
    zarr.open_group(path, mode="a").attrs["omero"] = {"channels": colours}
    monkeypatch.setattr(_command, "source_path", lambda _: path)
    bench.viewer.add_image(layers_of(path, 0)[1])
    bench.widget.copy_command()
    line = f"napari-nucseg segment {path} --output nuclei --axes CYX --channels 1"
    assert QApplication.clipboard().text() == line
    assert UNKNOWN not in bench.status


def test_a_layer_that_cannot_be_read_is_not_known(tmp_path):
    path = write(tmp_path / "i.zarr", IMAGE, "cyx")

    def broken(_):
        raise ValueError("a damaged chunk")

    layer = da.from_array(IMAGE[0], chunks=50).map_blocks(broken, dtype=np.uint8)
    assert channels_shown(path, layer) is None
