"""Folders of models that come and go as a whole: what is not whole is hidden.

What a killed process left is deleted when it is a day old.
"""

import os
import shutil
import time
import uuid
from contextlib import suppress
from pathlib import Path

PARTIAL, REMOVED = ".partial", ".removed"
LEFTOVER_AGE = 24 * 3600
"""Seconds after which what a killed process left is deleted."""

CHUNK = 1 << 20


def hidden_folder(root: Path, name: str, suffix: str) -> Path:
    """Return a new path for one writer; `suffix` is `PARTIAL` or `REMOVED`."""
    return root / f".{name}.{uuid.uuid4().hex}{suffix}"


def copy_file(source: Path, target: Path) -> None:
    """Copy the content of a file to a new one."""
    with source.open("rb") as read, target.open("xb") as written:
        shutil.copyfileobj(read, written, CHUNK)


def copy_folder(source: Path, target: Path) -> None:
    """Copy all that lies in a folder; the user may have added to it."""
    for path in sorted(source.iterdir()):
        place = target / path.name
        if path.is_symlink():
            place.symlink_to(os.readlink(path))
        elif path.is_dir():
            place.mkdir()
            copy_folder(path, place)
        else:
            copy_file(path, place)


def discard(folder: Path, identity: int | None = None) -> None:
    """Delete a folder: it is gone at once, its content a moment later.

    Parameters
    ----------
    folder : Path
    identity : int, optional
        Inode; another folder, that another process put there since, is left alone.
    """
    if folder.is_symlink():
        folder.unlink()
        return
    hidden = hidden_folder(folder.parent, folder.name, REMOVED)
    os.rename(folder, hidden)
    if identity is not None and hidden.stat().st_ino != identity:
        os.rename(hidden, folder)
        return
    shutil.rmtree(hidden, ignore_errors=True)


def sweep(root: Path) -> None:
    """Delete what processes left that were killed long ago."""
    oldest = time.time() - LEFTOVER_AGE
    for suffix in (PARTIAL, REMOVED):
        for path in root.glob(f".*{suffix}"):
            if path.is_dir() and not path.is_symlink() and _last_change(path) < oldest:
                shutil.rmtree(path, ignore_errors=True)


def _last_change(folder: Path) -> float:
    """Return when a folder or a file in it was last changed."""
    times = [time.time()]  # what vanishes meanwhile is being dealt with
    with suppress(OSError):
        times = [path.lstat().st_mtime for path in (folder, *folder.iterdir())]
    return max(times)


def flush(folder: Path) -> None:
    """Have the disk hold all files of a folder, before its name says that it is complete."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
    flush_folder(folder)


def flush_folder(folder: Path) -> None:
    """Have the disk hold the names of what is in a folder."""
    if os.name == "posix":  # elsewhere a folder cannot be opened
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
