"""What came with labels that were replaced by others, and does not belong to the new ones."""

import os
import shutil
from pathlib import Path

from napari_nucseg.io.leftovers import PARTIAL, hidden_beside
from napari_nucseg.io.plate import METADATA, V3_METADATA, is_zarr


def remove_earlier(path: Path, *, of_labels: bool) -> str:
    """Remove what belongs to labels that were replaced by others; what may be anybody's stays.

    Parameters
    ----------
    path : Path
        A file or a Zarr group, which need not be there.
    of_labels : bool
        Whether it is known that it was written there with the earlier labels.

    Returns
    -------
    str
        What the user should know of what stays, ``""`` if nothing does.
    """
    if not os.path.lexists(path):
        return ""
    if not of_labels:
        return (
            f"{path} was left, as it is not known to be of the earlier labels; it is not of the "
            "new ones."
        )
    try:
        _remove(path)
    except OSError as error:  # the new labels are there all the same
        return f"{path} is of the earlier labels but cannot be removed: {error.strerror or error}."
    return ""


def remove_bare_plate(plate: Path) -> None:
    """Remove a plate of which only metadata are left; one that holds anything else stays."""
    try:
        if is_zarr(plate) and all(map(_is_bare, plate.rglob("*"))):
            shutil.rmtree(plate, ignore_errors=True)
    except OSError:  # what cannot be looked into stays
        return


def _is_bare(path: Path) -> bool:
    """Tell whether a part of a plate holds no pixels; an array of zeros has no chunks."""
    if path.name == V3_METADATA:
        return '"array"' not in path.read_text(errors="replace")
    return path.is_dir() or path.name in METADATA


def _remove(path: Path) -> None:
    if not is_zarr(path):
        path.unlink()
        return
    hidden = hidden_beside(path, PARTIAL)  # a kill leaves no group that looks complete
    os.replace(path, hidden)
    shutil.rmtree(hidden, ignore_errors=True)
