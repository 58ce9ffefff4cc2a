"""Planes without nuclei are looked at once more only where the whole result has none."""

from functools import partial

import numpy as np
import pytest

from napari_nucseg import relabel, segment
from napari_nucseg.errors import Cancelled
from napari_nucseg.inference import empty_planes, left_out

DIAMETER = {"diameter": "20", "certainty": 0}


@pytest.fixture(scope="module")
def planes(coarse):
    """Return a plane whose nuclei are all small, one with all nuclei, and a size between."""
    labels = segment(coarse, **DIAMETER).labels
    areas = np.bincount(labels.ravel())
    limit = int(areas[1:].max()) - 10
    large = areas > 0.7 * limit
    large[0] = False
    small = np.where(large[labels], np.median(coarse[labels == 0]), coarse).astype(coarse.dtype)
    assert 0 < large.sum() < labels.max()
    return small, coarse, limit


@pytest.fixture
def looks(monkeypatch):
    """Return a list with one entry for each plane that is searched once more."""
    made = []
    find = left_out.find_instances

    def noting(*arguments):
        made.append(arguments[0])
        return find(*arguments)

    monkeypatch.setattr(left_out, "find_instances", noting)
    return made


def test_planes_before_the_first_nucleus_are_searched_once(planes, looks):
    small, full, limit = planes
    dark = np.full_like(small, np.median(small))
    result = segment(
        np.stack([dark, small, full, small]), "ZYX", min_size=limit, keep_maps=True, **DIAMETER
    )
    assert not result.labels[:2].any()
    assert result.count > 0
    relabel(result, splitting=0.6)
    assert looks == []
    assert result.messages == ()


def test_of_an_empty_result_each_plane_is_searched_once_more_but_dark_ones(planes, looks):
    small, full, limit = planes
    dark = np.full_like(small, np.median(small))
    stack = np.stack([dark, small, full, small])
    result = segment(stack, "ZYX", min_size=3 * limit, **DIAMETER)
    assert result.count == 0
    assert len(looks) == 3
    assert "smaller than Minimum size" in result.messages[1]


def test_maps_that_wait_are_bounded_and_what_is_said_is_the_same(planes, looks, monkeypatch):
    small, full, limit = planes
    stack, options = np.stack([small, full, small]), {"min_size": 3 * limit, **DIAMETER}
    expected = segment(stack, "ZYX", **options).messages
    looks.clear()

    monkeypatch.setattr(empty_planes, "MOST_BYTES", 0)

    assert segment(stack, "ZYX", **options).messages == expected
    assert len(looks) == 3
    segment(np.stack([small, full, small]), "ZYX", min_size=limit, **DIAMETER)
    assert len(looks) == 4  # the one before the first nucleus


@pytest.mark.parametrize("certainty", [0, 0.7])
@pytest.mark.parametrize("live", [False, True])
def test_planes_that_are_looked_at_again_can_be_cancelled(planes, looks, live, certainty):
    small, full, limit = planes
    stack = np.stack([small, full, small])
    call = partial(segment, stack, "ZYX", **{**DIAMETER, "certainty": certainty})
    if live:
        call = partial(relabel, call(keep_maps=True))
    with pytest.raises(Cancelled):
        call(min_size=3 * limit, cancelled=lambda: bool(looks))
    assert len(looks) == 1
