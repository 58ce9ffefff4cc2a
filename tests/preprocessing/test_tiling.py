"""Tile geometry, as properties of many planes."""

import itertools

import numpy as np
import pytest

from napari_nucseg.preprocessing.tiling import plan_tiles

LENGTHS = (1, 8, 31, 32, 33, 95, 96, 97, 200, 255, 256, 257, 511, 1000)
PLANS = ((96, 32), (128, 0), (256, 64), (256, 50), (256, 112))
CASES = [
    (shape, tile, halo)
    for shape, (tile, halo) in itertools.product(itertools.product(LENGTHS, LENGTHS[::3]), PLANS)
]


@pytest.mark.parametrize(("tile", "halo"), PLANS)
def test_inner_windows_cover_every_plane_exactly_once(tile, halo):
    for shape in itertools.product(LENGTHS, LENGTHS):
        covered = np.zeros(shape, np.uint8)
        for window in plan_tiles(shape, tile, halo).tiles:
            covered[window.inner] += 1
        assert (covered == 1).all(), shape


def test_all_tiles_have_one_shape_of_multiples_of_32_and_at_most_the_tile():
    for shape, tile, halo in CASES:
        plan = plan_tiles(shape, tile, halo)
        assert all(length % 32 == 0 and length <= tile for length in plan.shape)
        for window in plan.tiles:
            assert tuple(axis.stop - axis.start for axis in window.outer) == plan.shape


def test_outer_windows_start_at_strides_and_end_within_one_of_the_plane():
    for shape, tile, halo in CASES:
        for window in plan_tiles(shape, tile, halo).tiles:
            for length, outer in zip(shape, window.outer, strict=True):
                assert outer.start >= 0
                assert outer.start % 32 == 0
                assert outer.stop < length + 32


def test_kept_pixels_have_the_halo_around_them_except_at_the_planes_border():
    for shape, tile, halo in CASES:
        for window in plan_tiles(shape, tile, halo).tiles:
            for length, outer, inner in zip(shape, window.outer, window.inner, strict=True):
                assert inner.start - outer.start >= halo or outer.start == 0
                assert outer.stop - inner.stop >= halo or outer.stop >= length


def test_local_is_inner_counted_from_the_corner_of_outer():
    for shape, tile, halo in CASES:
        for window in plan_tiles(shape, tile, halo).tiles:
            for outer, inner, local in zip(window.outer, window.inner, window.local, strict=True):
                assert local.start == inner.start - outer.start
                assert local.stop == inner.stop - outer.start


def test_a_plane_that_fits_is_one_tile():
    plan = plan_tiles((1024, 1000), tile=1024, halo=64)

    assert plan.shape == (1024, 1024)
    assert len(plan.tiles) == 1
    assert plan.tiles[0].inner == (slice(0, 1024), slice(0, 1000))


def test_there_are_as_few_tiles_as_possible():
    # 1920 = 1024 + 1 (1024 - 2 x 64)
    assert len(plan_tiles((1024, 1920), tile=1024, halo=64).tiles) == 2
    assert len(plan_tiles((1024, 1921), tile=1024, halo=64).tiles) == 3


@pytest.mark.parametrize(("tile", "halo"), [(100, 10), (128, 64), (0, 0), (64, 32), (96, 33)])
def test_impossible_tiles_are_refused(tile, halo):
    with pytest.raises(ValueError, match=f"at least {2 * halo + 32}, got {tile}"):
        plan_tiles((512, 512), tile, halo)
