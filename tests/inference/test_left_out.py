"""Nuclei that only the border leaves out, counted alike for images at once and in blocks."""

import pytest
from drawn_maps import draw_disks, perfect_maps

from napari_nucseg.inference.left_out import count_cut
from napari_nucseg.model.config import NetworkConfig
from napari_nucseg.params import SegmentParams

MAPS = perfect_maps(draw_disks((96, 96), [(0, 20, 10), (60, 0, 10), (95, 80, 10)]))


def count(labels):
    """Count nuclei in the upper part."""
    return len({*labels[:70].ravel().tolist()} - {0})


@pytest.mark.parametrize(
    ("params", "wanted"),
    [
        ({"drop_border": True}, 2),
        ({"drop_border": True, "link_time": True}, 2),
        ({"drop_border": True, "link_depth": True}, 0),  # only after linking
        ({"drop_border": True, "min_size": 9000}, 0),  # left out for something else too
        ({}, 0),
    ],
)
def test_what_only_the_border_leaves_out_is_counted(params, wanted):
    network = NetworkConfig(outputs=("foreground", "distance", "offset"))

    assert count_cut(MAPS, network, SegmentParams(**params), 20.0, count) == wanted
