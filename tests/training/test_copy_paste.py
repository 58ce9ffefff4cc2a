"""Nuclei of one view are put against nuclei of another."""

import numpy as np
import pytest
from scipy import ndimage
from small_data import draw_disks

from napari_nucseg.training.augmentation import View
from napari_nucseg.training.copy_paste import COVERED, paste_nuclei

SIZE = (128, 128)
BRIGHT, PASTED = 0.5, 0.9


def _view(disks, value, valid=None):
    labels = draw_disks(SIZE, disks)
    image = np.where(labels > 0, value, -1.0).astype(np.float32)[..., None].repeat(3, axis=-1)
    return View(image, labels, np.ones(SIZE, bool) if valid is None else valid)


def _paste_all(donor, seeds=range(20)):
    view = _view([(64, 64, 12)], BRIGHT)
    return view, [paste_nuclei(view, donor, np.random.default_rng(seed)) for seed in seeds]


def test_pasted_nuclei_lie_against_the_one_that_was_there():
    _, pasted = _paste_all(_view([(40, 90, 12)], PASTED))

    for one in pasted:
        numbers = np.unique(one.labels[one.labels > 0])
        assert len(numbers) >= 2
        for number in numbers[1:]:
            rows, columns = np.nonzero(one.labels == number)
            others = np.argwhere((one.labels > 0) & (one.labels != number))
            gaps = np.hypot(*(others[:, None] - np.stack([rows, columns], -1)[None]).T)
            assert gaps.min() <= 0.2 * 24 + 2  # at most 1.2 times the sum of the radii apart


def test_what_is_pasted_looks_like_the_donor_and_the_rest_stays():
    view, pasted = _paste_all(_view([(40, 90, 12)], PASTED))

    for one in pasted:
        added = (one.labels != view.labels) & (one.labels > 0)
        assert np.median(one.image[added]) == pytest.approx(PASTED, abs=0.05)
        far = ndimage.distance_transform_edt(one.labels == 0) > 5
        np.testing.assert_array_equal(one.image[far], view.image[far])


def test_no_nucleus_is_hidden():
    view, pasted = _paste_all(_view([(40, 90, 12), (90, 40, 6)], PASTED))

    before = (view.labels == 1).sum()
    for one in pasted:
        # Each of at most 12 pasted ones hides at most a share, and rarely several do.
        assert (one.labels == 1).sum() >= (1 - 2 * COVERED) * before


def test_the_views_themselves_do_not_change():
    donor = _view([(40, 90, 12)], PASTED)
    copies = donor.image.copy(), donor.labels.copy()
    view, _ = _paste_all(donor)

    np.testing.assert_array_equal(view.labels, _view([(64, 64, 12)], BRIGHT).labels)
    np.testing.assert_array_equal(donor.image, copies[0])
    np.testing.assert_array_equal(donor.labels, copies[1])


def test_nothing_is_pasted_without_whole_nuclei():
    outside = np.zeros(SIZE, bool)
    for donor in (
        _view([], PASTED),
        _view([(3, 64, 12)], PASTED),  # cut by the border
        _view([(40, 90, 12)], PASTED, valid=outside),
    ):
        view, pasted = _paste_all(donor, seeds=range(3))
        assert all(one is view for one in pasted)


def test_nothing_is_pasted_into_an_empty_view():
    empty = _view([], BRIGHT)

    assert paste_nuclei(empty, _view([(40, 90, 12)], PASTED), np.random.default_rng(0)) is empty


def test_the_same_generator_pastes_the_same():
    donor = _view([(40, 90, 12)], PASTED)
    _, first = _paste_all(donor)
    _, second = _paste_all(donor)

    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.labels, other.labels)
