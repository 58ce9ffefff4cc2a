"""Intensities: percentiles computed by hand, and pixels that break naive arithmetic."""

import numpy as np
import pytest

from napari_nucseg.preprocessing.normalize import (
    MAX_SAMPLES,
    InputConfig,
    IntensityRange,
    measure_range,
    normalize,
    to_three_channels,
)

ENDS = InputConfig(low=0, high=100)
"""Minimum and maximum instead of percentiles: easy to compute by hand."""

UNIT = InputConfig(normalization="unit")


def _plane(values, dtype=np.float64):
    """Return (1, X, 1)."""
    return np.asarray(values, dtype).reshape(1, -1, 1)


def test_percentiles_of_a_ramp():
    ramp = np.arange(1001).reshape(7, 143, 1)

    measured = measure_range([ramp], InputConfig(low=1.0, high=99.8))

    assert measured.low == pytest.approx((10.0,))
    assert measured.high == pytest.approx((998.0,))


def test_the_ends_of_the_range_become_minus_one_and_one():
    plane = _plane([10, 20, 30])

    scaled = normalize(plane, IntensityRange((10.0,), (30.0,)), ENDS)

    np.testing.assert_allclose(scaled.ravel(), [-1, 0, 1])
    assert scaled.dtype == np.float32


def test_values_beyond_the_range_are_clipped():
    scaled = normalize(_plane([-1000, 1000]), IntensityRange((10.0,), (30.0,)), ENDS)

    np.testing.assert_array_equal(scaled.ravel(), [-1.5, 1.5])


def test_the_noise_of_empty_glass_is_not_stretched_to_full_contrast():
    glass = np.array([240, 244, 250]).reshape(1, 1, 3)
    stained = np.array([100, 180, 250]).reshape(1, 1, 3)

    assert measure_range([glass], ENDS, joint=True).low == pytest.approx((0.7 * 250,) * 3)
    assert measure_range([stained], ENDS, joint=True).low == (100.0,) * 3


def test_faint_fluorescence_is_stretched_to_full_contrast():
    assert measure_range([_plane([240, 250])], ENDS) == IntensityRange((240.0,), (250.0,))


def test_statistics_are_those_of_all_planes():
    planes = [_plane([0, 1, 2]), _plane([3, 4, 100])]

    assert measure_range(planes, ENDS) == IntensityRange((0.0,), (100.0,))


def test_channels_are_measured_apart_and_colours_together():
    plane = np.stack([_plane([0, 10])[..., 0], _plane([5, 100])[..., 0]], axis=-1)

    assert measure_range([plane], ENDS) == IntensityRange((0.0, 5.0), (10.0, 100.0))
    assert measure_range([plane], ENDS, joint=True) == IntensityRange((0.0, 0.0), (100.0, 100.0))


def test_a_constant_channel_becomes_background_and_leaves_the_others_alone():
    plane = np.stack([np.full((1, 2), 7.0), np.array([[0.0, 10.0]])], axis=-1)

    scaled = normalize(plane, measure_range([plane], ENDS), ENDS)

    np.testing.assert_array_equal(scaled[0, :, 0], [-1, -1])
    np.testing.assert_array_equal(scaled[0, :, 1], [-1, 1])


def test_a_few_bright_pixels_are_seen_where_the_percentiles_are_equal():
    plane = np.zeros((100, 100, 1), np.uint8)
    plane[3, 5] = 200

    measured = measure_range([plane], InputConfig())

    assert measured == IntensityRange((0.0,), (200.0,))


def test_pixels_that_are_not_finite_do_not_count_and_become_background():
    plane = _plane([np.nan, 0, 10, np.inf, -np.inf])

    measured = measure_range([plane], ENDS)

    assert measured == IntensityRange((0.0,), (10.0,))
    np.testing.assert_array_equal(normalize(plane, measured, ENDS).ravel(), [-1, -1, 1, -1, -1])


