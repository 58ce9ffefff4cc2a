"""One process at a time works on a job folder: the child that trains holds the lock."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_nucseg.errors import InputError, WriteError
from napari_nucseg.io.lock import check_lock, give_back, take_lock
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
    lock = take_lock(job / LOCK, *_busy(job), wait)
    try:
        yield
    finally:
        give_back(lock)


def check_free(job: Path) -> None:
    """Raise InputError if a process is at work in a job folder.

    Raises
    ------
    InputError, WriteError
        As for `job_lock`.
    """
    check_lock(job / LOCK, *_busy(job))


def is_busy(job: Path) -> bool:
    """Whether a process is at work in a job folder."""
    try:
        check_free(job)
    except InputError:
        return True
    except WriteError:  # a folder that nobody can write to
        return False
    return False


def _busy(job: Path) -> tuple[str, str]:
    """Return what to say of a job folder at which another process is at work."""
    return (
        f"The fine-tuning in {job} is at work in another process, such as another napari",
        "wait for its end or cancel it there",
    )
