"""Corrections on disk, so that a crash loses at most a moment of work.

Each session has a folder with ``predicted.npz`` (the labels before any correction; written anew
only where the corrections of other labels were restored) and ``corrections.npz`` (pixels that
differ, what was reviewed, and a JSON text about it), which is replaced as a whole. Nothing is ever
unpickled.
"""

import contextlib
import json
import os
import shutil
import threading
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucseg import __version__
from napari_nucseg._types import AnyArray, LabelArray
from napari_nucseg.correction.planes import plane_indices
from napari_nucseg.correction.review import Reviewed, pack, unpack
from napari_nucseg.correction.snapshot import Snapshot
from napari_nucseg.errors import ReadError, WriteError
from napari_nucseg.io.npz import write_npz

STATE_VARIABLE = "NAPARI_NUCSEG_STATE"
"""Environment variable: the folder for state, in place of the user's."""

KEPT_DAYS = 30
"""After which corrections that nobody restored are deleted."""

FORMAT = 1
_PREDICTED, _CORRECTIONS = "predicted.npz", "corrections.npz"
_one_at_a_time = threading.Lock()
"""A widget that closes saves while its thread may be saving; the later state must win."""

_BROKEN = (OSError, ValueError, LookupError, zipfile.BadZipFile, zlib.error, EOFError)


@dataclass(frozen=True)
class Saved:
    """What is known about saved corrections without reading them.

    Attributes
    ----------
    folder : Path
    layer : str
        Name of the labels layer.
    shape : tuple of int
    fingerprint : str
        Of the labels before any correction.
    time : datetime
        When they were saved, with time zone.
    corrections : mapping of str to int
        Counts of added, deleted, changed, split and merged nuclei.
    reviewed : float
        Share of the image.
    restored : str
        Name of the folder whose corrections it goes on with, which it supersedes; or "".
    """

    folder: Path
    layer: str
    shape: tuple[int, ...]
    fingerprint: str
    time: datetime
    corrections: Mapping[str, int]
    reviewed: float
    restored: str = ""


@dataclass(frozen=True, eq=False)
class Restored:
    """Corrections read back.

    Attributes
    ----------
    predicted, labels : arrays (..., Y, X), integer
        Before and after correction.
    reviewed : Reviewed
    """

    predicted: LabelArray
    labels: LabelArray
    reviewed: Reviewed


def autosave_folder() -> Path:
    """Return the folder for corrections, which need not exist yet."""
    given = os.environ.get(STATE_VARIABLE)
    if given:
        return Path(given) / "autosave"
    from platformdirs import user_state_path

    return user_state_path("napari-nucseg", appauthor=False) / "autosave"


def save(
    folder: Path,
    layer: str,
    predicted: Snapshot,
    labels: LabelArray,
    reviewed: Reviewed,
    corrections: Mapping[str, int] | None = None,
    restored: str = "",
) -> bool:
    """Write a session's state to its folder; remove it if there is nothing to keep.

    Parameters
    ----------
    folder : Path
        Of the session.
    layer : str
        Name of the labels layer.
    predicted : Snapshot
    labels : array (..., Y, X), integer
        As they are now.
    reviewed : Reviewed
    corrections : mapping, optional
        Counts, for the user to know what it is.
    restored : str
        Name of the folder whose corrections were restored before, which stays as it is.

    Returns
    -------
    bool
        Whether there was something to keep.

    Raises
    ------
    WriteError
    """
    with _one_at_a_time:
        about = {"layer": layer, "corrections": dict(corrections or {}), "restored": restored}
        return _save(folder, predicted, labels, reviewed, about)


def _save(
    folder: Path,
    predicted: Snapshot,
    labels: LabelArray,
    reviewed: Reviewed,
    about: dict[str, Any],
) -> bool:
    pixels, values = _difference(predicted, labels)
    if len(pixels) == 0 and not reviewed.bits:
        discard(folder)
        return False
    about = {
        **about,
        "format": FORMAT,
        "version": __version__,
        "shape": list(predicted.shape),
        "fingerprint": predicted.fingerprint,
        "time": datetime.now(UTC).isoformat(),
        "reviewed": reviewed.fraction,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"Cannot write {folder}: {error.strerror or error}.") from error
    if _saved_prediction(folder) != predicted.fingerprint:
        _write_prediction(folder, predicted)
    text = np.frombuffer(json.dumps(about).encode(), np.uint8)
    arrays = {"about": text, "pixels": pixels, "values": values, **pack(reviewed)}
    write_npz(folder / _CORRECTIONS, arrays)
    return True


def _saved_prediction(folder: Path) -> str:
    """Return the fingerprint of the prediction in a session's folder; "" without one."""
    if not (folder / _PREDICTED).exists():
        return ""
    try:
        return _read_about(folder / _CORRECTIONS).fingerprint
    except _BROKEN:
        return ""


