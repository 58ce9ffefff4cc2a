"""Planes of which the network would see too many pixels at once are looked at part by part."""

import numpy as np
import pytest

from napari_nucseg import relabel, segment, suggest_regions
from napari_nucseg.errors import Cancelled
from napari_nucseg.evaluation import match
from napari_nucseg.inference import field_of_view, walk
from napari_nucseg.inference.field_of_view import FieldOfView
from napari_nucseg.inference.job import resolve_job
from napari_nucseg.inference.memory import bytes_to_keep
from napari_nucseg.params import SegmentParams
from napari_nucseg.preprocessing.tiling import grain

DIAMETER = {"diameter": "20"}


@pytest.fixture
def parts(monkeypatch):
    """Let the fields of the tests be looked at in two times three parts."""
    monkeypatch.setattr(field_of_view, "LARGEST", 1)


@pytest.fixture(scope="module")
def whole(field):
    """Return the result of looking at everything at once, with probabilities."""
    return segment(field.image, probabilities=True, keep_maps=True, **DIAMETER)


def assert_same_nuclei(expected, found):
    """All match, one of them perhaps not at IoU 0.95 but at 0.9 only: see `large`."""
    np.testing.assert_array_equal(np.unique(found), np.arange(found.max() + 1))
    assert found.max() == expected.max() > 0
    assert match(expected, found, 0.9).f1 == 1
    assert match(expected, found, 0.95).false_negatives <= 1


