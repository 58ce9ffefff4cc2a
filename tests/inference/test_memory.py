"""Images that do not fit into memory: how much they take, and that blocks are the way on."""

import re

import numpy as np
import pytest

from napari_nucseg import segment, suggest_regions
from napari_nucseg._opencv import cv2
from napari_nucseg.errors import InputError
from napari_nucseg.sample_data import fluorescence_field


@pytest.fixture(scope="module")
def small():
    """A generated stack: axes ZYX, 2 x 64 x 64."""
    return np.stack([fluorescence_field((64, 64), seed=seed).image for seed in (3, 4)])


class Dark:
    """An image of zeros, uint8, of which only windows can be read."""

    dtype = np.dtype(np.uint8)

    def __init__(self, *shape):
        self.shape, self.ndim = shape, len(shape)

    def __getitem__(self, key):
        lengths = [len(range(*k.indices(n))) for k, n in zip(key, self.shape, strict=True)]
        if lengths == list(self.shape):
            raise MemoryError
        return np.zeros(lengths, np.uint8)


BLOCKS = "segment_large works in blocks"


def test_labels_that_do_not_fit():
    side = 2**24  # no process has addresses for its labels, whatever the machine
    with pytest.raises(InputError, match=BLOCKS) as raised:
        segment(Dark(side, side), diameter=14)
    assert f"its {side} x {side} pixels (YX) take at least " in str(raised.value)
    (gigabytes,) = re.findall(r"at least ([\d,]+) GB", str(raised.value))
    assert int(gigabytes.replace(",", "")) * 1e9 > 5 * side**2  # pixels and labels alone


@pytest.mark.parametrize("use", [segment, suggest_regions])
def test_a_plane_that_does_not_fit(use):
    with pytest.raises(InputError, match=BLOCKS):
        use(Dark(9000, 9000), "YX", diameter=14)


def lacking(*_, **__):
    raise MemoryError


def lacking_in_opencv(*_, **__):
    cv2.resize(np.zeros((4, 4), np.uint8), (2**20, 2**20))


@pytest.mark.parametrize("fail", [lacking, lacking_in_opencv])
@pytest.mark.parametrize(
    ("step", "known"),
    [
        ("job.estimate_diameter", False),
        ("walk.predict_plane", True),
        ("outlines.find_instances", True),
        ("left_out.find_instances", True),
        ("segment.link_outlines", True),
    ],
)
def test_a_step_that_finds_no_memory(small, monkeypatch, step, known, fail):
    monkeypatch.setattr(f"napari_nucseg.inference.{step}", fail)
    with pytest.raises(InputError, match=BLOCKS) as raised:
        segment(small, "ZYX", link_depth=True, certainty=1)
    said = str(raised.value)
    assert said.startswith("The image does not fit into memory")
    assert ("its 2 x 64 x 64 pixels (ZYX) take at least 0.1 MB" in said) == known


def test_another_error_of_opencv_stays_what_it_is(small, monkeypatch):
    def fail(*_, **__):
        cv2.resize(np.zeros((0, 0), np.uint8), (4, 4))

    monkeypatch.setattr("napari_nucseg.inference.outlines.find_instances", fail)
    with pytest.raises(cv2.error):
        segment(small, "ZYX", diameter=14)


def test_a_callback_without_memory_says_so_itself():
    def progress(done, total, message):
        raise MemoryError("of the callback")

    with pytest.raises(MemoryError, match="of the callback"):
        segment(np.zeros((1200, 1200), np.uint8), "YX", diameter=14, progress=progress)


@pytest.mark.parametrize("callback", ["progress", "cancelled"])
def test_a_callback_without_memory_says_so_itself_wherever_it_is_called(small, callback):
    error = MemoryError("of the callback")

    def find(last):
        """Return how often the callback was called, which raises when `last` calls are done."""
        calls = []

        def call(*_):
            calls.append(None)
            if len(calls) > last:
                raise error
            return False

        segment(small, "ZYX", link_depth=True, certainty=1, **{callback: call})
        return len(calls)

    total = find(10**6)
    assert total >= 2
    for last in range(total):
        with pytest.raises(MemoryError) as raised:
            find(last)
        assert raised.value is error
