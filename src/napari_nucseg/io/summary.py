"""The table ``summary.csv``: one row per processed file."""

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from napari_nucseg.errors import ReadError, WriteError
from napari_nucseg.io.atomic import atomic_file

COLUMNS = ("file", "nuclei", "seconds", "status", "message")


def read_rows(path: str | Path) -> list[dict[str, str]]:
    """Read the rows of a table that `Summary` wrote; incomplete ones are left out.

    Raises
    ------
    ReadError
        If it cannot be read or has other columns.
    """
    path = Path(path)
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            header, *rows = csv.reader(file)
    except (OSError, ValueError, csv.Error) as error:
        raise ReadError(f"Cannot read the table {path}: {error or 'it is empty'}.") from error
    if tuple(header) != COLUMNS:
        raise ReadError(f"{path} is another table: expected the columns {', '.join(COLUMNS)}.")
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows if len(row) == len(COLUMNS)]


class Summary:
    """Writes the table row by row; a run that is killed leaves the rows so far.

    Parameters
    ----------
    path : str or Path
        Created with the header at once.
    overwrite : bool
        Whether an existing table may be replaced.
    rows : iterable of dict
        Rows to begin with, as `read_rows` gives them; they take the older table's place at once.

    Raises
    ------
    WriteError
        If it cannot be written, or exists and `overwrite` is false.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        overwrite: bool = False,
        rows: Iterable[Mapping[str, str]] = (),
    ) -> None:
        self.path = Path(path)
        with atomic_file(self.path, overwrite=overwrite) as file:
            file.write(_line(COLUMNS))
            for row in rows:
                file.write(_line([row[column] for column in COLUMNS]))

    def add(
        self,
        file: str | Path,
        *,
        nuclei: int | None,
        seconds: float,
        status: str,
        message: str = "",
    ) -> None:
        """Add a row and bring it to the disk.

        Parameters
        ----------
        file : str or Path
        nuclei : int or None
            Number of nuclei; None, an empty cell, if the file failed.
        seconds : float
        status : str
            A word such as ``ok`` or ``failed``.
        message : str
            Why it failed.
        """
        count = "" if nuclei is None else str(nuclei)
        row = _line((str(file), count, f"{seconds:.3f}", status, message))
        try:
            with open(self.path, "ab") as table:
                table.write(row)
                table.flush()
                os.fsync(table.fileno())
        except OSError as error:
            raise WriteError(f"Cannot write {self.path}: {error.strerror or error}.") from error


def _line(cells: Sequence[str]) -> bytes:
    """Return one row of a table, quoted where needed, in UTF-8."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue().encode("utf-8", errors="surrogateescape")
