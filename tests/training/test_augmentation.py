"""Random views: image and labels move together, and only the seed decides."""

import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage
from small_data import draw_disks

from napari_nucseg.training.augmentation import (
    empty_view,
    flip,
    random_intensity,
    random_view,
)

LABELS = draw_disks((120, 140), [(30, 30, 12), (30, 56, 13), (80, 40, 18), (85, 100, 20)])
MASK = np.repeat((LABELS > 0).astype(np.float32)[..., None], 3, axis=-1)


def _view(seed, scale=1.0, size=96, strength=1.0, image=MASK, labels=LABELS):
    return random_view(image, labels, scale, size, np.random.default_rng(seed), strength)


@pytest.mark.parametrize("strength", [0.0, 1.0])
@pytest.mark.parametrize("scale", [0.5, 0.8, 1.0, 2.0])
def test_an_image_of_the_mask_stays_the_mask(scale, strength):
    for seed in range(8):
        view = _view(seed, scale, strength=strength)
        # Interpolated edges aside: the image is the mask where neither has an edge.
        inside = ndimage.binary_erosion(view.labels > 0, iterations=3)
        outside = ndimage.binary_erosion(view.labels == 0, iterations=3)
        assert (view.image[inside & view.valid] > 0.5).all()
        assert (view.image[outside & view.valid] < 0.5).all()
        difference = (view.image[..., 0] > 0.5) != (view.labels > 0)
        assert difference[view.valid].mean() < 0.03


def test_windows_have_the_size_and_types_that_were_asked_for():
    view = _view(0, size=64)

    assert view.image.shape == (64, 64, 3)
    assert view.labels.shape == view.valid.shape == (64, 64)
    assert view.image.dtype == np.float32
    assert view.labels.dtype == np.int32
    assert view.valid.dtype == bool


def test_the_generator_alone_decides():
    for first, second in ((0, 0), (5, 5)):
        a, b = _view(first), _view(second)
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.labels, b.labels)
    assert not np.array_equal(_view(0).image, _view(1).image)


def test_pixels_outside_of_the_image_are_not_valid_and_without_labels():
    white = np.ones((40, 40, 3), np.float32)
    all_nucleus = np.ones((40, 40), np.int32)

    view = _view(0, size=96, strength=0.0, image=white, labels=all_nucleus)

    # 40 x 40 input pixels at scale 1, whatever the angle
    assert view.valid.sum() == pytest.approx(39 * 39, rel=0.06)
    assert not view.labels[~ndimage.binary_dilation(view.valid, iterations=2)].any()
    assert view.labels[view.valid].all()


def test_labels_are_consecutive_and_each_is_one_piece():
    for seed in range(10):
        labels = _view(seed, 1.5).labels
        present = np.unique(labels[labels > 0])
        np.testing.assert_array_equal(present, np.arange(1, len(present) + 1))
        for label in present:
            assert ndimage.label(labels == label, np.ones((3, 3)))[1] == 1


def test_scale_enlarges_nuclei():
    disk = draw_disks((200, 200), [(100, 100, 20)])
    image = np.zeros((200, 200, 3), np.float32)

    for scale in (0.5, 1.0, 2.0):
        view = _view(3, scale, size=256, strength=0.0, image=image, labels=disk)
        assert (view.labels > 0).sum() == pytest.approx((disk > 0).sum() * scale**2, rel=0.05)


VIEWS_OF_LINES = """
import numpy as np
from napari_nucseg.training.augmentation import random_view
for shape in ((1, 40), (40, 1), (1, 1)):
    image, nothing = np.full((*shape, 3), 0.25, np.float32), np.zeros(shape, np.int32)
    for scale in (0.5, 1.0, 2.0):
        view = random_view(image, nothing, scale, 48, np.random.default_rng(0), 1.0)
        np.testing.assert_allclose(view.image, np.full((48, 48, 3), 0.25), atol=1e-5)
"""


def test_an_image_of_one_pixel_along_an_axis_is_mirrored_like_others():
    # OpenCV may never come back from it, so that another process has to try.
    subprocess.run([sys.executable, "-c", VIEWS_OF_LINES], check=True, timeout=120)


@pytest.mark.parametrize("color", [False, True])
def test_intensities_change_but_stay_a_bounded_picture(color):
    image = (MASK * 2 - 1).astype(np.float32)
    changed = [random_intensity(image, color, np.random.default_rng(s), 1.0) for s in range(40)]

    for one in changed:
        assert one.shape == image.shape
        assert one.dtype == np.float32
        assert np.isfinite(one).all()
        assert np.abs(one).max() <= 1.5
    assert not np.array_equal(changed[0], changed[1])
    again = random_intensity(image, color, np.random.default_rng(0), 1.0)
    np.testing.assert_array_equal(again, changed[0])


def test_strength_zero_leaves_gray_intensities_alone():
    image = (MASK * 2 - 1).astype(np.float32)

    for seed in range(10):
        changed = random_intensity(image, False, np.random.default_rng(seed), 0.0)
        np.testing.assert_allclose(changed, image, atol=1e-6)


def test_gray_images_stay_gray():
    image = (MASK * 2 - 1).astype(np.float32)

    for seed in range(30):
        changed = random_intensity(image, False, np.random.default_rng(seed), 1.0)
        np.testing.assert_allclose(changed[..., 0], changed[..., 2], atol=1e-6)


def test_empty_views_have_no_nucleus_and_carry_loss():
    for seed in range(20):
        view = empty_view(64, np.random.default_rng(seed))
        assert not view.labels.any()
        assert view.valid.all()
        assert np.isfinite(view.image).all()
        assert np.abs(view.image).max() <= 1.5


def test_flip_mirrors_image_and_labels_together_half_of_the_time():
    flipped = 0
    for seed in range(200):
        image, labels = flip(MASK, LABELS, np.random.default_rng(seed))
        np.testing.assert_array_equal(image[..., 0] > 0, labels > 0)
        flipped += np.array_equal(labels, LABELS[:, ::-1])
    assert 70 < flipped < 130
