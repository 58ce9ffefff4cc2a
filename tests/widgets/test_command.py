"""The command that is copied: which files may stand in it."""

import numpy as np
import pytest
import tifffile

from napari_nucseg._opencv import cv2
from napari_nucseg.widgets._command import _is_one_of_several

PLANE = np.zeros((32, 40), np.uint8)


@pytest.fixture
def write(tmp_path):
    """Return a function that writes an image."""

    def make(name, image, **options):
        path = tmp_path / name
        if path.suffix == ".tif":
            tifffile.imwrite(path, image, **options)
        elif path.suffix == ".npy":
            np.save(path, image)
        else:
            assert cv2.imwrite(str(path), image)
        return path

    return make


@pytest.mark.parametrize(
    ("name", "shape", "shown", "several"),
    [
        ("plane.tif", (32, 40), (32, 40), False),
        ("plane.tif", (32, 40), (5, 32, 40), True),
        ("stack.tif", (5, 32, 40), (5, 32, 40), False),
        ("stack.tif", (5, 32, 40), (3, 5, 32, 40), True),
        ("channels.tif", (5, 2, 32, 40), (5, 32, 40), False),  # a layer for each
        ("one.tif", (1, 1, 32, 40), (32, 40), False),
        ("colours.tif", (32, 40, 3), (32, 40, 3), False),
        ("colours.tif", (32, 40, 3), (5, 32, 40, 3), True),
        ("plane.png", (32, 40), (32, 40), False),
        ("plane.png", (32, 40), (5, 32, 40), True),
        ("plane.jpg", (32, 40), (5, 32, 40), True),
        ("colours.png", (32, 40, 3), (32, 40, 3), False),
        ("colours.png", (32, 40, 4), (32, 40, 4), False),
        ("colours.bmp", (32, 40, 3), (5, 32, 40, 3), True),
        ("faint.png", (32, 40), (32, 40, 2), False),  # a reader that keeps transparency
        ("array.npy", (5, 32, 40), (5, 32, 40), False),
    ],
)
def test_a_stack_of_files_is_told_from_a_file(write, name, shape, shown, several):
    path = write(name, np.zeros(shape, np.uint8))
    assert _is_one_of_several(path, shown) is several


def test_grey_with_transparency_is_one_file(write):
    path = write("faint.tif", np.zeros((32, 40, 2), np.uint8), extrasamples=["unassalpha"])
    assert not _is_one_of_several(path, (32, 40, 2))


def test_a_folder_of_planes_is_several_files_and_a_zarr_is_none(tmp_path):
    assert _is_one_of_several(tmp_path, (5, 32, 40))
    (tmp_path / ".zgroup").write_text("{}")
    assert not _is_one_of_several(tmp_path, (5, 32, 40))


@pytest.mark.parametrize("path", ["gone.png", "https://example.org/image.zarr"])
def test_of_what_is_not_there_nothing_is_known(tmp_path, path):
    assert not _is_one_of_several(tmp_path / path, (5, 32, 40))
