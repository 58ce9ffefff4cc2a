"""Whether an image is still the one that a run has begun with."""

import os
import shutil

import numpy as np
import pytest
import tifffile
import zarr
from stores import write_ome

from napari_nucseg import segment_large
from napari_nucseg.axes import Planes
from napari_nucseg.errors import Cancelled, ReadError, WriteError
from napari_nucseg.io.lazy import LazyImage, open_lazily
from napari_nucseg.large import fingerprint
from napari_nucseg.large.fingerprint import LEAST, PLANES, SIDE, differ, take_fingerprint

RANDOM = np.random.default_rng(0).integers(0, 255, (12, 100, 130), np.uint8)


def take(array, axes):
    return take_fingerprint(LazyImage(array, axes))


@pytest.mark.parametrize("plane", range(12))
def test_a_change_in_any_plane_is_noticed(plane):
    before = take(RANDOM, "ZYX")
    assert before == take(RANDOM.copy(), "ZYX")
    changed = RANDOM.copy()
    changed[plane] = 255 - changed[plane]
    assert differ(before, take(changed, "ZYX"))
    movie = RANDOM.reshape(4, 3, 100, 130), changed.reshape(4, 3, 100, 130)
    assert differ(take(movie[0], "TZYX"), take(movie[1], "TZYX"))


@pytest.mark.parametrize(
    ("shape", "windows"),
    [
        ((700, 900), SIDE**2),
        ((2, 700, 900), 2 * (SIDE**2 // 2)),
        ((1000, 700, 900), PLANES * LEAST),
        ((10, 20), 1),
        ((3, 64, 64), 3),
    ],
)
def test_the_cost_is_bounded(shape, windows, monkeypatch):
    read, seen = Planes.read, []

    def note(planes, image, index, window):
        seen.append((index, window[0].start, window[1].start))
        return read(planes, image, index, window)

    monkeypatch.setattr(Planes, "read", note)
    take(np.broadcast_to(np.uint8(0), shape), "ZYX"[-len(shape) :])
    assert len(set(seen)) == len(seen) == windows
    if len(shape) == 3:
        assert {0, shape[0] - 1} <= {index[0] for index, *_ in seen}


def test_what_cannot_be_read_is_no_change(monkeypatch):
    before = take(RANDOM, "ZYX")
    monkeypatch.setattr(Planes, "read", lambda *_: (_ for _ in ()).throw(ReadError("damaged")))
    after = take(RANDOM, "ZYX")
    assert set(after) == {""}
    assert not differ(before, after)


def test_cancelled_between_windows(monkeypatch):
    asked = []
    with pytest.raises(Cancelled):
        take_fingerprint(LazyImage(RANDOM, "ZYX"), lambda: asked.append(True) or len(asked) > 2)
    assert len(asked) == 3


def test_a_copy_is_no_change_and_another_size_is(tmp_path):
    path = tmp_path / "i.tif"
    tifffile.imwrite(path, RANDOM[0])
    before = take_fingerprint(open_lazily(path))
    os.utime(path, ns=(0, 10**9))
    assert take_fingerprint(open_lazily(path)) == before
    with open(path, "ab") as file:
        file.write(b"more")
    longer = take_fingerprint(open_lazily(path))
    assert longer[1:] == before[1:]
    assert differ(before, longer)


OPTIONS = {"diameter": 18, "block": 160}


def stop_early(source, target):
    """Begin a run and stop it after a block."""
    done = []
    with pytest.raises(Cancelled):
        segment_large(
            source,
            target,
            progress=lambda n, *_: done.append(n),
            cancelled=lambda: bool(done) and done[-1] > 0,
            **OPTIONS,
        )


def test_a_run_does_not_go_on_with_another_time_point(tmp_path, target, field):
    movie = np.stack([field.image] * 3)
    source = write_ome(tmp_path / "movie.zarr", movie, "tyx")
    stop_early(source, target)
    movie[2] = movie[2][::-1]
    write_ome(source, movie, "tyx")
    with pytest.raises(WriteError, match="the image or the way it is stored is another now"):
        segment_large(source, target, **OPTIONS)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_change_between_the_windows_of_a_zarr_is_noticed(tmp_path, target, field, version):
    image = np.tile(field.image, (2, 2))
    source = write_ome(tmp_path / "image.zarr", image, version=version)
    before = take_fingerprint(open_lazily(source))
    stop_early(source, target)
    image[64:128, 64:128] = 7
    write_ome(source, image, version=version)
    after = take_fingerprint(open_lazily(source))
    assert after[1:] == before[1:]
    assert differ(before, after)
    with pytest.raises(WriteError, match="the image or the way it is stored is another now"):
        segment_large(source, target, **OPTIONS)


def test_chunks_of_the_array_that_is_read_count_and_no_dates(tmp_path, monkeypatch):
    source = write_ome(tmp_path / "image.zarr", RANDOM[0], version="0.5")
    array = zarr.open_array(source / "full")
    before = take_fingerprint(open_lazily(source))
    assert before[0]
    in_array = take_fingerprint(open_lazily(source / "full", "YX"))
    assert in_array[1:] == before[1:]
    copy = shutil.copytree(source, tmp_path / "copy.zarr", copy_function=shutil.copyfile)
    array.attrs["note"] = "more metadata"
    zarr.create_array(source / "labels", shape=(9, 9), dtype="u1")[...] = 1
    assert take_fingerprint(open_lazily(source)) == before
    assert take_fingerprint(open_lazily(copy)) == before
    chunk = copy / "full" / "c" / "0" / "1"
    content = chunk.read_bytes()
    chunk.rename(chunk.with_name("7"))
    assert differ(before, take_fingerprint(open_lazily(copy)))
    chunk.write_bytes(content)
    (copy / "full" / "c" / "0" / "7").unlink()
    assert take_fingerprint(open_lazily(copy)) == before
    monkeypatch.setattr(fingerprint, "CHUNK_FILES", 6)
    assert take_fingerprint(open_lazily(source)) == before
    monkeypatch.setattr(fingerprint, "CHUNK_FILES", 5)
    assert take_fingerprint(open_lazily(source)) == ("", *before[1:])
