"""Stacks, movies, channels, lazy arrays: plane by plane, with progress and cancelling."""

import dask.array as da
import numpy as np
import pytest
import zarr
from drawn_maps import same_nuclei

from napari_nucseg import segment
from napari_nucseg.errors import Cancelled

DIAMETER = {"diameter": "20"}


@pytest.fixture(scope="module")
def stack(coarse):
    """Return three planes (ZYX) with the same intensities in other places."""
    return np.stack([coarse, coarse[::-1], coarse[:, ::-1]])


@pytest.fixture(scope="module")
def result(stack):
    return segment(stack, "ZYX", probabilities=True, **DIAMETER)


def test_a_stack_is_segmented_like_its_planes(stack, result):
    assert result.axes == "ZYX"
    assert result.labels.shape == stack.shape
    total = 0
    for plane, labels in zip(stack, result.labels, strict=True):
        alone = segment(plane, probabilities=False, **DIAMETER)
        assert alone.job.prepared.intensity == result.job.prepared.intensity
        assert same_nuclei(alone.labels, labels)
        total += alone.count
    assert result.count == total


def test_ids_are_unique_over_all_planes(result):
    planes = [set(np.unique(plane)) - {0} for plane in result.labels]

    assert not planes[0] & planes[1]
    assert not planes[1] & planes[2]
    assert set.union(*planes) == set(range(1, result.count + 1))


def test_probabilities_are_those_of_every_plane(stack, result):
    assert result.probabilities.shape == stack.shape
    alone = segment(stack[1], probabilities=True, **DIAMETER)
    np.testing.assert_array_equal(result.probabilities[1], alone.probabilities)


def test_intensities_are_measured_once_for_the_whole_stack(stack):
    dim = stack.astype(np.uint16)
    dim[1] = dim[1] // 50  # as bright as the others' background

    found = segment(dim, "ZYX", **DIAMETER)

    assert (found.labels[0] > 0).any()
    assert not (found.labels[1] > 0).any()


@pytest.mark.parametrize(
    ("axes", "index"),
    [
        ("TYX", (slice(None),)),
        ("TZYX", (None,)),
        ("TZCYX", (None, slice(None), None)),
        ("CZYX", (None,)),
        ("ZCYX", (slice(None), None)),
        ("ZYXC", (..., None)),
    ],
)
def test_every_order_of_axes_gives_the_same_nuclei(stack, result, axes, index):
    found = segment(stack[index], axes, **DIAMETER)

    assert found.axes == axes.replace("C", "")
    np.testing.assert_array_equal(found.labels.reshape(result.labels.shape), result.labels)


def test_a_stack_of_colour_images(stack, result):
    found = segment(np.stack([stack] * 3, axis=-1), **DIAMETER)

    assert found.axes == "ZYX"
    np.testing.assert_array_equal(found.labels, result.labels)


def test_one_channel_is_chosen(coarse):
    noise = np.random.default_rng(0).integers(0, 255, coarse.shape).astype(np.uint8)
    alone = segment(coarse, **DIAMETER)

    for axes, image in (
        ("CYX", np.stack([noise, coarse])),
        ("YXC", np.stack([noise, coarse], axis=-1)),
    ):
        chosen = segment(image, axes, channels=1, **DIAMETER)
        np.testing.assert_array_equal(chosen.labels, alone.labels)


def test_all_channels_are_combined_by_their_maximum(coarse):
    dark = np.zeros_like(coarse)
    left, right = coarse.copy(), coarse.copy()
    left[:, 112:] = 0
    right[:, :112] = 0
    alone = segment(coarse, **DIAMETER)

    with_dark = segment(np.stack([dark, coarse]), "CYX", **DIAMETER)
    halves = segment(np.stack([left, right]), "CYX", **DIAMETER)

    np.testing.assert_array_equal(with_dark.labels, alone.labels)
    assert abs(halves.count - alone.count) <= 0.15 * alone.count


def test_lazy_arrays_give_the_same_labels(stack, result, tmp_path):
    store = zarr.create_array(
        str(tmp_path / "a.zarr"), shape=stack.shape, dtype=stack.dtype, chunks=(1, 64, 64)
    )
    store[...] = stack
    lazy = da.from_array(stack, chunks=(1, 100, 100))

    for image in (lazy, store, da.from_zarr(store), [lazy, lazy[:, ::2, ::2]]):
        np.testing.assert_array_equal(segment(image, "ZYX", **DIAMETER).labels, result.labels)


class _Watched:
    """An array that knows how many pixels were read from it at once."""

    def __init__(self, array):
        self.array, self.largest, self.reads, self.pixels = array, 0, 0, 0
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, index):
        self.reads += 1
        read = self.array[index]
        self.largest = max(self.largest, read.size)
        self.pixels += read.size
        return read


def test_planes_are_read_one_by_one(stack, result):
    watched = _Watched(stack)

    found = segment(watched, "ZYX", **DIAMETER)

    assert watched.largest == stack[0].size
    np.testing.assert_array_equal(found.labels, result.labels)


def test_around_a_region_no_more_is_read():
    watched = _Watched(np.zeros((2, 600, 600), np.uint8))
    region = np.zeros((600, 600), bool)
    region[:20, :20] = True

    segment(watched, "ZYX", region=region, **DIAMETER)

    assert watched.pixels < 2 * 600**2 + 2 * 300**2  # all for the intensities, then the windows


def test_progress_is_told_after_every_plane(stack, result):
    calls = []

    segment(stack, "ZYX", progress=lambda *call: calls.append(call), **DIAMETER)

    assert [call[:2] for call in calls] == [(1, 3), (2, 3), (3, 3)]
    assert calls[-1][2] == f"{result.count:,} nuclei"


def test_progress_is_told_after_every_tile():
    calls = []

    segment(
        np.zeros((1100, 64), np.uint8), progress=lambda *call: calls.append(call[:2]), **DIAMETER
    )

    assert calls == [(1, 2), (2, 2)]


def test_cancelling_at_once_reads_nothing(stack):
    watched = _Watched(stack)

    with pytest.raises(Cancelled):
        segment(watched, "ZYX", cancelled=lambda: True, **DIAMETER)

    assert watched.largest == 0


def test_cancelling_while_intensities_are_measured_reads_no_further_plane(stack):
    asked = []

    def cancelled():
        asked.append(True)
        return len(asked) > 2  # once before anything, then before every plane

    watched = _Watched(stack)
    with pytest.raises(Cancelled):
        segment(watched, "ZYX", cancelled=cancelled, **DIAMETER)

    assert watched.reads == 1


@pytest.mark.parametrize("planes", [1, 2])
def test_cancelling_between_tiles_stops_at_the_plane(stack, planes):
    done = []

    with pytest.raises(Cancelled):
        segment(
            stack,
            "ZYX",
            progress=lambda *call: done.append(call),
            cancelled=lambda: len(done) == planes,
            **DIAMETER,
        )

    assert len(done) == planes


def test_after_cancelling_the_same_call_works(stack, result):
    with pytest.raises(Cancelled):
        segment(stack, "ZYX", cancelled=lambda: True, **DIAMETER)

    np.testing.assert_array_equal(segment(stack, "ZYX", **DIAMETER).labels, result.labels)
