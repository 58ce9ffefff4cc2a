"""The command on folders of files."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import typer
from typer.testing import CliRunner

from napari_nucseg.cli.evaluate import evaluate as command
from napari_nucseg.evaluation import evaluate

app = typer.Typer()
app.command()(command)

FOUND = np.array([[1, 0, 0, 0]], np.uint16)
THREE = np.array([[1, 2, 3, 0]], np.uint16)


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    labels, predictions = tmp_path / "labels", tmp_path / "predictions"
    labels.mkdir()
    predictions.mkdir()
    for name, true, predicted in (("a", FOUND, FOUND), ("b", THREE, THREE * 0)):
        tifffile.imwrite(labels / f"{name}.tif", true)
        tifffile.imwrite(predictions / f"{name}_labels.tif", predicted)
    return ["--labels", str(labels), "--predictions", str(predictions)]


def rows(text: str) -> dict[str, list[str]]:
    """Return the cells of the printed tables by the first cell of their row."""
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines()]
    return {row[0]: row[1:] for row in cells if row}


def test_tables(arguments):
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    assert result.stderr == ""
    table = rows(result.stdout)
    assert table["0.5"] == ["0.500", "0.250", "1", "0", "3"]
    assert table["0.9"] == ["0.500", "0.250", "1", "0", "3"]
    assert table["mean"][:2] == ["0.500", "0.250"]
    assert table["precision"] == ["0.500", "1.000"]
    assert table["recall"] == ["0.500", "0.250"]
    assert table["F1"] == ["0.500", "0.400"]
    assert table["pixel accuracy"] == ["0.625", "0.625"]
    assert table["foreground Dice"] == ["0.500", "0.400"]
    assert table["foreground IoU"] == ["0.500", "0.250"]
    text = " ".join(result.stdout.split())
    assert "2 images, 4 true and 1 predicted nucleus: count error -3 in total, 1.50" in text


def test_json_is_the_same_as_in_python(arguments, tmp_path):
    path = tmp_path / "scores.json"
    path.write_text("old")
    result = CliRunner().invoke(app, [*arguments, "--json", str(path)])
    assert result.exit_code == 0
    data = json.loads(path.read_text(encoding="utf-8"))
    expected = evaluate([FOUND, THREE], [FOUND, THREE * 0]).to_dict()
    assert data.pop("failures") == data.pop("warnings") == []
    assert [image.pop("name") for image in data["images"]] == ["a", "b"]
    assert [image.pop("name") for image in expected["images"]] == ["0", "1"]
    assert data == expected
    assert sorted(p.name for p in tmp_path.iterdir()) == ["labels", "predictions", "scores.json"]


def test_one_unreadable_file(arguments, tmp_path):
    broken = tmp_path / "predictions" / "b_labels.tif"
    broken.write_bytes(b"no image")
    path = tmp_path / "scores.json"
    result = CliRunner().invoke(app, [*arguments, "--json", str(path)])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Cannot read {broken}: ")
    assert len(result.stderr.splitlines()) == 1
    assert rows(result.stdout)["0.5"] == ["1.000", "1.000", "1", "0", "0"]
    data = json.loads(path.read_text(encoding="utf-8"))
    assert data["n_images"] == 1
    assert data["failures"] == [result.stderr.rstrip("\n")]


def test_a_mask_is_scored_with_a_warning(arguments, tmp_path):
    mask = tmp_path / "predictions" / "a_labels.tif"
    tifffile.imwrite(tmp_path / "labels" / "a.tif", np.array([[1, 0, 2, 0, 3]], np.uint8))
    tifffile.imwrite(mask, np.array([[1, 0, 1, 0, 1]], np.uint8))
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    assert result.stderr.startswith(f"{mask} does not look like labels of nuclei: ")
    assert "0.5" in rows(result.stdout)


def test_all_files_unreadable(arguments, tmp_path):
    for path in (tmp_path / "predictions").iterdir():
        path.write_bytes(b"")
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 2


def test_folder_that_does_not_exist(arguments, tmp_path):
    result = CliRunner().invoke(app, [*arguments[:3], str(tmp_path / "nowhere")])
    assert result.exit_code == 1
    expected = f"The folder of predictions does not exist: {tmp_path / 'nowhere'}.\n"
    assert result.stderr == expected


@pytest.mark.parametrize(
    ("name", "message"),
    [("nowhere/a.json", "The folder for --json does not exist"), ("labels", "must name a file")],
)
def test_json_that_cannot_be_written(arguments, tmp_path, name, message):
    result = CliRunner().invoke(app, [*arguments, "--json", str(tmp_path / name)])
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stdout == ""
