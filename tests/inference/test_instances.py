"""From perfect maps of drawn nuclei to labels."""

import numpy as np
import pytest
from drawn_maps import draw_disks, perfect_maps, same_nuclei
from scipy import ndimage

from napari_nucseg.inference.instances import FAINT, find_instances
from napari_nucseg.inference.maps import PlaneMaps
from napari_nucseg.model.config import OFFSET_UNIT, NetworkConfig
from napari_nucseg.params import SegmentParams

VOTES = NetworkConfig()
COMPONENTS = NetworkConfig(outputs=("foreground",))
RADIUS = 10
DIAMETER = 2.0 * RADIUS

APART = draw_disks((120, 120), [(20, 20, 10), (22, 60, 9), (60, 30, 11), (90, 90, 10)])
TOUCHING = draw_disks((60, 90), [(30, 20, 10), (30, 37, 10), (30, 55, 10)])


def _find(labels_or_maps, config=VOTES, diameter=DIAMETER, **params):
    maps = labels_or_maps
    if not isinstance(maps, PlaneMaps):
        maps = perfect_maps(maps)
    return find_instances(maps, config, SegmentParams(**params), diameter)


@pytest.mark.parametrize("labels", [APART, TOUCHING])
def test_perfect_maps_give_every_pixel_its_nucleus(labels):
    found = _find(labels)

    assert same_nuclei(found, labels)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(np.unique(found), np.arange(labels.max() + 1))


def test_a_ring_of_touching_nuclei_is_split_and_its_hole_stays_empty():
    angles = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    ring = [(60 + 26 * np.sin(a), 60 + 26 * np.cos(a), 10.5) for a in angles]
    labels = draw_disks((120, 120), ring)
    assert ndimage.label(labels > 0)[1] == 1  # one clump

    found = _find(labels)

    assert same_nuclei(found, labels)
    assert found[60, 60] == 0


def test_a_nucleus_across_the_border_is_found():
    labels = draw_disks((60, 60), [(0, 30, 10), (59, 59, 10)])

    assert same_nuclei(_find(labels), labels)


def test_empty_maps_give_empty_labels():
    found = _find(np.zeros((40, 50), np.int32))

    assert found.shape == (40, 50)
    assert found.dtype == np.int32
    assert not found.any()


def test_drop_border_removes_the_cut_nuclei_alone():
    labels = draw_disks((80, 80), [(5, 30, 10), (40, 40, 10), (70, 10, 11), (66, 66, 10)])
    cut = {label for label in range(1, 5) if _touches_border(labels == label)}
    assert cut == {1, 3}

    found = _find(labels, drop_border=True)

    assert same_nuclei(found, np.where(np.isin(labels, list(cut)), 0, labels))
    assert found.max() == 2


def _touches_border(mask):
    return mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any()


def test_minimum_size_is_the_smallest_area_that_is_kept():
    areas = np.bincount(APART.ravel())[1:]
    smallest = int(areas.min())

    assert _find(APART, min_size=smallest).max() == 4
    assert _find(APART, min_size=smallest + 1).max() == 3
    assert _find(APART, min_size=int(areas.max()) + 1).max() == 0


@pytest.mark.parametrize("config", [VOTES, COMPONENTS])
def test_without_a_minimum_size_it_is_a_twentieth_of_the_typical_area(config):
    labels = draw_disks((60, 60), [(30, 30, 6)])
    limit = np.sqrt(4 / np.pi * 20 * np.sum(labels > 0))  # diameter of 20 times its area

    assert _find(labels, config, diameter=0.99 * limit).max() == 1
    assert _find(labels, config, diameter=1.01 * limit).max() == 0


def test_by_default_specks_are_removed():
    labels = draw_disks((60, 60), [(20, 20, 10), (45, 45, 1)])

    assert _find(labels).max() == 1
    assert _find(labels, config=COMPONENTS).max() == 1


@pytest.mark.parametrize("config", [VOTES, COMPONENTS])
def test_a_small_minimum_size_brings_specks_back(config):
    labels = draw_disks((60, 60), [(20, 20, 10), (45, 45, 2)])

    assert _find(labels, config=config, min_size=5).max() == 2


def test_the_threshold_of_components_is_the_smallest_probability_of_a_nucleus():
    maps = perfect_maps(draw_disks((60, 60), [(30, 30, 10)])).maps.copy()
    maps[..., 0] = np.where(maps[..., 0] > 0.5, 0.75, 0.25)
    maps = PlaneMaps(maps, (60, 60), 1.0)

    assert _find(maps, COMPONENTS, foreground_threshold=0.75).max() == 1
    assert _find(maps, COMPONENTS, foreground_threshold=0.76).max() == 0


