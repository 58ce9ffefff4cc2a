"""A given diameter that is not that of the nuclei is noticed, also where some are found."""

import numpy as np
import pytest

from napari_nucseg import relabel, segment
from napari_nucseg.inference import diameter_advice
from napari_nucseg.inference.diameter_advice import advise_if_wrong, outline_areas

SEARCHED = "Nuclei were searched for at {} px, the given diameter, but those found measure "


def areas(*diameters):
    return np.pi / 4 * np.square(diameters)


@pytest.mark.parametrize(("given", "wrong"), [(13, True), (14, False), (29, False), (31, True)])
def test_advice_is_given_from_a_factor_on(given, wrong):
    said = advise_if_wrong(given, areas(*[20] * 9, 3, 90, 20))
    assert len(said) == wrong
    if wrong:
        assert said[0] == (
            f"Nuclei were searched for at {given} px, the given diameter, but those found measure "
            "20 px (median); try Diameter 'auto' or '20', which may find them better."
        )


def test_few_nuclei_and_estimates_are_not_judged():
    assert advise_if_wrong(5, areas(*[20] * 9)) == ()
    assert advise_if_wrong(None, areas(*[20] * 99)) == ()


def test_areas_are_counted_strip_by_strip(monkeypatch):
    labels = np.random.default_rng(1).integers(0, 4, (3, 7, 9)).astype(np.int32)
    expected = [(labels == label).sum() for label in (1, 2, 3, 4)]
    for strip in (10, 1000):
        monkeypatch.setattr(diameter_advice, "_STRIP", strip)
        np.testing.assert_array_equal(outline_areas(labels, 4), expected)


@pytest.mark.parametrize("diameter", ["10", "40", "5 um"])
@pytest.mark.parametrize("linked", [False, True])
def test_a_wrong_diameter_is_told_with_what_was_found(coarse, diameter, linked):
    options = {"link_depth": linked, "pixel_size": {"Y": 0.5, "X": 0.5}}
    stack = np.stack([coarse, coarse[::-1]])

    wrong = segment(stack, "ZYX", diameter=diameter, keep_maps=True, **options)

    assert len(wrong.messages) == 1 + linked
    pixels = 40 if diameter == "40" else 10
    assert wrong.messages[0].startswith(SEARCHED.format(pixels))
    assert relabel(wrong, certainty=0.71).messages[0].startswith(SEARCHED.format(pixels))
    assert relabel(wrong, link_gap=2).messages == wrong.messages
    assert not relabel(wrong, min_size=5000).messages[0].startswith(SEARCHED.format(pixels))
    for right in ("20", "auto"):
        assert len(segment(stack, "ZYX", diameter=right, **options).messages) == linked


def test_nuclei_of_a_region_are_judged_if_they_are_enough(field):
    region = np.zeros(field.image.shape, bool)
    region[:96, :112] = True
    found = segment(field.image, region=region, diameter=40)
    assert 0 < found.count < diameter_advice.FEWEST
    assert found.messages == ()
