"""The checkpoint: whole or the one before, and only for the training that wrote it."""

import errno
import os

import numpy as np
import pytest

from napari_nucseg.errors import CheckpointError, WriteError
from napari_nucseg.training.finetune.checkpoint import State, load_checkpoint, save_checkpoint

ARRAYS = {
    "last": [np.arange(12.0).reshape(3, 4), np.float32(3.0)],
    "optimizer": [np.full(i + 1, i) for i in range(12)],
}


def test_what_was_saved_is_loaded(tmp_path):
    state = State("abc", epoch=3, history=[{"val_loss": 0.5}], best_epoch=2, done=True)

    save_checkpoint(tmp_path / "c.npz", state, ARRAYS)
    found, arrays = load_checkpoint(tmp_path / "c.npz", "abc")

    assert found == state
    assert arrays.keys() == ARRAYS.keys()
    for name, expected in ARRAYS.items():
        for one, other in zip(arrays[name], expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_another_training_is_not_gone_on_with(tmp_path):
    save_checkpoint(tmp_path / "c.npz", State("abc"), {})

    with pytest.raises(CheckpointError, match="used other data, parameters, another base model"):
        load_checkpoint(tmp_path / "c.npz", "abd")


def test_a_damaged_file_is_said(tmp_path):
    (tmp_path / "c.npz").write_bytes(b"PK\x03\x04 and no more")

    with pytest.raises(CheckpointError, match=r"c\.npz is damaged .* start anew"):
        load_checkpoint(tmp_path / "c.npz", "abc")


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    save_checkpoint(tmp_path / "c.npz", State("abc", epoch=1), ARRAYS)

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteError, match="No space left on device"):
        save_checkpoint(tmp_path / "c.npz", State("abc", epoch=2), ARRAYS)

    assert load_checkpoint(tmp_path / "c.npz", "abc")[0].epoch == 1
    assert [path.name for path in tmp_path.iterdir()] == ["c.npz"]