@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("threshold", [0.4, 0.5, 0.8])
def test_a_faint_nucleus_is_as_large_as_a_clear_one(threshold, scale):
    labels = draw_disks((80, 160), [(40, 40, 20), (40, 120, 20)])
    blurred = draw_disks((80, 160), [(40, 40, 30), (40, 120, 30)])
    maps = perfect_maps(blurred).maps.astype(np.float32)  # offsets that reach beyond the outlines
    maps[..., 0] = ndimage.gaussian_filter(perfect_maps(labels).maps[..., 0].astype(float), 3.0)
    maps[:, 80:, 0] *= 0.75
    shape = (round(80 / scale), round(160 / scale))
    maps = PlaneMaps(maps.astype(np.float16), shape, scale)

    found = _find(maps, diameter=40 / scale, foreground_threshold=threshold, certainty=0.5)

    clear, faint = np.bincount(found.ravel())[1:]
    assert faint == pytest.approx(clear, rel=0.03)


def test_pixels_below_a_part_of_the_threshold_belong_to_no_nucleus():
    maps = perfect_maps(draw_disks((60, 60), [(30, 30, 10)])).maps.copy()
    maps[..., 0] *= 0.5
    maps = PlaneMaps(maps, (60, 60), 1.0)

    for threshold, count in ((0.97 * 0.5 / FAINT, 1), (1.03 * 0.5 / FAINT, 0)):
        assert _find(maps, foreground_threshold=threshold, certainty=0).max() == count


@pytest.mark.parametrize("haze", [0.35, 0.45])
def test_haze_elsewhere_changes_no_nucleus(haze):
    labels = draw_disks((160, 200), [(30, 30, 10)])
    maps = perfect_maps(labels).maps.copy()
    maps[60:, :, 0] = haze  # its offsets lead nowhere

    found = _find(PlaneMaps(maps, labels.shape, 1.0))

    np.testing.assert_array_equal(found, labels)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_holes_are_filled_at_every_scale(scale):
    labels = draw_disks((80, 80), [(40, 40, 20)])
    maps = perfect_maps(labels).maps.copy()
    maps[37:43, 37:43, 0] = 0.1
    shape = (round(80 / scale), round(80 / scale))

    found = _find(PlaneMaps(maps, shape, scale), diameter=40 / scale)

    assert found.max() == 1
    np.testing.assert_array_equal(found > 0, ndimage.binary_fill_holes(found))


def test_a_lower_threshold_never_shrinks_the_foreground():
    labels = draw_disks((80, 80), [(30, 30, 10), (30, 48, 10), (60, 60, 12)])
    maps = perfect_maps(labels).maps.astype(np.float32)
    maps[..., 0] = ndimage.gaussian_filter(maps[..., 0], 1.5)
    maps = PlaneMaps(maps.astype(np.float16), (80, 80), 1.0)

    areas = [
        (_find(maps, COMPONENTS, foreground_threshold=t) > 0).sum() for t in (0.8, 0.6, 0.4, 0.2)
    ]

    assert areas == sorted(areas)


def _two_certainties():
    """Return maps of one nucleus of 0.9 and one of 0.6, each with a margin of 0.4."""
    labels = draw_disks((60, 100), [(30, 25, 10), (30, 70, 10)])
    inner = draw_disks((60, 100), [(30, 25, 8), (30, 70, 8)])
    maps = perfect_maps(labels).maps.astype(np.float32)
    maps[..., 0] = np.select([inner == 1, inner == 2, labels > 0], [0.9, 0.6, 0.4], 0.02)
    return PlaneMaps(maps.astype(np.float16), (60, 100), 1.0)


@pytest.mark.parametrize(
    ("certainty", "count"), [(0.0, 2), (0.5, 2), (0.6, 2), (0.65, 1), (0.9, 1), (0.95, 0)]
)
def test_certainty_is_the_smallest_mean_probability_of_a_nucleus(certainty, count):
    assert _find(_two_certainties(), certainty=certainty).max() == count


@pytest.mark.parametrize("certainty", [0.55, 0.7])
def test_a_lower_threshold_makes_no_nucleus_less_certain(certainty):
    counts = [
        _find(_two_certainties(), certainty=certainty, foreground_threshold=t).max()
        for t in (0.5, 0.3)
    ]

    assert counts[0] == counts[1] > 0


def test_splitting_never_finds_more_nuclei_at_a_lower_setting():
    labels = draw_disks((60, 90), [(30, 20, 10), (30, 31, 10), (30, 60, 10)])

    counts = [_find(labels, splitting=s).max() for s in (0.0, 0.25, 0.5, 0.75, 1.0)]

    assert counts == sorted(counts)
    assert counts[-1] == 3


@pytest.mark.parametrize("splitting", [0.0, 0.5, 1.0])
def test_nuclei_that_do_not_touch_are_parted_at_every_setting(splitting):
    labels = draw_disks((80, 90), [(25, 25, 12), (25, 60, 12), (60, 30, 5), (60, 42, 5)])

    assert same_nuclei(_find(labels, diameter=24.0, splitting=splitting), labels)


