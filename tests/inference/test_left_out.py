"""What each limit leaves out, counted alike for images at once and in blocks."""

import numpy as np
import pytest
from drawn_maps import draw_disks, perfect_maps

from napari_nucseg.inference.left_out import LeftOut, Outlines, count_left_out
from napari_nucseg.model.config import NetworkConfig
from napari_nucseg.params import SegmentParams

MAPS = perfect_maps(draw_disks((96, 96), [(0, 20, 10), (60, 0, 10), (40, 50, 8), (95, 80, 10)]))


def take(labels):
    """Take the outlines of the upper part."""
    ids = sorted({*labels[:70].ravel().tolist()} - {0})
    areas = np.array([np.sum(labels == one) for one in ids])
    cut = [bool((labels[0] == one).any() or (labels[:, 0] == one).any()) for one in ids]
    return Outlines(areas, np.array(cut))


@pytest.mark.parametrize(
    ("params", "wanted"),
    [
        ({"drop_border": True}, LeftOut(3, cut=2)),
        ({"drop_border": True, "link_time": True}, LeftOut(3, cut=2)),
        ({"drop_border": True, "link_depth": True}, LeftOut(3)),  # only after linking
        ({"min_size": 190}, LeftOut(3, small=2)),
        ({"min_size": 9000, "drop_border": True}, LeftOut(3, small=3, cut=2)),
        ({"certainty": 0.7}, LeftOut(3, uncertain=3)),  # it alone, so it was not asked
        ({"certainty": 0.7, "drop_border": True}, LeftOut(3, cut=2)),  # all are certain
        ({}, LeftOut(3)),
    ],
)
def test_what_each_limit_leaves_out_is_counted(params, wanted):
    network = NetworkConfig(outputs=("foreground", "distance", "offset"))
    params = SegmentParams(**{"certainty": 0, **params})

    assert count_left_out(MAPS, network, params, 20.0, take) == wanted
