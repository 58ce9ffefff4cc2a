"""Images that do not fit into memory: how much they take, and that blocks are the way on."""

import re

import numpy as np
import pytest

from napari_nucseg import segment, suggest_regions
from napari_nucseg.errors import InputError


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


def test_a_callback_without_memory_says_so_itself():
    def progress(done, total, message):
        raise MemoryError("of the callback")

    with pytest.raises(MemoryError, match="of the callback"):
        segment(np.zeros((1200, 1200), np.uint8), "YX", diameter=14, progress=progress)