def _write_prediction(folder: Path, predicted: Snapshot) -> None:
    """Write the prediction; the corrections of another one, which was restored, go first.

    Together the two would be labels that never were.
    """
    try:
        (folder / _CORRECTIONS).unlink(missing_ok=True)
    except OSError as error:
        raise WriteError(f"Cannot write {folder}: {error.strerror or error}.") from error
    write_npz(folder / _PREDICTED, {"labels": predicted.array()})


def _difference(predicted: Snapshot, labels: LabelArray) -> tuple[AnyArray, LabelArray]:
    """Return the flat indices of pixels that differ, int64, and their present ids."""
    pixels, values = [], []
    size = predicted.shape[-2] * predicted.shape[-1]
    planes = zip(predicted.planes(), plane_indices(labels.shape), strict=True)
    for number, (before, index) in enumerate(planes):
        now = labels[index]
        differs = before != now
        pixels.append(np.flatnonzero(differs) + number * size)
        values.append(now[differs])
    return np.concatenate(pixels).astype(np.int64), np.concatenate(values)


def list_saved(folder: Path) -> list[Saved]:
    """Return all saved corrections below a folder, the newest first; broken ones are left out."""
    found = []
    for path in sorted(folder.glob(f"*/{_CORRECTIONS}")):
        with contextlib.suppress(*_BROKEN):
            found.append(_read_about(path))
    return sorted(found, key=lambda saved: saved.time, reverse=True)


def _read_about(path: Path) -> Saved:
    with _arrays(path) as arrays:
        about: dict[str, Any] = json.loads(arrays["about"].tobytes())
    if about["format"] != FORMAT:
        raise ValueError(f"format {about['format']} is unknown")
    return Saved(
        folder=path.parent,
        layer=str(about["layer"]),
        shape=tuple(about["shape"]),
        fingerprint=str(about["fingerprint"]),
        time=datetime.fromisoformat(about["time"]),
        corrections=about["corrections"],
        reviewed=float(about["reviewed"]),
        restored=str(about.get("restored", "")),
    )


def find_saved(folder: Path, layer: str, shape: tuple[int, ...], fingerprint: str) -> Saved | None:
    """Return the newest corrections of these labels, else of labels of this name and shape.

    Corrections that others go on with are left out.
    """
    everything = list_saved(folder)
    superseded = {saved.restored for saved in everything}
    fitting = [
        saved
        for saved in everything
        if saved.shape == tuple(shape) and saved.folder.name not in superseded
    ]
    same = [saved for saved in fitting if saved.fingerprint == fingerprint]
    named = [saved for saved in fitting if saved.layer == layer]
    return next(iter([*same, *named]), None)


def restore(saved: Saved) -> Restored:
    """Read saved corrections.

    Raises
    ------
    ReadError
        A file is missing or broken.
    """
    with _explain(saved.folder):
        with _arrays(saved.folder / _PREDICTED) as arrays:
            predicted = arrays["labels"]
        with _arrays(saved.folder / _CORRECTIONS) as arrays:
            pixels, values = arrays["pixels"], arrays["values"]
            reviewed = unpack(saved.shape, arrays)
        if predicted.shape != saved.shape:
            raise ValueError(f"labels of shape {predicted.shape}")
        labels = predicted.astype(np.result_type(predicted, values), copy=True)
        labels.reshape(-1)[pixels] = values
    return Restored(predicted, labels, reviewed)


@contextlib.contextmanager
def _arrays(path: Path) -> Iterator[Mapping[str, AnyArray]]:
    """Open a file of arrays; numpy alone would leave a broken one open."""
    with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
        yield arrays


@contextlib.contextmanager
def _explain(folder: Path) -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise ReadError(f"The corrections in {folder} cannot be read: {error}.") from error


def discard(folder: Path) -> None:
    """Delete a session's folder; it need not be there.

    Raises
    ------
    WriteError
    """
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise WriteError(f"Cannot delete {folder}: {error.strerror or error}.") from error


def discard_saved(saved: Saved, keep: Collection[str] = ()) -> None:
    """Delete saved corrections, and those that they go on with.

    Parameters
    ----------
    saved : Saved
    keep : collection of str
        Names of folders that are in use, such as those of layers that are open; they stay, and so
        does what they go on with.

    Raises
    ------
    WriteError
    """
    older = {one.folder.name: one for one in list_saved(saved.folder.parent)}
    one: Saved | None = saved
    while one is not None and one.folder.name not in keep:
        discard(one.folder)
        one = older.pop(one.restored, None)


def expire(folder: Path, days: float = KEPT_DAYS) -> int:
    """Delete corrections older than some days; return how many."""
    limit = datetime.now(UTC) - timedelta(days=days)
    old = [saved for saved in list_saved(folder) if saved.time < limit]
    for saved in old:
        discard(saved.folder)
    return len(old)
