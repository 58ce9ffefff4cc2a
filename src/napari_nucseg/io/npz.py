"""Arrays in ``.npz`` files that are whole or not there."""

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from napari_nucseg._types import AnyArray
from napari_nucseg.errors import ReadError
from napari_nucseg.io.atomic import atomic_file

_DAMAGED = (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error)
"""What reading an ``.npz`` raises that is not whole."""


def write_npz(path: Path, arrays: Mapping[str, AnyArray]) -> None:
    """Write arrays, compressed; a file that is there is replaced.

    Raises
    ------
    WriteError
    """
    with atomic_file(path, overwrite=True) as file:
        np.savez_compressed(file, **dict[str, Any](arrays))


def read_npz(path: Path, names: Sequence[str], content: str) -> list[AnyArray]:
    """Read arrays by their names.

    Parameters
    ----------
    path : Path
    names : sequence of str
    content : str
        What the file holds, for messages.

    Raises
    ------
    ReadError
        The file is missing or damaged, or has no array of a name.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            return [arrays[name] for name in names]
    except _DAMAGED as error:
        raise ReadError(f"Cannot read {content} in {path}: {error}.") from error
