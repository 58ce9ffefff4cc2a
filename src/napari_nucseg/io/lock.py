"""Locks that keep a folder for one process at a time.

The operating system holds a lock for the process that took it, and lets go of it when that process
ends, however it ends: a kill leaves nothing that blocks.
"""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nucseg.errors import InputError
from napari_nucseg.io.atomic import write_error

if TYPE_CHECKING:
    from filelock import BaseFileLock


def take_lock(path: Path, busy: str, wait: float = 0.0) -> "BaseFileLock":
    """Take a lock; give it back with `give_back`.

    Parameters
    ----------
    path : Path
        File in the folder that is kept, which must exist.
    busy : str
        What to say when somebody else has it.
    wait : float
        Seconds to wait for it.

    Raises
    ------
    InputError
        Another process, or another thread, has it.
    WriteError
        The folder cannot be written.
    """
    from filelock import FileLock, Timeout  # a dock that opens need not wait for it

    lock = FileLock(path, timeout=wait)
    try:
        lock.acquire()
    except Timeout as error:
        raise InputError(busy) from error
    except NotImplementedError:  # some file systems of clusters have no locks
        pass
    except OSError as error:
        raise write_error(path.parent, error) from error
    return lock


def give_back(lock: "BaseFileLock", *, remove: bool = False) -> None:
    """Give a lock back; its file may be removed, so that nothing is left."""
    path = Path(lock.lock_file)
    if remove:
        with contextlib.suppress(OSError):  # Windows keeps an open file
            path.unlink(missing_ok=True)  # while it is held, so that none follows
    lock.release()
    if remove:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
