"""``napari-nucseg segment`` of stacks and movies with linking."""

import numpy as np
import pytest
import tifffile

import napari_nucseg
from napari_nucseg.io.reading import read_image
from napari_nucseg.sample_data import z_stack


@pytest.fixture(scope="module")
def volume():
    return z_stack((6, 128, 128), seed=2)


@pytest.fixture
def file(tmp_path, volume):
    """A TIFF file with the size of a voxel."""
    size = volume.pixel_size
    path = tmp_path / "stack.tif"
    tifffile.imwrite(
        path,
        volume.image,
        imagej=True,
        resolution=(1 / size["X"], 1 / size["Y"]),
        metadata={"axes": "ZYX", "unit": "um", "spacing": size["Z"]},
    )
    return path


def test_the_count_is_that_of_linked_nuclei(run, file, volume, output, rows):
    result = run("segment", file, "--output", output, "--link-depth", "--min-planes", 2)
    assert result.exit_code == 0
    expected = napari_nucseg.segment(
        volume.image, "ZYX", pixel_size=read_image(file).pixel_size, link_depth=True, min_planes=2
    )
    written = read_image(output / "stack_labels.tif")
    np.testing.assert_array_equal(written.data, expected.labels)
    assert written.pixel_size == pytest.approx(volume.pixel_size)
    row = rows()["stack.tif"]
    assert row["nuclei"] == str(expected.count)
    assert row["message"] == expected.messages[0]
    assert f": {expected.count} nuclei in " in result.stderr
    assert f"1 of 1 file segmented ({expected.count} nuclei)" in result.stderr


def test_a_file_without_the_axis_fails_and_the_rest_goes_on(run, file, image, output, rows):
    result = run("segment", image, file, "--output", output, "--link-depth")
    assert result.exit_code == 1
    assert rows()["stack.tif"]["status"] == "ok"
    failed = rows()["nuclei.tif"]
    assert failed["status"] == "failed"
    assert failed["message"].startswith("link_depth needs an image with the axis Z (depth), got")
    assert (
        "nuclei.tif: failed: --link-depth needs an image with the axis Z (depth)" in result.stderr
    )
    assert "pass --axes, such as 'ZYX'." in result.stderr
