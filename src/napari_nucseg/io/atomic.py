"""Files that are either complete or not there."""

import contextlib
import errno
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from napari_nucseg.errors import DiskFull, WriteError

ALLOW = "turn on Overwrite (in Python, overwrite=True)"
"""What to do about what exists already; the shell names its option."""

PART = "part"
"""Ends the name of a file that is not complete; what a killed process leaves of it, see
`io.leftovers`."""


def check_target(path: Path, *, overwrite: bool) -> None:
    """Raise WriteError unless a file can be created at `path`.

    An existing file is refused unless `overwrite`.
    """
    folder = path.parent
    if not folder.exists():
        raise WriteError(f"Cannot write {path}: the folder {folder} does not exist.")
    if not folder.is_dir():
        raise WriteError(f"Cannot write {path}: {folder} is a file, expected a folder.")
    if path.is_dir():
        raise WriteError(f"Cannot write {path}: it is a folder, expected the name of a file.")
    if path.exists() and not overwrite:
        raise exists_error(path)


@contextlib.contextmanager
def atomic_file(path: Path, *, overwrite: bool = False) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path` that takes its place once it is complete.

    The temporary file is removed whatever happens; an older file at `path` stays as it was until
    the new one is on the disk.

    Raises
    ------
    WriteError
        If `path` exists and `overwrite` is false, or cannot be written; `DiskFull` for want of
        space.
    """
    try:
        check_target(path, overwrite=overwrite)
        # Threads of a process, and processes of several machines, have the same number.
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.{PART}")
        try:
            with open(temporary, "w+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise write_error(path, error) from error


def remove_file(path: Path) -> None:
    """Remove a file if it is there.

    Raises
    ------
    WriteError
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise write_error(path, error) from error


def exists_error(path: Path) -> WriteError:
    """Return the error to raise where `path` exists and must not be replaced."""
    return WriteError(f"{path} exists already; {ALLOW}, or choose another place.")


def write_error(path: Path, error: OSError) -> WriteError:
    """Return the error to raise for what the system said when `path` was written."""
    kind = DiskFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else WriteError
    return kind(f"Cannot write {path}: {error.strerror or error}.")
