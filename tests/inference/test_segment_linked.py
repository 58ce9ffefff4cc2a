"""`segment` and `relabel` with linking in depth and in time."""

import json

import numpy as np
import pytest

from napari_nucseg import relabel, segment
from napari_nucseg.errors import Cancelled, InputError
from napari_nucseg.inference import linked, outlines
from napari_nucseg.linking import link_labels
from napari_nucseg.params import SegmentParams
from napari_nucseg.sample_data import time_lapse, z_stack

DIAMETER = 20


@pytest.fixture(scope="module")
def volume():
    return z_stack((8, 128, 128), diameter=20.0, seed=2)


@pytest.fixture(scope="module")
def movie():
    return time_lapse((8, 128, 128), n_divisions=2, seed=4)


@pytest.fixture(scope="module")
def slices(volume):
    """The stack, plane by plane, with its maps."""
    return segment(
        volume.image, "ZYX", diameter=DIAMETER, pixel_size=volume.pixel_size, keep_maps=True
    )


def test_off_by_default(slices):
    assert slices.count == slices.labels.max()
    assert (slices.parents, slices.features, slices.outlines) == ({}, {}, None)
    assert slices.record["parents"] == {}
    assert not any(
        np.intersect1d(a[a > 0], b).size
        for a, b in zip(slices.labels, slices.labels[1:], strict=False)
    )


def test_linked_in_depth(volume, slices):
    params = SegmentParams(diameter=DIAMETER, link_depth=True)
    result = segment(volume.image, "ZYX", params=params, pixel_size=volume.pixel_size)
    step = volume.pixel_size["Z"] / volume.pixel_size["Y"]
    expected = link_labels(slices.labels, "ZYX", params, step=step)
    np.testing.assert_array_equal(result.labels, expected.labels)
    assert result.count == expected.count < slices.count
    assert np.unique(result.labels).tolist() == list(range(result.count + 1))
    assert result.features["index"].tolist() == list(range(1, result.count + 1))
    assert result.features["planes"].sum() == slices.count
    assert result.messages == (f"Linked from {slices.count:,} outlines in single planes.",)


def test_step_between_planes_is_given_or_that_of_the_pixel_size(volume, monkeypatch):
    steps = []

    def link(labels, axes, params, *, step, cancelled):
        steps.append(step)
        return link_labels(labels, axes, params, step=step, cancelled=cancelled)

    monkeypatch.setattr(linked, "link_labels", link)
    image, known = volume.image[:2], {"Z": 1.0, "Y": 0.5, "X": 0.5}
    for options in ({}, {"pixel_size": known}, {"pixel_size": known, "anisotropy": 3.0}):
        segment(image, "ZYX", diameter=DIAMETER, link_depth=True, **options)
    assert steps == [1.0, 2.0, 3.0]


def test_linked_in_time(movie):
    result = segment(movie.image, "TYX", diameter=DIAMETER, link_time=True)
    assert len(set(result.parents.values())) == 2
    parent = dict(
        zip(result.features["index"].tolist(), result.features["parent"].tolist(), strict=True)
    )
    assert {child: mother for child, mother in parent.items() if mother} == result.parents
    for child, mother in result.parents.items():
        first, last = (result.features[name] for name in ("first_frame", "last_frame"))
        assert first[child - 1] == last[mother - 1] + 1
    record = json.loads(json.dumps(result.record))
    assert {int(child): mother for child, mother in record["parents"].items()} == result.parents
    assert result.messages[-1].endswith("outlines in single frames. 2 divisions.")


def test_channels_and_a_region(volume, slices):
    image = np.stack([volume.image, np.zeros_like(volume.image)], axis=1)
    region = np.zeros(volume.image.shape[1:], bool)
    region[:, :64] = True
    options = {"diameter": DIAMETER, "pixel_size": volume.pixel_size, "channels": [0]}
    result = segment(image, "ZCYX", region=region, link_depth=True, **options)
    assert result.labels.shape == volume.image.shape
    whole = segment(image, "ZCYX", link_depth=True, **options)
    assert 0 < result.count < whole.count
    assert np.unique(result.labels).tolist() == list(range(result.count + 1))


