"""Files that say how long each nucleus of a movie was seen and who its mother is."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from napari_nucseg._types import AnyArray
from napari_nucseg.io.atomic import atomic_file
from napari_nucseg.io.earlier import remove_earlier

_COLUMNS = 4


def write_tracks(path: str | Path, rows: AnyArray, *, overwrite: bool = False) -> None:
    """Write tracks as ``res_track.txt`` of the Cell Tracking Challenge: a line ``L B E P`` each.

    Parameters
    ----------
    path : str or Path
        The file is there only when it is complete.
    rows : array (tracks, 4) of int
        Label, first frame, last frame (from 0), label of the mother or 0; see
        `linking.features.track_rows`.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    WriteError
    """
    with tracks_with(Path(path), rows, overwrite=overwrite):
        pass


@contextmanager
def tracks_with(path: Path, rows: AnyArray, *, overwrite: bool) -> Iterator[None]:
    """Write tracks that are there only if what is written inside the context succeeds.

    Tracks without their labels would be in the way of the same command. Arguments and errors are
    those of `write_tracks`; an existing file is refused before anything is written.
    """
    with atomic_file(path, overwrite=overwrite) as file:
        np.savetxt(file, rows, fmt="%d")
        file.flush()
        os.fsync(file.fileno())  # a full disk is known before labels are there without tracks
        yield


def remove_tracks(path: Path, *, of_labels: bool) -> str:
    """Remove the tracks of labels that were replaced by others; a file of anything else stays.

    Parameters
    ----------
    path : Path
    of_labels : bool
        Whether it is known that tracks were written there with the earlier labels.

    Returns
    -------
    str
        What the user should know of tracks that stay, ``""`` if there are none.
    """
    return "" if _read_tracks(path) is None else remove_earlier(path, of_labels=of_labels)


def are_tracks(path: Path, rows: list[list[int]]) -> bool:
    """Tell whether a file holds these tracks."""
    return _read_tracks(path) == rows


def _read_tracks(path: Path) -> list[list[int]] | None:
    """Return rows such as `write_tracks` writes; None if there is no file, or one of others."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:  # whoever writes there will say so
        return None
    rows = [line.split() for line in lines]
    if not all(len(row) == _COLUMNS and all(cell.isdigit() for cell in row) for row in rows):
        return None
    return [[int(cell) for cell in row] for row in rows]