@pytest.mark.parametrize("diameter", [2, 5, 20, 300])
@pytest.mark.parametrize("shape", [(192, 224), (64, 900), (333, 97)])
@pytest.mark.parametrize("region", [False, True])
def test_parts_cover_what_is_looked_at_once(monkeypatch, diameter, shape, region):
    monkeypatch.setattr(field_of_view, "LARGEST", 2**16)
    image = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape)
    job = resolve_job(image, "YX", SegmentParams(diameter=diameter))
    wanted = np.zeros(shape, bool)
    wanted[shape[0] // 3 :, shape[1] // 4 : shape[1] // 2] = True

    parts = FieldOfView.of(wanted if region else None, job).parts(job)

    seen = np.zeros(shape, int)
    step = grain(job.prepared.scale)
    overlap = field_of_view.overlap_needed(job)
    for part in parts:
        seen[part.window][part.inner] += 1
        assert all(part.start % step == 0 for part in part.window)
        side = max(2**8, 3 * overlap * job.prepared.scale) + 32
        assert np.prod(job.prepared.network_shape(part.shape)) <= side**2
    assert seen.max() == 1
    assert seen[wanted].all()
    if not region:
        assert seen.all()
        assert (len(parts) > 1) == (np.prod(job.prepared.network_shape(shape)) > 2**16)


def test_parts_give_the_nuclei_of_the_whole(parts, field, whole):
    found = segment(field.image, probabilities=True, keep_maps=True, **DIAMETER)

    assert (len(whole.maps), len(found.maps)) == (1, 6)
    assert_same_nuclei(whole.labels, found.labels)
    assert found.count == whole.count
    assert np.abs(found.probabilities - whole.probabilities).mean() < 0.002


def test_parts_drop_what_the_border_of_the_image_cuts(field, whole, monkeypatch):
    expected = relabel(whole, drop_border=True)
    monkeypatch.setattr(field_of_view, "LARGEST", 1)
    found = segment(field.image, drop_border=True, **DIAMETER)
    assert found.count < whole.count
    assert_same_nuclei(expected.labels, found.labels)


@pytest.mark.parametrize("diameter", ["5", "20"])
def test_how_much_is_seen_at_once_is_bounded_whatever_the_scale(field, monkeypatch, diameter):
    monkeypatch.setattr(field_of_view, "LARGEST", 512**2)
    sizes = []
    predict = walk.predict_plane

    def noting(*arguments, **options):
        maps = predict(*arguments, **options)
        sizes.append(maps.maps.shape[:2])
        return maps

    monkeypatch.setattr(walk, "predict_plane", noting)
    segment(field.image[:96, :160], diameter=diameter)
    assert (len(sizes) > 1) == (diameter == "5")
    assert np.max(sizes) <= 512 + 32


def test_relabelling_parts_equals_segmenting_anew(parts, coarse):
    stack = np.stack([coarse, coarse[::-1]])
    region = np.zeros(coarse.shape, bool)
    region[:150, 30:160] = True
    for given in (None, region):
        first = segment(stack, "ZYX", region=given, keep_maps=True, **DIAMETER)
        changed = relabel(first, splitting=0.1, min_size=50)
        fresh = segment(stack, "ZYX", region=given, splitting=0.1, min_size=50, **DIAMETER)
        np.testing.assert_array_equal(changed.labels, fresh.labels)
        assert changed.count == fresh.count == changed.labels.max()
        assert len(first.maps) == 2 * len(first.field_of_view.parts(first.job)) > 2


def test_a_region_in_parts_keeps_the_nuclei_whose_centre_lies_in_it(parts, field):
    region = np.zeros(field.image.shape, bool)
    region[60:140, 70:180] = True

    found = segment(field.image, region=region, **DIAMETER)

    assert len(found.field_of_view.parts(found.job)) > 1
    assert found.count > 0
    for label in range(1, found.count + 1):
        rows, columns = np.nonzero(found.labels == label)
        assert region[round(rows.mean()), round(columns.mean())]


@pytest.mark.parametrize(
    "limit", [{"certainty": 1}, {"min_size": 5000}, {"min_size": 5000, "drop_border": True}]
)
def test_what_is_left_out_of_parts_is_told_as_of_the_whole(field, monkeypatch, limit):
    expected = segment(field.image, **DIAMETER, **limit)
    monkeypatch.setattr(field_of_view, "LARGEST", 1)

    found = segment(field.image, keep_maps=True, **DIAMETER, **limit)

    assert found.count == expected.count == 0
    assert found.messages == relabel(found, splitting=0.5).messages == expected.messages


def test_progress_counts_the_tiles_of_all_parts_and_each_can_be_the_last(parts, field):
    told = []
    segment(field.image, progress=lambda *a: told.append(a), **DIAMETER)
    assert [done for done, _, _ in told] == list(range(1, 7))
    assert {total for _, total, _ in told} == {6}
    counts = [int(message.split()[0]) for _, _, message in told]
    assert counts == sorted(counts)
    assert counts[0] > 0
    told.clear()
    with pytest.raises(Cancelled):
        segment(
            field.image,
            progress=lambda *a: told.append(a),
            cancelled=lambda: len(told) == 2,
            **DIAMETER,
        )
    assert len(told) == 2


def test_the_doubt_of_parts_is_that_of_the_whole(field, monkeypatch):
    (expected,) = suggest_regions(field.image, size=64, **DIAMETER)
    monkeypatch.setattr(field_of_view, "LARGEST", 1)
    (found,) = suggest_regions(field.image, size=64, **DIAMETER)
    assert found.window == expected.window
    assert found.doubt == pytest.approx(expected.doubt, rel=0.1)


@pytest.mark.parametrize("linked", [False, True])
def test_maps_are_kept_up_to_a_limit_whatever_the_diameter(coarse, linked):
    stack = np.stack([coarse, coarse[::-1]])
    kept = segment(stack, "ZYX", keep_maps=True, link_depth=linked, diameter=10)
    size = sum(maps.maps.nbytes for maps in kept.maps) + 4 * stack.size * linked

    assert bytes_to_keep(kept.job, kept.field_of_view) == size
    for limit in (size - 1, size):
        found = segment(
            stack, "ZYX", keep_maps=True, maps_limit=limit, link_depth=linked, diameter=10
        )
        assert bool(found.maps) == (limit == size)