def test_a_channel_of_nan_alone_does_not_hide_the_others():
    plane = np.stack([np.full((1, 2), np.nan), np.array([[0.0, 10.0]])], axis=-1)

    scaled = normalize(plane, measure_range([plane], ENDS), ENDS)

    np.testing.assert_array_equal(scaled[0], [[-1, -1], [-1, 1]])


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        (np.bool_, False, True),
        (np.int8, -128, 127),
        (np.uint8, 0, 255),
        (np.uint16, 0, 65535),
        (np.dtype(">u2"), 0, 65535),
        (np.int32, -(2**31), 2**31 - 1),
        (np.uint64, 0, 2**64 - 1),
        (np.float16, -60000, 60000),
        (np.float32, -3e38, 3e38),
        (np.float64, -1e300, 1e300),
        (np.float64, -1.7e308, 1.7e308),
        (np.float64, 0, 1e-300),
    ],
)
def test_the_whole_range_of_a_dtype_is_kept(dtype, low, high):
    plane = np.array([low, high, low, high], dtype).reshape(2, 2, 1)

    scaled = normalize(plane, measure_range([plane], ENDS), ENDS)

    assert np.isfinite(scaled).all()
    np.testing.assert_allclose(scaled.ravel(), [-1, 1, -1, 1], atol=1e-6)


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.int64, np.float64])
def test_small_differences_on_a_large_offset_are_kept(dtype):
    plane = _plane([10**9, 10**9 + 1, 10**9 + 2], dtype)

    scaled = normalize(plane, measure_range([plane], ENDS), ENDS)

    np.testing.assert_allclose(scaled.ravel(), [-1, 0, 1], atol=1e-6)


def test_scale_and_offset_of_the_image_do_not_matter():
    plane = np.random.default_rng(0).uniform(0, 1, (20, 20, 1))
    config = InputConfig()

    expected = normalize(plane, measure_range([plane], config), config)

    for scaled in (plane * 1e300, plane * 1e-300, plane * 4000 - 70):
        found = normalize(scaled, measure_range([scaled], config), config)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_unit_is_the_value_divided_by_255():
    plane = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)

    scaled = normalize(plane, measure_range([plane], UNIT), UNIT)

    np.testing.assert_allclose(scaled, plane / 255.0, atol=1e-7)


def test_unit_scales_deeper_images_by_their_maximum():
    plane = _plane([0, 1000, 4000], np.uint16)

    scaled = normalize(plane, measure_range([plane], UNIT), UNIT)

    np.testing.assert_allclose(scaled.ravel(), [0, 0.25, 1])


def test_unit_takes_nan_as_black():
    plane = _plane([np.nan, 51.0])

    scaled = normalize(plane, measure_range([plane], UNIT), UNIT)

    np.testing.assert_allclose(scaled.ravel(), [0, 0.2])


def test_a_large_image_is_thinned_without_losing_columns():
    wide = np.zeros((2 * MAX_SAMPLES // 2000 + 1, 2000, 1), np.uint8)
    wide[:, 1::2] = 100  # every other column

    assert measure_range([wide], ENDS) == IntensityRange((0.0,), (100.0,))


def test_normalizing_leaves_the_image_alone():
    plane = _plane([1.0, np.nan, 3.0])
    before = plane.copy()

    normalize(plane, measure_range([plane], ENDS), ENDS)

    np.testing.assert_array_equal(plane, before)


def test_one_channel_is_repeated_and_alpha_dropped():
    gray = np.random.default_rng(0).random((2, 3, 1))
    rgba = np.random.default_rng(0).random((2, 3, 4))

    np.testing.assert_array_equal(to_three_channels(gray), np.concatenate([gray] * 3, axis=-1))
    np.testing.assert_array_equal(to_three_channels(rgba), rgba[..., :3])
    np.testing.assert_array_equal(to_three_channels(rgba[..., :3]), rgba[..., :3])
