"""Errors that nobody foresaw, kept for bug reports: ``tracebacks.txt``."""

from datetime import datetime
from pathlib import Path

import napari_nucseg
from napari_nucseg.io.atomic import remove_file, write_error

HEADER = "napari-nucseg "
"""Begins each run in the file, and thereby the file."""


class Tracebacks:
    """The part of one run in the file; without an error there is none.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        now = datetime.now().strftime("%Y-%m-%d %H:%M")
        self._header = f"{HEADER}{napari_nucseg.__version__}, run of {now}\n\n"

    def remove_earlier(self) -> None:
        """Remove the file if it is one of ours.

        Raises
        ------
        WriteError
        """
        try:
            with open(self._path, "rb") as file:
                ours = file.read(len(HEADER)) == HEADER.encode()
        except OSError:  # not there, or not ours
            return
        if ours:
            remove_file(self._path)

    def add(self, file: str, traceback: str) -> None:
        """Add the traceback of an image.

        Raises
        ------
        WriteError
        """
        try:
            with open(self._path, "a", encoding="utf-8", errors="backslashreplace") as out:
                out.write(f"{self._header}{file}\n{traceback}\n")
        except OSError as error:
            raise write_error(self._path, error) from error
        self._header = ""
