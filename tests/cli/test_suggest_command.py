import csv
import io
import subprocess
import sys

import cv2
import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_nucseg import suggest_regions
from napari_nucseg.cli import make_app
from napari_nucseg.correction import suggestions
from napari_nucseg.sample_data import fluorescence_field


@pytest.fixture
def images(tmp_path):
    """Two images with nuclei, one without, and a stack of two planes."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in (1, 2):
        field = fluorescence_field((160, 160), 24, seed=number).image
        tifffile.imwrite(folder / f"{number}.tif", field)
    cv2.imwrite(str(folder / "empty.png"), np.zeros((160, 160), np.uint8))
    stack = np.stack([np.zeros_like(field), field])
    tifffile.imwrite(folder / "stack.tif", stack, metadata={"axes": "ZYX"})
    return folder


def run(*arguments):
    return CliRunner().invoke(make_app(), ["suggest", *map(str, arguments)])


def read(result):
    return list(csv.DictReader(io.StringIO(result.stdout)))


def test_axes_stated_of_colours_in_planes(tmp_path):
    stack = np.zeros((3, 160, 160), np.uint8)
    stack[1] = (fluorescence_field((160, 160), 24, seed=1).image // 257).astype(np.uint8)
    path = tmp_path / "planar.tif"
    tifffile.imwrite(path, stack, photometric="rgb", planarconfig="separate")
    words = ("--count", 1, "--size", 64, "--diameter", 24, "--axes")
    assert [row["plane"] for row in read(run(path, *words, "ZYX"))] == ["Z1"]
    for colours in ("SYX", "YXS"):
        assert [row["plane"] for row in read(run(path, *words, colours))] == [""]


def test_regions_of_a_folder_equal_those_of_python(images):
    result = run(images, "--count", 4, "--size", 64, "--diameter", 24)
    assert result.exit_code == 0, result.stderr
    rows = read(result)
    assert len(rows) == 4
    assert {row["image"] for row in rows} == {
        str(images / name) for name in ("1.tif", "2.tif", "stack.tif")
    }
    (first,) = suggest_regions(tifffile.imread(images / "1.tif"), size=64, diameter=24)
    (shown,) = (row for row in rows[:3] if row["image"].endswith("1.tif"))
    assert (int(shown["y"]), int(shown["x"])) == tuple(part.start for part in first.window)
    assert float(shown["doubt"]) == pytest.approx(first.doubt, abs=5e-5)
    (plane,) = {row["plane"] for row in rows if row["image"].endswith("stack.tif")}
    assert plane == "Z1"


def test_the_pixel_size_gives_micrometres_a_meaning(images):
    wanted = ("--count", 1, "--size", 64, "--diameter", "12 um")
    without = run(images / "1.tif", *wanted)
    assert without.exit_code == 1
    assert "1.tif: --diameter '12 um' is a length, but the image has no pixel" in without.stderr
    result = run(images / "1.tif", *wanted, "--pixel-size", "0.5")
    assert result.exit_code == 0, result.stderr
    assert read(result) == read(run(images / "1.tif", *wanted[:-1], "24"))
    refused = run(images, "--pixel-size", "0,5")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("--pixel-size must be micrometres per pixel")


def test_axes_that_the_file_does_not_state_are_given(images):
    result = run(images / "stack.tif", "--axes", "TYX", "--count", 1, "--diameter", 24)
    assert result.exit_code == 0, result.stderr
    assert [row["plane"] for row in read(result)] == ["T1"]
    refused = run(images, "--axes", "TYQ")
    assert refused.exit_code == 2
    assert "Q" in refused.stderr


def test_only_the_package_writes_to_the_terminal(images):
    command = [sys.executable, "-m", "napari_nucseg", "suggest", str(images / "1.tif")]
    result = subprocess.run(
        [*command, "--count", "1", "--diameter", "24"], capture_output=True, text=True, check=True
    )
    assert result.stderr == f"1/1 {images / '1.tif'}\n"  # nothing of LiteRT


def test_a_size_that_is_too_small_is_said_in_plain_words(images):
    result = run(images, "--size", 31)
    assert result.exit_code == 2
    said = " ".join(result.stderr.replace("│", " ").split())
    assert "expected a whole number of at least 32, got '31'." in said


def test_sure_of_everything(images):
    result = run(images / "empty.png")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "sure of everything" in result.stderr


def test_an_image_that_cannot_be_read_is_said(images):
    (images / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    result = run(images, "--count", 1, "--size", 64, "--diameter", 24)
    assert result.exit_code == 1
    assert "broken.png" in result.stderr
    assert len(read(result)) == 1
    alone = run(images / "broken.png")
    assert alone.exit_code == 1
    assert "sure of everything" not in alone.stderr


def test_ctrl_c_gives_what_was_found(images, monkeypatch):
    asked = []

    def interrupted(*arguments, **options):
        asked.append(arguments)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return suggest_regions(*arguments, **options)

    monkeypatch.setattr(suggestions, "suggest_regions", interrupted)
    result = run(images, "--count", 1, "--size", 64, "--diameter", 24)
    assert result.exit_code == 130
    assert [row["image"] for row in read(result)] == [str(images / "1.tif")]


def test_fewer_regions_than_wanted_are_said(images):
    cv2.imwrite(str(images / "small.png"), np.zeros((4, 160), np.uint8))
    result = run(images / "1.tif", images / "small.png", "--count", 9, "--diameter", 24)
    assert len(read(result)) == 1
    assert "1 of 9 regions" in result.stderr
    assert f"{images / 'small.png'}: The image is 4 x 160 pixels" in result.stderr


def test_a_missing_model_is_said_once(images):
    result = run(images, "--model", "gone")
    assert result.exit_code == 1
    assert result.stderr.count("gone") == 1


def test_only_what_matters_is_asked():
    text = run("--help").stdout
    assert "--diameter" in text
    assert "--splitting" not in text
