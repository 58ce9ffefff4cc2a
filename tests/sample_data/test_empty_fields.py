"""Images without nuclei."""

import numpy as np
import pytest

from napari_nucseg.sample_data import empty_fields

FIELDS = empty_fields((64, 96), seed=3)


@pytest.mark.parametrize("name", FIELDS)
def test_they_look_like_what_cameras_and_scanners_write(name):
    image = FIELDS[name]

    if image.ndim == 3:
        assert image.shape == (64, 96, 3)
        assert image.dtype == np.uint8
        assert image.mean() > 150  # bright glass
    else:
        assert image.shape == (64, 96)
        assert image.dtype == np.uint16


def test_both_kinds_of_microscope_are_there():
    assert {image.ndim for image in FIELDS.values()} == {2, 3}


def test_the_same_seed_gives_the_same_images():
    again = empty_fields((64, 96), seed=3)

    assert list(again) == list(FIELDS)
    for name, image in FIELDS.items():
        np.testing.assert_array_equal(again[name], image)


def test_jpeg_changes_glass_a_little():
    plain, compressed = (FIELDS[n].astype(float) for n in ("empty glass", "empty glass, JPEG"))

    difference = np.abs(plain - compressed)
    assert 0 < difference.mean() < 5
