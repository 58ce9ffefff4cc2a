"""The geometry below the samples, with answers computed by hand."""

import math

import numpy as np
import pytest

from napari_nucseg.sample_data._crowd import beside
from napari_nucseg.sample_data._drawing import draw_labels
from napari_nucseg.sample_data._nucleus import Nucleus, contact, random_nucleus


@pytest.mark.parametrize("amplitudes", [(0.0,) * 4, (0.1, 0.08, 0.05, 0.0)])
@pytest.mark.parametrize("elongation", [1.0, 2.0])
def test_area_does_not_depend_on_the_outline(amplitudes, elongation):
    nucleus = Nucleus((0.0, 60.0, 60.0), 30.0, elongation, 0.7, amplitudes)
    labels = draw_labels({1: nucleus}, (1, 120, 120))
    assert labels.sum() == pytest.approx(math.pi * 30**2, rel=0.01)


def test_volume_of_an_ellipsoid():
    nucleus = Nucleus((10.0, 25.0, 25.0), 20.0, half_depth=8.0)
    labels = draw_labels({1: nucleus}, (21, 51, 51))
    assert labels.sum() == pytest.approx(4 / 3 * math.pi * 20 * 20 * 8, rel=0.02)


@pytest.mark.parametrize(("distance", "expected"), [(10, 2.0), (20, 1.0), (40, 0.5)])
def test_contact_of_circles(distance, expected):
    a = Nucleus((0.0, 0.0, 0.0), 10.0)
    b = Nucleus((0.0, 0.0, float(distance)), 10.0)
    assert contact(a, b) == pytest.approx(expected)


def test_level_is_one_at_the_ends_of_the_axes():
    # Axes 20 and 5 along Y and X: radius 10, elongation 4, turned by a right angle.
    nucleus = Nucleus((0.0, 0.0, 0.0), 10.0, 4.0, math.pi / 2, half_depth=3.0)
    dz, dy, dx = np.array([[0.0, 20.0, 0.0], [0.0, 0.0, 5.0], [3.0, 0.0, 0.0]]).T
    np.testing.assert_allclose(nucleus.level(dz, dy, dx), 1.0)


def test_a_nucleus_beside_another_touches_it():
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = random_nucleus(rng, 10.0), random_nucleus(rng, 10.0)
        assert 1.02 <= contact(a, beside(rng, a, b)) <= 1.12


def test_shared_pixels_go_to_the_nearer_circle():
    a, b = Nucleus((0.0, 10.0, 10.0), 8.0), Nucleus((0.0, 10.0, 20.0), 8.0)
    labels = draw_labels({1: a, 2: b}, (1, 21, 31))[0]
    assert set(labels[10, 3:15]) == {1}
    assert set(labels[10, 16:28]) == {2}
