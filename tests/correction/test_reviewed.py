import numpy as np
import pytest

from napari_nucseg.correction.drawing import ellipse_vertices
from napari_nucseg.correction.review import Reviewed, pack, unpack
from napari_nucseg.errors import InputError

BOX = np.array([(2, 3), (2, 8), (5, 8), (5, 3)])


def test_nothing_is_reviewed_at_first():
    region = Reviewed((3, 10, 12))
    assert (region.area, region.fraction, region.mask().any()) == (0, 0, False)


def test_whole_planes_and_everything():
    region = Reviewed((2, 3, 10, 12)).with_plane((1, 2))
    assert (region.area, region.fraction) == (120, 1 / 6)
    assert region.mask()[1, 2].all()
    assert Reviewed((2, 3, 10, 12)).with_all().fraction == 1
    assert Reviewed((10, 12)).with_plane(()).mask().all()
    with pytest.raises(InputError, match=r"no plane \(1, 3\)"):
        region.with_plane((1, 3))


def test_polygons_hold_the_pixels_whose_centre_they_hold():
    region = Reviewed((3, 10, 12)).with_polygons([((1,), BOX)])
    expected = np.zeros((3, 10, 12), bool)
    expected[1, 2:6, 3:9] = True
    np.testing.assert_array_equal(region.mask(), expected)
    assert region.area == 24


def test_overlapping_polygons_count_once():
    region = Reviewed((10, 12)).with_polygons([((), BOX), ((), BOX + 1)])
    assert region.area == 24 + 24 - 3 * 5


def test_regions_are_added():
    left = Reviewed((3, 10, 12)).with_polygons([((1,), BOX)]).with_plane((0,))
    right = Reviewed((3, 10, 12)).with_polygons([((1,), BOX + 1), ((2,), BOX)])
    both = left.with_region(right)
    np.testing.assert_array_equal(both.mask(), left.mask() | right.mask())
    assert both.area == 120 + (24 + 24 - 3 * 5) + 24


def test_polygons_on_a_reviewed_plane_and_around_it():
    region = Reviewed((10, 12)).with_plane(()).with_polygons([((), BOX)])
    assert region.fraction == 1
    frame = [(-5, -5), (-5, 50), (50, 50), (50, -5)]
    assert Reviewed((10, 12)).with_polygons([((), frame)]).bits == {(): None}


@pytest.mark.parametrize(
    "polygons", [[], [((), BOX + 50)], [((), BOX[:2])], [((4,), BOX)]], ids=str
)
def test_an_empty_region_is_refused(polygons):
    with pytest.raises(InputError, match="The reviewed region is empty: draw a rectangle"):
        Reviewed((10, 12)).with_polygons(polygons)


def test_a_polygon_beside_the_image_does_not_spoil_the_others():
    assert Reviewed((10, 12)).with_polygons([((), BOX + 50), ((), BOX)]).area == 24


def test_ellipses_become_polygons():
    corners = [(0, 0), (0, 40), (20, 40), (20, 0)]
    vertices = ellipse_vertices(corners)
    np.testing.assert_allclose((((vertices - [10, 20]) / [10, 20]) ** 2).sum(axis=1), 1)
    area = Reviewed((50, 50)).with_polygons([((), vertices)]).area
    assert area == pytest.approx(np.pi * 10 * 20, rel=0.03)


def test_points_inside():
    centres = np.array([[0, 2.5, 3.5], [0, 6.5, 3.5], [0.6, 2.5, 3.5]])
    region = Reviewed((2, 10, 12)).with_polygons([((0,), BOX)])
    assert region.contains(centres).tolist() == [True, False, False]
    assert region.with_plane((1,)).contains(centres).tolist() == [True, False, True]
    assert region.contains(centres[:0]).tolist() == []
    flat = Reviewed((10, 12)).with_polygons([((), BOX)])
    assert flat.contains(centres[:, 1:]).tolist() == [True, False, True]


def test_packing_and_unpacking():
    region = Reviewed((4, 10, 13)).with_polygons([((2,), BOX)]).with_plane((0,))
    again = unpack(region.shape, pack(region))
    np.testing.assert_array_equal(again.mask(), region.mask())
    nothing = unpack((5, 5), pack(Reviewed((5, 5))))
    assert nothing.area == 0
    broken = {**pack(region), "bits": np.zeros((0, 17), np.uint8)}
    with pytest.raises(ValueError, match="has no mask"):
        unpack(region.shape, broken)