CHANGES = [
    {"link_depth": True},
    {"link_depth": True, "link_overlap": 0.8},
    {"link_depth": True, "link_gap": 0, "min_planes": 4},
    {"link_depth": True, "anisotropy": 9.0},
    {"link_depth": True, "splitting": 0.9, "min_size": 100},
    {"link_depth": True, "drop_border": True},
    {"drop_border": True},
    {},
]


def test_relabel_gives_what_a_fresh_run_gives(volume, slices):
    defaults = {name: getattr(SegmentParams(), name) for change in CHANGES for name in change}
    result = slices
    for change in CHANGES:
        fresh = segment(
            volume.image, "ZYX", diameter=DIAMETER, pixel_size=volume.pixel_size, **change
        )
        result = relabel(result, **{**defaults, **change})
        np.testing.assert_array_equal(result.labels, fresh.labels)
        assert result.count == fresh.count
        assert result.record == fresh.record
        assert result.messages == fresh.messages
        assert result.features.keys() == fresh.features.keys()


def test_linking_anew_does_not_find_outlines_anew(slices, monkeypatch):
    nuclei = relabel(slices, link_depth=True)

    def find(*_):
        raise AssertionError("outlines were found anew")

    monkeypatch.setattr(outlines, "find_instances", find)
    again = relabel(nuclei, min_planes=6)
    assert again.count < nuclei.count
    back = relabel(again, link_depth=False)
    np.testing.assert_array_equal(back.labels, slices.labels)


def test_border_nuclei_go_as_a_whole(slices):
    nuclei, inner = (relabel(slices, link_depth=True, drop_border=drop) for drop in (False, True))
    edges = nuclei.labels[:, [0, -1]].ravel(), nuclei.labels[:, :, [0, -1]].ravel()
    cut = np.unique(np.concatenate(edges))
    kept = np.where(np.isin(nuclei.labels, cut), 0, nuclei.labels)
    np.testing.assert_array_equal(inner.labels > 0, kept > 0)
    assert inner.count == nuclei.count - len(cut[cut > 0])


def test_why_no_nucleus_is_left_is_said(slices):
    start = f"Linked from {slices.count:,} outlines in single planes. All nuclei were left out, as"
    result = relabel(slices, link_depth=True, min_planes=1000)
    assert result.count == 0
    few = "they are in fewer planes than Minimum planes 1,000"
    assert result.messages == (f"{start} {few}; lower Minimum planes to keep them.",)
    both = "lower Minimum planes and turn off Drop border to keep them."
    result = relabel(slices, link_depth=True, min_planes=1000, drop_border=True)
    assert result.messages == (f"{start} {few}, or the border cuts them; {both}",)


def test_nuclei_that_are_all_cut_are_said(slices):
    count, params = 3, SegmentParams(link_depth=True, drop_border=True)
    assert linked.describe_links(count, 1, {}, params) == "Linked from 3 outlines in single planes."
    assert linked.describe_links(count, 0, {}, params).endswith(
        "All nuclei were left out, as the border cuts them; turn off Drop border to keep them."
    )
    assert linked.describe_links(0, 0, {}, params) == "Linked from 0 outlines in single planes."
    both = params.model_copy(update={"link_time": True})
    assert linked.describe_links(3, 1, {}, both).startswith(
        "Linked from 3 outlines in single planes"
    )


@pytest.mark.parametrize(("axes", "option"), [("YX", "link_depth"), ("ZYX", "link_time")])
def test_an_axis_that_is_not_there(axes, option):
    image = np.zeros((3, 32, 32)[-len(axes) :], np.uint8)
    with pytest.raises(InputError, match=f"{option} needs an image with the axis"):
        segment(image, axes, **{option: True})


def test_relabel_along_an_axis_that_is_not_there(slices):
    with pytest.raises(InputError, match="link_time needs an image with the axis T"):
        relabel(slices, link_time=True)


def test_linking_can_be_cancelled(slices):
    nuclei = relabel(slices, link_depth=True)
    with pytest.raises(Cancelled):
        relabel(nuclei, link_gap=0, cancelled=lambda: True)
