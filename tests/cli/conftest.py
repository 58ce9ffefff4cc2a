import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_nucseg.cli import make_app
from napari_nucseg.sample_data import fluorescence_field


@pytest.fixture(scope="session")
def field() -> np.ndarray:
    """A generated image: axes YX, 128 x 128."""
    return fluorescence_field((128, 128), seed=3).image


@pytest.fixture(scope="session")
def stack(field) -> np.ndarray:
    """A stack with as many nuclei in each plane: axes ZYX, 3 x 128 x 128."""
    return np.stack([field, field[::-1], field.T])


@pytest.fixture
def image(tmp_path, field) -> Path:
    """A TIFF file with a pixel size of 0.4 micrometres."""
    path = tmp_path / "nuclei.tif"
    tifffile.imwrite(
        path, field, imagej=True, resolution=(2.5, 2.5), metadata={"axes": "YX", "unit": "um"}
    )
    return path


@pytest.fixture
def output(tmp_path) -> Path:
    return tmp_path / "results"


@pytest.fixture
def run() -> Callable:
    """Run `napari-nucseg` in this process; the result has exit_code, stdout and stderr."""

    def invoke(*arguments: object):
        result = CliRunner().invoke(make_app(), [str(a) for a in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


@pytest.fixture
def rows(output) -> Callable[[], dict[str, dict[str, str]]]:
    """Read the summary: rows by the name of the file."""

    def read() -> dict[str, dict[str, str]]:
        with open(output / "summary.csv", newline="", encoding="utf-8") as file:
            table = list(csv.DictReader(file))
        columns = ["file", "nuclei", "diameter", "diameter_estimated", "seconds", "status"]
        columns += ["message", "parameters", "labels"]
        assert all(list(row) == columns for row in table)
        by_name = {Path(row["file"]).name: row for row in table}
        assert len(by_name) == len(table)
        return by_name

    return read
