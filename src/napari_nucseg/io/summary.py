"""The table ``summary.csv``: one row per processed image."""

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from napari_nucseg.errors import ReadError
from napari_nucseg.io.atomic import atomic_file, write_error

COLUMNS = (
    *("file", "nuclei", "diameter", "diameter_estimated"),
    *("seconds", "status", "message", "parameters", "labels"),
)

LATER = ("diameter", "diameter_estimated")
"""Those that tables of earlier versions lack."""

PLACE = ("plate", "well", "field")
"""Further columns, after ``file``, of a table with fields of plates."""


def read_rows(path: str | Path) -> list[dict[str, str]]:
    """Read the rows of a table that `SummaryTable` wrote; incomplete ones are left out.

    Returns
    -------
    list of dict
        With all of `COLUMNS` and `PLACE`; `PLACE` is empty in a table of files, `LATER` in one of
        an earlier version. A file of 0 bytes, as a power cut may leave it, has no rows.

    Raises
    ------
    ReadError
        If it cannot be read or has other columns.
    """
    path = Path(path)
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            lines = list(csv.reader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise ReadError(f"Cannot read the table {path}: {error}.") from error
    if not lines:
        return []
    header, *rows = lines
    if tuple(header) not in _headers():
        raise ReadError(
            f"{path} is another table, or one of another version: expected the columns "
            f"{', '.join(COLUMNS)}."
        )
    empty = dict.fromkeys((*COLUMNS, *PLACE), "")
    return [empty | dict(zip(header, row, strict=True)) for row in rows if len(row) == len(header)]


class SummaryTable:
    """Writes the table row by row; a run that is killed leaves the rows so far.

    Parameters
    ----------
    path : str or Path
        Created with the header at once.
    overwrite : bool
        Whether an existing table may be replaced.
    rows : sequence of dict
        Rows to begin with, as `read_rows` gives them; they take the older table's place at once.
    plates : bool
        Whether the table has the columns `PLACE`; it has them too if `rows` need them.

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
        rows: Sequence[Mapping[str, str]] = (),
        plates: bool = False,
    ) -> None:
        self.path = Path(path)
        self._columns = _columns(plates=plates or any(row["plate"] for row in rows))
        self._begin(rows, overwrite=overwrite)

    def replace(self, rows: Sequence[Mapping[str, str]]) -> None:
        """Put other rows, as `add` returns them, in the place of all, at once.

        Raises
        ------
        WriteError
        """
        self._begin(rows, overwrite=True)

    def _begin(self, rows: Sequence[Mapping[str, str]], *, overwrite: bool) -> None:
        with atomic_file(self.path, overwrite=overwrite) as file:
            file.write(_line(self._columns))
            for row in rows:
                file.write(_line(row[column] for column in self._columns))

    def add(
        self,
        file: str | Path,
        *,
        nuclei: int | None,
        seconds: float,
        status: str,
        diameter: str = "",
        diameter_estimated: str = "",
        message: str = "",
        parameters: str = "",
        labels: str = "",
        place: Mapping[str, str] | None = None,
    ) -> dict[str, str]:
        """Add a row and bring it to the disk.

        Parameters
        ----------
        file : str or Path
        nuclei : int or None
            Number of nuclei; None, an empty cell, if the file failed.
        seconds : float
        status : str
            A word such as ``ok`` or ``failed``.
        diameter : str
            Typical diameter that the labels were made with, in pixels; empty if it is unknown.
        diameter_estimated : str
            Whether it was estimated from the image, ``yes`` or ``no``.
        message : str
            Why it failed.
        parameters : str
            Names the parameters that the result was made with.
        labels : str
            Where the labels are, relative to the table's folder.
        place : mapping, optional
            Values of the columns `PLACE`.

        Returns
        -------
        dict
            The row, as `read_rows` gives it.
        """
        cells = dict.fromkeys(PLACE, "") | dict(place or {})
        cells |= {
            "file": str(file),
            "nuclei": "" if nuclei is None else str(nuclei),
            "diameter": diameter,
            "diameter_estimated": diameter_estimated,
            "seconds": f"{seconds:.3f}",
            "status": status,
            "message": message,
            "parameters": parameters,
            "labels": labels,
        }
        row = _line(cells[column] for column in self._columns)
        try:
            with open(self.path, "ab") as table:
                table.write(row)
                table.flush()
                os.fsync(table.fileno())
        except OSError as error:
            raise write_error(self.path, error) from error
        return cells


def _columns(*, plates: bool) -> tuple[str, ...]:
    """Return the header."""
    return (COLUMNS[0], *PLACE, *COLUMNS[1:]) if plates else COLUMNS


def _headers() -> list[tuple[str, ...]]:
    """Return the headers of tables that can be read."""
    now = (_columns(plates=False), _columns(plates=True))
    return [*now, *(tuple(name for name in header if name not in LATER) for header in now)]


def _line(cells: Iterable[str]) -> bytes:
    """Return one row of a table, quoted where needed, in UTF-8."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue().encode("utf-8", errors="surrogateescape")
