"""What one look at a scale says, from maps that are known."""

import pytest
from drawn_maps import draw_disks, perfect_maps

from napari_nucseg.inference.diameter import Look, _look
from napari_nucseg.inference.maps import PlaneMaps
from napari_nucseg.model.config import ModelConfig, NetworkConfig

DISKS = draw_disks((96, 96), [(24, 24, 10), (24, 70, 10), (70, 48, 10)])


@pytest.mark.parametrize(
    ("outputs", "channels"),
    [
        (("foreground", "distance", "offset"), [0, 1, 2, 3]),
        (("foreground", "offset", "distance"), [0, 2, 3, 1]),
    ],
)
def test_the_order_of_the_outputs_does_not_matter(outputs, channels):
    maps = perfect_maps(DISKS).maps[..., channels]

    look = _look(PlaneMaps(maps, DISKS.shape, 1.0), _config(outputs))

    assert look.diameter == pytest.approx(20, abs=0.5)
    assert look.share == pytest.approx((DISKS > 0).mean(), rel=0.02)
    assert 0.3 < look.distance < 0.5


def test_a_network_without_a_distance_map_can_estimate_too():
    maps = perfect_maps(DISKS).maps[..., [0, 2, 3]]

    look = _look(PlaneMaps(maps, DISKS.shape, 1.0), _config(("foreground", "offset")))

    assert look.diameter == pytest.approx(20, abs=0.5)
    assert look.distance == 1.0


def test_a_scale_at_which_nothing_is_found_has_no_credit():
    assert Look(0.0, 0.0, 0.0).credit(_config(("foreground",))) == 0.0


def _config(outputs):
    return ModelConfig(
        name="m",
        network=NetworkConfig(outputs=outputs),
        diameter=22.0,
        diameter_range=(14.0, 36.0),
    )
