"""Stitching: tiled equals whole, for engines whose answer is known."""

import cv2
import numpy as np
import pytest
from drawn_maps import FakeEngine, plain_input

from napari_nucseg.errors import Cancelled
from napari_nucseg.inference.maps import PlaneMaps, predict_plane
from napari_nucseg.preprocessing.tiling import plan_tiles

HALO = 32


def _plane(height, width, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (height, width, 1)).astype(np.float32)


def _pointwise(tile):
    return tile[..., :1] * 2 + 1


def _box(tile):
    """Return a mean over 31 x 31 pixels, whose reach is 15: less than the halo.

    Of small integers, so that every order of summing gives the same number.
    """
    rounded = np.rint(tile[..., 0] * 8)
    return cv2.boxFilter(rounded, -1, (31, 31), normalize=False)[..., None] / 256


@pytest.mark.parametrize("shape", [(256, 256), (300, 170), (97, 500), (96, 96), (40, 129)])
@pytest.mark.parametrize("function", [_pointwise, _box])
def test_tiled_equals_whole(shape, function):
    plane = _plane(*shape)

    whole = predict_plane(plane, plain_input(), FakeEngine(function), tile=1024, halo=HALO)
    tiled = predict_plane(plane, plain_input(), FakeEngine(function), tile=96, halo=HALO)

    inside = (slice(0, None),) * 2
    if function is _box:  # at the plane's border a tile sees padding of its own size
        inside = tuple(slice(16, length - 16) for length in shape)
    np.testing.assert_array_equal(tiled.maps[inside], whole.maps[inside])


def test_a_pointwise_engine_gives_the_function_of_the_plane():
    plane = _plane(70, 133)

    maps = predict_plane(plane, plain_input(), FakeEngine(_pointwise), tile=96, halo=HALO)

    np.testing.assert_allclose(maps.maps, plane * 2 + 1, atol=2e-3)  # half precision
    assert maps.maps.dtype == np.float16
    assert maps.shape == (70, 133)


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (5, 70), (33, 31)])
def test_planes_smaller_than_a_tile_are_mirrored_up_to_a_multiple_of_32(shape):
    engine = FakeEngine(lambda tile: tile[..., :1])
    plane = _plane(*shape)

    maps = predict_plane(plane, plain_input(), engine, tile=96, halo=HALO)

    assert maps.maps.shape[:2] == shape
    assert all(length % 32 == 0 for length in engine.shapes[0][:2])
    np.testing.assert_allclose(maps.maps, plane, atol=1e-3)


def test_padding_mirrors_the_plane():
    seen = []
    plane = _plane(20, 40)

    predict_plane(
        plane,
        plain_input(),
        FakeEngine(lambda tile: seen.append(tile.copy()) or tile[..., :1]),
        tile=96,
        halo=HALO,
    )

    (tile,) = seen
    assert tile.shape == (32, 64, 3)
    np.testing.assert_allclose(tile[20:32, :40], tile[8:20, :40][::-1])
    np.testing.assert_allclose(tile[:20, 40:64], tile[:20, 16:40][:, ::-1])


def test_gray_planes_are_repeated_over_three_channels():
    engine = FakeEngine(lambda tile: np.ptp(tile, axis=-1, keepdims=True))

    maps = predict_plane(_plane(64, 64), plain_input(), engine, tile=96, halo=HALO)

    assert engine.shapes == [(64, 64, 3)]
    assert not maps.maps.any()


@pytest.mark.parametrize("after", [0, 1, 3])
def test_cancelling_takes_effect_before_the_next_tile(after):
    engine = FakeEngine(_pointwise)
    assert len(plan_tiles((256, 256), 96, HALO).tiles) > 3

    with pytest.raises(Cancelled):
        predict_plane(
            _plane(256, 256),
            plain_input(),
            engine,
            tile=96,
            halo=HALO,
            cancelled=lambda: len(engine.shapes) == after,
        )

    assert len(engine.shapes) == after


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_maps_are_at_the_networks_scale_and_the_probability_at_the_images(scale):
    plane = np.full((60, 90, 1), 0.25, np.float32)
    engine = FakeEngine(lambda tile: tile[..., :1])

    maps = predict_plane(plane, plain_input(scale=scale), engine, tile=256, halo=HALO)

    assert maps.maps.shape == (int(60 * scale), int(90 * scale), 1)
    assert maps.shape == (60, 90)
    assert maps.probability().shape == (60, 90)
    np.testing.assert_allclose(maps.probability(), 0.25, atol=1e-3)


@pytest.mark.parametrize("step", [16, 41, 128])
def test_a_window_on_the_grain_is_resized_exactly_as_the_whole_plane(step):
    whole = np.random.default_rng(0).random((5 * step + 7, 6 * step + 3)).astype(np.float32)
    prepared = plain_input(scale=32 / step)
    window = (slice(2 * step, 5 * step), slice(step, 4 * step))
    inner = np.s_[4:-4, 4:-4]  # cubic interpolation looks two pixels beyond the window

    for way in (cv2.INTER_AREA, cv2.INTER_CUBIC, cv2.INTER_NEAREST):
        part = prepared.to_network(whole[window], way)
        expected = prepared.to_network(whole, way)[64:160, 32:128]

        assert part.shape == (96, 96)
        np.testing.assert_allclose(part[inner], expected[inner], atol=1e-6)


@pytest.mark.parametrize("step", [16, 41, 128])
def test_maps_return_to_the_pixels_they_came_from(step):
    shape = (2 * step + 5, 3 * step)
    network = plain_input(scale=32 / step).network_shape(shape)
    ramp = (np.arange(network[0], dtype=np.float32)[:, None] + 0.5) * step / 32 - 0.5
    maps = PlaneMaps(np.repeat(ramp, network[1], 1)[..., None], shape, 32 / step)

    rows = maps.probability()[step // 4 : -step // 4]

    expected = np.arange(shape[0])[step // 4 : -step // 4, None]
    np.testing.assert_allclose(rows, np.broadcast_to(expected, rows.shape), atol=0.02 * step)


def test_a_model_of_fixed_size_sees_the_whole_plane_in_it():
    engine = FakeEngine(lambda tile: tile[..., :1])

    maps = predict_plane(_plane(200, 90), plain_input(fixed_size=128), engine, tile=1024, halo=HALO)

    assert engine.shapes == [(128, 128, 3)]
    assert maps.probability().shape == (200, 90)


def test_a_plane_never_shrinks_to_nothing():
    assert plain_input(scale=0.01).network_shape((8, 1000, 1)) == (1, 10)
