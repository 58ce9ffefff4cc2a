"""One process at a time works on a job folder.

The operating system holds the lock for the child that trains, and lets go of it when that process
ends, however it ends: a kill leaves nothing that blocks.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_nucseg.errors import InputError, WriteError
from napari_nucseg.training.finetune.job import LOCK


@contextmanager
def job_lock(job: Path, wait: float = 0.0) -> Iterator[None]:
    """Have a job folder to oneself while the block runs.

    Parameters
    ----------
    job : Path
        Must exist.
    wait : float
        Seconds to wait for it.

    Raises
    ------
    InputError
        Another process, or another thread, is at work in it.
    WriteError
        It cannot be written.
    """
    from filelock import FileLock, Timeout  # a dock that opens need not wait for it

    lock = FileLock(job / LOCK, timeout=wait)
    try:
        lock.acquire()
    except Timeout as error:
        raise InputError(
            f"The fine-tuning in {job} is at work in another process, such as another napari; "
            "wait for its end or cancel it there."
        ) from error
    except OSError as error:
        raise WriteError(f"Cannot write {job}: {error.strerror or error}.") from error
    try:
        yield
    finally:
        lock.release()


def check_free(job: Path) -> None:
    """Raise InputError if a process is at work in a job folder.

    Raises
    ------
    InputError, WriteError
        As for `job_lock`.
    """
    with job_lock(job):
        pass


def is_busy(job: Path) -> bool:
    """Whether a process is at work in a job folder."""
    try:
        check_free(job)
    except InputError:
        return True
    except WriteError:  # a folder that nobody can write to
        return False
    return False
