"""``napari-nucseg segment`` of one OME-Zarr: what it writes and says."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from stores import content_of, read_labels
from typer.testing import CliRunner

from napari_nucseg import segment_batch, segment_large
from napari_nucseg.cli import make_app
from napari_nucseg.io.lazy import open_lazily

OPTIONS = ["--diameter", "18", "--block", "96", "--overlap", "64"]


def run(*arguments):
    result = CliRunner().invoke(make_app(), ["segment", *map(str, arguments), *OPTIONS])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def test_the_command_does_what_python_does(source, target, tmp_path):
    done = run(source, "--output", target)
    expected = segment_large(source, tmp_path / "e.zarr", diameter=18, block=96, overlap=64)
    assert done.exit_code == 0
    assert f"{expected.count:,} nuclei in" in done.stderr
    assert f"see {target}." in done.stderr
    assert "[100 %]" in done.stderr
    assert content_of(target / "0") == content_of(expected.path / "0")


@pytest.mark.parametrize("workers", [[], ["--workers", "2"]])
def test_nothing_but_progress_and_the_result_is_written(source, target, workers):
    command = [sys.executable, "-m", "napari_nucseg", "segment", str(source), "--output"]
    done = subprocess.run(
        [*command, str(target), *OPTIONS, *workers], capture_output=True, text=True, check=True
    )
    *progress, last = done.stderr.splitlines()
    assert all(line.startswith("[") for line in progress)  # LiteRT's greeting is not shown
    assert last.endswith(f"see {target}.")


def test_remarks_name_the_options(source, target):
    said = run(source, "--output", target, "--min-size", "9000").stderr
    assert "all are smaller than --min-size 9,000; lower --min-size to keep them." in said
    assert "try --diameter 'auto'." in said


def test_the_pixel_size_is_that_of_python(source, target):
    assert run(source, "--output", target, "--pixel-size", "Y=0.25,X=0.5").exit_code == 0
    assert open_lazily(target).placement.pixel_size == {"Y": 0.25, "X": 0.5}


def test_a_folder_gets_labels_named_after_the_image(source, tmp_path):
    assert run(source, "--output", tmp_path / "results").exit_code == 0
    assert read_labels(tmp_path / "results" / "image_labels.ome.zarr").max() > 0


def test_any_image_becomes_zarr_if_asked_for(tmp_path, target, field):
    tifffile.imwrite(tmp_path / "image.tif", field.image)
    assert run(tmp_path / "image.tif", "--output", target).exit_code == 0
    assert read_labels(target).max() > 0


@pytest.mark.parametrize("name", ["cells.ome.zarr", "cells_labels.zarr"])
def test_tracks_lie_beside_the_labels(tmp_path, field, name):
    movie, tracks = tmp_path / "movie.tif", tmp_path / "cells_tracks.txt"
    frames = np.stack([field.image, field.image])
    tifffile.imwrite(movie, frames, imagej=True, metadata={"axes": "TYX"})
    tracks.write_text("mine")
    refused = run(movie, "--output", tmp_path / name, "--link-time")
    assert refused.exit_code == 1
    assert "cells_tracks.txt exists already" in refused.stderr
    assert tracks.read_text() == "mine"
    done = run(movie, "--output", tmp_path / name, "--link-time", "--overwrite")
    assert done.exit_code == 0
    assert " tracks in " in done.stderr
    count = read_labels(tmp_path / name).max()
    assert len(tracks.read_text().splitlines()) == count > 0
    assert run(movie, "--output", tmp_path / name, "--overwrite").exit_code == 0
    assert not tracks.exists()  # its ids are not those of the labels any more
    tracks.write_text("mine")
    assert run(movie, "--output", tmp_path / name, "--overwrite").exit_code == 0
    assert tracks.read_text() == "mine"
    tracks.write_text("1 0 1 0\n")  # the right format, but of nothing that was written here
    told = run(movie, "--output", tmp_path / name, "--overwrite")
    assert told.exit_code == 0
    assert (
        "cells_tracks.txt was left, as it is not known to be of the earlier labels" in told.stderr
    )
    assert tracks.read_text() == "1 0 1 0\n"


@pytest.mark.parametrize("named", [False, True])
def test_probabilities_of_a_batch_go_with_the_labels_they_were_of(source, tmp_path, named):
    output = tmp_path / "results"
    maps, labels = output / "image_probability.ome.zarr", output / "image_labels.ome.zarr"
    segment_batch(source, output, diameter=18, probabilities=True)
    assert maps.is_dir()
    assert run(source, "--output", labels if named else output, "--overwrite").exit_code == 0
    assert not list(output.glob("*probability*"))
    assert not list(output.glob(".*"))
    maps.mkdir()  # nothing that came with the labels
    told = run(source, "--output", labels, "--overwrite")
    assert told.exit_code == 0
    assert f"{maps} was left, as it is not known to be of the earlier labels" in told.stderr
    segment_batch(source, output, diameter=18, overwrite=True)  # nor is it of those of blocks
    assert maps.is_dir()


def test_probabilities_stay_unless_they_are_of_labels_that_were_replaced(source, tmp_path):
    segment_batch(source, tmp_path, diameter=18, probabilities=True)
    maps, labels = tmp_path / "image_probability.ome.zarr", tmp_path / "image_labels.ome.zarr"
    assert run(source, "--output", labels).exit_code == 1  # not replaced
    assert run(source, "--output", tmp_path / "other_labels.ome.zarr", "--overwrite").exit_code == 0
    (tmp_path / "summary.csv").write_text("my,table\n1,2\n")
    (tmp_path / "parameters.json").write_text("{")
    assert run(source, "--output", labels, "--overwrite").exit_code == 0  # nothing is known
    assert maps.is_dir()


def test_probabilities_that_are_the_image_stay(source, tmp_path):
    segment_batch(source, tmp_path, diameter=18, probabilities=True)
    maps, labels = tmp_path / "image_probability.ome.zarr", tmp_path / "image_labels.ome.zarr"
    assert run(maps, "--output", labels, "--overwrite").exit_code == 0
    assert maps.is_dir()


def test_what_exists_is_replaced_only_if_asked_for(source, target):
    assert run(source, "--output", target).exit_code == 0
    refused = run(source, "--output", target)
    assert refused.exit_code == 1
    assert "exists already; turn on --overwrite" in refused.stderr
    assert run(source, "--output", target, "--overwrite").exit_code == 0


def test_failed_blocks_are_reported(source, target, monkeypatch):
    (source / "full" / "4" / "4").write_bytes(b"damaged")
    monkeypatch.setattr("napari_nucseg.inference.samples.WINDOW", 32)
    done = run(source, "--output", target)
    assert done.exit_code == 1
    assert "2 of 12 blocks failed. Y 192-288, X 192-288: Cannot read" in done.stderr
    assert "the same call goes on" in done.stderr
    assert not target.exists()


@pytest.mark.parametrize(
    ("inputs", "got"),
    [
        (["image.tif", "image.tif"], "2 inputs"),
        (["."], "the folder ."),
        (["*.tif"], "the pattern *.tif"),
    ],
)
def test_one_image_for_one_zarr(tmp_path, field, monkeypatch, inputs, got):
    tifffile.imwrite(tmp_path / "image.tif", field.image)
    monkeypatch.chdir(tmp_path)
    done = run(*inputs, "--output", "x.zarr")
    assert done.exit_code == 2
    message = f"x.zarr can hold the labels of one image, got {got}; pass a folder."
    assert message in " ".join(done.stderr.split())
    assert os.listdir() == ["image.tif"]


def test_blocks_are_for_zarr_only(tmp_path, field):
    tifffile.imwrite(tmp_path / "image.tif", field.image)
    done = run(tmp_path / "image.tif", "--output", tmp_path / "results")
    assert done.exit_code == 1
    assert "--block and --overlap are for one OME-Zarr image only" in done.stderr


INTERRUPTED = """
import os, signal, sys
from napari_nucseg.cli import main
from napari_nucseg.large.steps import Steps
tell = Steps._tell
def interrupt(steps, done, message):
    tell(steps, done, message)
    if done == 3:
        os.kill(os.getpid(), signal.SIGINT)
Steps._tell = interrupt
sys.argv[0] = "napari-nucseg"
main()
"""


def test_ctrl_c_says_how_to_go_on(source, target):
    command = [sys.executable, "-c", INTERRUPTED, "segment", str(source), "--output", str(target)]
    done = subprocess.run([*command, *OPTIONS], capture_output=True, text=True, check=False)
    assert done.returncode == 128 + signal.SIGINT
    assert "Stopped. Finished blocks are kept; the same command goes on." in done.stderr
    assert not target.exists()
    assert run(source, "--output", target).exit_code == 0


@pytest.mark.parametrize("option", ["--block", "--overlap", "--workers", "--scheduler"])
def test_help_names_the_options(option):
    assert option in run("--help").output
