"""The `model.weights.h5` of a model that may come from anyone, read without Keras.

HDF5 files may refer to other files on the disk, and may claim any size.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_nucseg.errors import ModelError
from napari_nucseg.model.config import NetworkConfig
from napari_nucseg.model.folder import CONFIG
from napari_nucseg.model.shapes import Shape, weight_shapes

if TYPE_CHECKING:
    import h5py

MAX_ARRAYS = 1 << 30
"""Bytes of all arrays at most."""


def count_parameters(path: Path) -> int:
    """Return how many numbers a weights file holds.

    Raises
    ------
    ModelError
        It holds anything but plain arrays.
    """
    return sum(map(math.prod, read_shapes(path).values()))


def check_weights(path: Path, network: NetworkConfig) -> None:
    """Check that a weights file holds the weights of a network, and numbers.

    Raises
    ------
    ModelError
        It holds anything but plain arrays, arrays of another network, NaN or infinite numbers.
    """
    found, expected = read_shapes(path), weight_shapes(network)
    for name, shape in expected.items():
        if name not in found:
            raise _another(path, f"it has no {name}")
        if found[name] != shape:
            raise _another(path, f"{name} is {_size(found[name])}, expected {_size(shape)}")
    for name in found:
        if name not in expected:
            raise _another(path, f"it also holds {name[:80]}")
    _check_finite(path)


def read_shapes(path: Path) -> dict[str, Shape]:
    """Return the shapes of the arrays in a weights file by their paths in it.

    Raises
    ------
    ModelError
        It holds anything but plain arrays.
    """
    import h5py

    shapes: dict[str, Shape] = {}
    total = 0

    def look(name: str, item: Any) -> None:
        nonlocal total
        if isinstance(item, h5py.Group):
            kinds = {type(item.get(key, getlink=True)) for key in item}
            if kinds - {h5py.HardLink}:
                raise ModelError(f"{path} holds links, expected arrays only.")
            return
        if not _is_plain(item):
            raise ModelError(f"{path} holds {item.name[:80]!r}, which is not a plain array.")
        shapes[name] = item.shape
        total += int(item.nbytes)
        if total > MAX_ARRAYS:
            raise ModelError(f"{path} holds arrays of more than {MAX_ARRAYS >> 20} MB.")

    _visit(path, look)
    return shapes


def _check_finite(path: Path) -> None:
    """Raise ModelError if a number in a file of plain arrays is NaN or infinite."""
    import h5py
    import numpy as np

    def look(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and not np.isfinite(item[()]).all():
            raise ModelError(f"{path} holds weights that are NaN or infinite, in {name}.")

    _visit(path, look)


def _visit(path: Path, look: Callable[[str, Any], None]) -> None:
    """Call `look` with path and item of everything in a file, the root first."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            look("/", file)
            file.visititems(look)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} is not a file of Keras weights: {error}.") from error


def _is_plain(item: "h5py.Dataset | h5py.Datatype") -> bool:
    """Tell whether something in a weights file holds its own numbers."""
    import h5py

    return (
        isinstance(item, h5py.Dataset)
        and item.shape is not None
        and item.dtype.kind in "biuf"
        and not item.external
        and not item.is_virtual
    )


def _another(path: Path, reason: str) -> ModelError:
    return ModelError(
        f"{path} holds the weights of another network than the one in {CONFIG}: {reason}."
    )


def _size(shape: Shape) -> str:
    return " x ".join(map(str, shape)) or "one number"
