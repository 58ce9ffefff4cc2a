"""Locks that keep a folder for one process at a time.

The operating system holds a lock for the process that took it, and lets go of it when that process
ends, however it ends: a kill leaves nothing that blocks. A file beside the lock says who has it,
for what others are told; alone it means nothing.
"""

import contextlib
import errno
import os
import platform
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nucseg.errors import InputError
from napari_nucseg.io.atomic import write_error

if TYPE_CHECKING:
    from filelock import BaseFileLock

_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK)
"""What file systems say that have no locks, as some of clusters."""

_LONGEST = 200
"""Characters of a holder's file that are shown; it may be anything."""


def take_lock(path: Path, busy: str, way_on: str, wait: float = 0.0) -> "BaseFileLock":
    """Take a lock; give it back with `give_back`.

    Parameters
    ----------
    path : Path
        File in the folder that is kept, which must exist.
    busy, way_on : str
        What to say when somebody else has it: the sentence before and after who that is.
    wait : float
        Seconds to wait for it.

    Raises
    ------
    InputError
        Another process, or another thread, has it.
    WriteError
        The folder cannot be written.
    """
    lock = _acquire(path, busy, way_on, wait)
    now = datetime.now().strftime("%Y-%m-%d %H:%M")
    with contextlib.suppress(OSError):  # a message to others, without which all works
        holder_file(path).write_text(
            f"process {os.getpid()} on {platform.node() or 'this machine'} since {now}",
            encoding="utf-8",
        )
    return lock


def check_lock(path: Path, busy: str, way_on: str) -> None:
    """Raise what `take_lock` would raise, and leave the folder's dates as they are."""
    _acquire(path, busy, way_on).release()


def give_back(lock: "BaseFileLock", *, remove: bool = False) -> None:
    """Give a lock back; its file may be removed, so that nothing is left."""
    path = Path(lock.lock_file)
    with contextlib.suppress(OSError):
        holder_file(path).unlink(missing_ok=True)
    if remove:
        with contextlib.suppress(OSError):  # Windows keeps an open file
            path.unlink(missing_ok=True)  # while it is held, so that none follows
    lock.release()


def holder_file(path: Path) -> Path:
    """Return the file that says who has a lock."""
    return path.with_name(f"{path.name}.holder")


def _acquire(path: Path, busy: str, way_on: str, wait: float = 0.0) -> "BaseFileLock":
    from filelock import FileLock, Timeout  # a dock that opens need not wait for it

    # A marker instead of a lock would stay after a kill.
    lock = FileLock(path, timeout=wait, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise InputError(f"{busy}{_holder(path)}; {way_on}.") from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:  # without locks, as if nobody else were there
            raise write_error(path.parent, error) from error
    return lock


def _holder(path: Path) -> str:
    """Return who has a lock, in brackets; ``""`` if that cannot be read."""
    try:
        with open(holder_file(path), encoding="utf-8", errors="replace") as file:
            return f" ({file.read(_LONGEST)})"
    except OSError:
        return ""
