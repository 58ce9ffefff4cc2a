"""Stacks and movies in blocks are linked as `segment` links them."""

import signal
import subprocess
import sys

import numpy as np
import pytest
import zarr
from stores import content_of, read_labels, write_ome

from napari_nucseg import segment, segment_large
from napari_nucseg.errors import Cancelled
from napari_nucseg.evaluation import match
from napari_nucseg.large.block import Run
from napari_nucseg.large.work_folder import WorkFolder
from napari_nucseg.linking import link_labels
from napari_nucseg.params import SegmentParams
from napari_nucseg.sample_data import time_lapse, z_stack

DIAMETER = 20


@pytest.fixture(scope="module")
def volume():
    return z_stack((6, 136, 168), diameter=20.0, seed=3)


@pytest.fixture(scope="module")
def movie():
    return time_lapse((5, 136, 128), n_divisions=2, seed=4)


@pytest.fixture(scope="module")
def volumes(volume):
    """A movie of stacks (T, Z, Y, X)."""
    return np.stack([volume.image[:4], volume.image[1:5], volume.image[2:]])


def assert_same(expected, found):
    """As many nuclei, or tracks, and the same ones (seams may move single pixels)."""
    assert found.max() == expected.max() > 0
    assert np.array_equal(np.unique(found), np.arange(found.max() + 1))
    width = found.shape[-1]
    same = match(expected.reshape(-1, width), found.astype(np.int32).reshape(-1, width), 0.95)
    assert same.f1 >= 0.999


def main_id(labels):
    """Return the id that most pixels have."""
    return int(np.bincount(labels).argmax())


@pytest.mark.parametrize(
    "options",
    [
        {"block": 96},
        {"block": 128, "overlap": 128},
        {"block": 512},
        {"block": 96, "link_gap": 0, "min_planes": 3},
        {"block": 96, "drop_border": True, "anisotropy": 5.0},
    ],
)
def test_a_stack(volume, target, options):
    options = {"diameter": DIAMETER, "link_depth": True, **options}
    result = segment_large(
        volume.image, target, "ZYX", pixel_size=volume.pixel_size, **{"overlap": 96, **options}
    )
    plain = {name: options[name] for name in options if name not in ("block", "overlap")}
    expected = segment(volume.image, "ZYX", pixel_size=volume.pixel_size, **plain)
    assert_same(expected.labels, read_labels(target))
    assert result.count == expected.count
    assert result.messages == expected.messages
    for name, column in expected.features.items():
        assert sorted(result.features[name].tolist()) == sorted(column.tolist())


def test_a_movie(movie, target):
    options = {"diameter": DIAMETER, "link_time": True}
    expected = segment(movie.image, "TYX", **options)
    result = segment_large(movie.image, target, "TYX", block=64, overlap=64, **options)
    labels = read_labels(target)
    assert_same(expected.labels, labels)
    assert len(result.parents) == len(expected.parents) > 0
    theirs = {
        nucleus: main_id(expected.labels[labels == nucleus])
        for nucleus in range(1, result.count + 1)
    }
    assert {theirs[c]: theirs[m] for c, m in result.parents.items()} == expected.parents
    record = zarr.open_group(target, mode="r").attrs["napari-nucseg"]
    assert record == result.record
    assert record["parents"] == {str(child): mother for child, mother in result.parents.items()}
    for nucleus, first, last, mother in record["tracks"]:
        frames = np.flatnonzero((labels == nucleus).any(axis=(1, 2)))
        assert (first, last) == (frames[0], frames[-1])
        assert mother == result.parents.get(nucleus, 0)
    assert len(record["tracks"]) == result.count


@pytest.mark.parametrize(
    ("axes", "linked"),
    [
        ("TZYX", ["link_depth"]),
        ("TZYX", ["link_time"]),
        ("TZYX", ["link_depth", "link_time"]),
        ("ZTYX", ["link_depth", "link_time"]),
    ],
)
def test_a_movie_of_stacks(tmp_path, target, volumes, axes, linked):
    image = volumes if axes == "TZYX" else volumes.transpose(1, 0, 2, 3)
    options = {"diameter": DIAMETER, **dict.fromkeys(linked, True)}
    segment_large(image, target, axes, block=96, overlap=96, **options)
    expected = segment(image, axes, **options)
    assert_same(expected.labels, read_labels(target))


