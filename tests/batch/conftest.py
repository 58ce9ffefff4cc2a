import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_nucseg.sample_data import fluorescence_field


@pytest.fixture(scope="session")
def field() -> np.ndarray:
    """A generated image: axes YX, 96 x 96."""
    return fluorescence_field((96, 96), seed=3).image


@pytest.fixture
def images(tmp_path, field) -> Path:
    """A folder with a.tif, b.tif and c.tif."""
    folder = tmp_path / "images"
    folder.mkdir()
    for i, name in enumerate("abc"):
        tifffile.imwrite(folder / f"{name}.tif", np.roll(field, 10 * i, axis=0))
    return folder


@pytest.fixture
def output(tmp_path) -> Path:
    return tmp_path / "results"


@pytest.fixture
def table(output) -> Callable[[], list[dict[str, str]]]:
    """Read the summary."""

    def read() -> list[dict[str, str]]:
        with open(output / "summary.csv", newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    return read
