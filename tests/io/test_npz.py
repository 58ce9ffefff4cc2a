import numpy as np
import pytest

from napari_nucseg.errors import ReadError
from napari_nucseg.io.npz import read_npz, write_npz


def test_arrays_come_back_in_the_order_of_their_names(tmp_path):
    path = tmp_path / "a.npz"
    write_npz(path, {"x": np.arange(3), "y": np.array(["a", "b"])})
    y, x = read_npz(path, ("y", "x"), "the letters")
    assert (y.tolist(), x.tolist()) == (["a", "b"], [0, 1, 2])
    write_npz(path, {"x": np.zeros(1)})  # replaces it
    assert read_npz(path, ("x",), "the letters")[0].tolist() == [0]


@pytest.mark.parametrize("damage", ["missing", "cut off", "empty", "another array", "objects"])
def test_what_is_not_whole(tmp_path, damage):
    path = tmp_path / "a.npz"
    write_npz(path, {"y" if damage == "another array" else "x": np.arange(1000)})
    if damage == "missing":
        path.unlink()
    elif damage == "cut off":
        path.write_bytes(path.read_bytes()[:100])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "objects":
        np.savez(path, x=np.array([{}], object))
    with pytest.raises(ReadError, match=r"Cannot read the letters in .*a\.npz: "):
        read_npz(path, ("x",), "the letters")