@pytest.mark.parametrize(
    ("linked", "block"),
    [(["link_depth"], 96), (["link_time"], 96), (["link_depth", "link_time"], 64)],
)
def test_tables_of_blocks_add_up(tmp_path, target, volumes, linked, block):
    options = {"diameter": DIAMETER, "block": block, "overlap": 0}  # nuclei are cut at the seams
    segment_large(volumes, tmp_path / "outlines.zarr", "TZYX", **options)
    outlines = read_labels(tmp_path / "outlines.zarr").astype(np.int32)
    result = segment_large(volumes, target, "TZYX", **dict.fromkeys(linked, True), **options)
    expected = link_labels(outlines, "TZYX", SegmentParams(**dict.fromkeys(linked, True)))
    np.testing.assert_array_equal(read_labels(target), expected.labels)
    assert result.parents == expected.parents


@pytest.mark.parametrize("method", ["count", "write"])
def test_a_run_that_is_stopped_while_linking_goes_on(
    tmp_path, target, volumes, monkeypatch, method
):
    source = write_ome(tmp_path / "movie.ome.zarr", volumes, "tzyx")
    options = {"diameter": DIAMETER, "block": 96, "overlap": 64}
    options |= {"link_depth": True, "link_time": True}
    undisturbed = tmp_path / "undisturbed.ome.zarr"
    segment_large(source, undisturbed, **options)
    calls, call = [], getattr(Run, method)
    monkeypatch.setattr(Run, method, lambda run, item: calls.append(item) or call(run, item))
    with pytest.raises(Cancelled):
        segment_large(source, target, cancelled=lambda: len(calls) > 4, **options)
    work = WorkFolder.beside(target)
    finished = work.counted() if method == "count" else work.written()
    assert finished
    assert work.links.exists() == (method == "write")
    monkeypatch.setattr(Run, "find", None)  # nothing is found again
    begun = len(calls)
    segment_large(source, target, **options)
    assert not finished & set(calls[begun:])
    assert content_of(target) == content_of(undisturbed)


KILLED = """
import os, signal, sys
from napari_nucseg import segment_large
def die(done, total, message):
    if message == "linking":
        os.kill(os.getpid(), signal.SIGKILL)
options = {"diameter": 20, "block": 96, "overlap": 64, "link_depth": True}
segment_large(sys.argv[1], sys.argv[2], progress=die, **options)
"""


def test_a_process_that_is_killed_while_linking(tmp_path, target, volume):
    source = write_ome(tmp_path / "stack.ome.zarr", volume.image, "zyx")
    undisturbed = tmp_path / "undisturbed.ome.zarr"
    options = {"diameter": DIAMETER, "block": 96, "overlap": 64, "link_depth": True}
    segment_large(source, undisturbed, **options)
    command = [sys.executable, "-c", KILLED, str(source), str(target)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert 0 < len(WorkFolder.beside(target).counted()) < 4
    segment_large(source, target, **options)
    assert content_of(target) == content_of(undisturbed)


@pytest.mark.parametrize("damaged", ["numbers.npz", "links.npz", "counted/*.npz"])
def test_what_is_damaged_is_done_once_more(volume, target, tmp_path, monkeypatch, damaged):
    options = {"diameter": DIAMETER, "block": 96, "overlap": 64, "link_depth": True}
    undisturbed = tmp_path / "undisturbed.ome.zarr"
    segment_large(volume.image, undisturbed, "ZYX", **options)
    with monkeypatch.context() as patch:
        patch.setattr(Run, "write", None)
        with pytest.raises(TypeError):
            segment_large(volume.image, target, "ZYX", **options)
    work = WorkFolder.beside(target)
    files = list(work.path.glob(damaged))
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[:50])
    if damaged.startswith("counted"):
        work.links.unlink()
    segment_large(volume.image, target, "ZYX", **options)
    assert content_of(target) == content_of(undisturbed)