def test_small_touching_nuclei_beside_large_ones_are_parted():
    large = [(20, 20, 14), (20, 52, 14), (20, 84, 14)]
    labels = draw_disks((80, 110), [*large, (60, 30, 6.6), (60, 42.5, 6), (60, 70, 4)])
    assert ndimage.label(labels > 0)[1] == 5  # two of the small ones are one clump

    assert same_nuclei(_find(labels, diameter=28.0), labels)


def test_without_offsets_connected_pixels_are_one_nucleus():
    assert _find(APART, COMPONENTS).max() == 4
    assert _find(TOUCHING, COMPONENTS).max() == 1
    assert same_nuclei(_find(APART, COMPONENTS), APART)


@pytest.mark.parametrize("scale", [0.4, 0.5, 2.0])
def test_labels_are_at_the_images_own_size(scale):
    full = draw_disks((200, 240), [(50, 60, 25), (50, 105, 22), (140, 150, 28)])
    small_shape = (round(200 * scale), round(240 * scale))
    small = draw_disks(
        small_shape,
        [
            (r * scale, c * scale, q * scale)
            for r, c, q in [(50, 60, 25), (50, 105, 22), (140, 150, 28)]
        ],
    )
    maps = perfect_maps(small, (200, 240), scale)

    found = _find(maps, diameter=50.0)

    assert found.shape == (200, 240)
    assert found.max() == 3
    for label in (1, 2, 3):
        own = found == np.bincount(found[full == label]).argmax()
        assert own.sum() == pytest.approx((full == label).sum(), rel=0.08)
        overlap = (own & (full == label)).sum() / (own | (full == label)).sum()
        assert overlap > 0.85


def test_every_label_is_one_piece_without_holes():
    rng = np.random.default_rng(0)
    maps = perfect_maps(draw_disks((90, 90), [(30, 30, 14), (30, 55, 13), (65, 40, 15)]))
    noisy = maps.maps.astype(np.float32)
    noisy[..., 0] = np.clip(noisy[..., 0] + rng.normal(0, 0.3, (90, 90)), 0, 1)
    noisy[..., 2:] += rng.normal(0, 0.1, (90, 90, 2))
    maps = PlaneMaps(noisy.astype(np.float16), (90, 90), 1.0)

    found = _find(maps, diameter=28.0)

    assert found.max() >= 3
    for label in range(1, found.max() + 1):
        assert ndimage.label(found == label)[1] == 1
    filled = [ndimage.binary_fill_holes(found == n) for n in range(1, found.max() + 1)]
    for label, one in enumerate(filled, start=1):
        assert not (found[one] == 0).any(), label


def test_maps_are_left_alone():
    maps = perfect_maps(TOUCHING)
    before = maps.maps.copy()

    _find(maps, splitting=0.9)

    np.testing.assert_array_equal(maps.maps, before)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_nuclei_are_whole_and_without_holes(scale):
    labels = draw_disks((120, 120), [(20, 20, 12), (24, 64, 11), (60, 30, 12), (90, 90, 12)])
    maps = perfect_maps(labels).maps.astype(np.float32)
    rng = np.random.default_rng(0)
    maps[..., 0] = np.clip(maps[..., 0] + rng.normal(0, 0.3, labels.shape), 0, 1)
    shape = (round(120 / scale), round(120 / scale))

    found = _find(PlaneMaps(maps.astype(np.float16), shape, scale), diameter=24 / scale)

    assert found.max() == 4
    for number in range(1, 5):
        nucleus = found == number
        assert ndimage.label(nucleus)[1] == 1
        assert (ndimage.binary_fill_holes(nucleus) == nucleus).all()


def _second_votes_for(labels, row, column):
    """Return perfect maps, but for the second nucleus, whose offsets lead to a pixel."""
    maps = perfect_maps(labels).maps.copy()
    y, x = np.nonzero(labels == 2)
    maps[y, x, 2], maps[y, x, 3] = (row - y) / OFFSET_UNIT, (column - x) / OFFSET_UNIT
    return PlaneMaps(maps, labels.shape, 1.0)


def test_a_nucleus_that_votes_for_another_is_kept_if_it_is_apart():
    labels = draw_disks((60, 120), [(30, 30, 10), (30, 80, 9)])

    found = _find(_second_votes_for(labels, 30, 30))

    assert same_nuclei(found, labels)


def test_a_small_part_that_votes_for_a_nucleus_is_left_out():
    labels = draw_disks((60, 120), [(30, 30, 10), (30, 80, 3)])

    found = _find(_second_votes_for(labels, 30, 30))

    assert same_nuclei(found, labels == 1)
