"""What earlier runs left in a folder: whose labels are whose, and what they were made with."""

import os
from collections.abc import Iterable
from pathlib import Path

from napari_nucseg.batch.items import Item
from napari_nucseg.batch.outcome import Outcome, Status

Row = dict[str, str]


class Results:
    """Rows of the summary. Labels belong to one image only, the last that wrote them.

    An image may have several rows: its results are called otherwise when an image of the same name
    is among the inputs. Names are compared without case, as Windows and macOS do.

    Parameters
    ----------
    rows : iterable of dict
        As `io.summary.read_rows` gives them; a later row replaces an earlier one.

    Attributes
    ----------
    superseded : bool
        Rows were replaced since, which the file still has.
    """

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._rows: dict[tuple[str, str], Row] = {}
        self.superseded = False
        for row in rows:
            self.add(row)
        self.superseded = False

    @property
    def rows(self) -> list[Row]:
        """All rows, the latest last."""
        return list(self._rows.values())

    def add(self, row: Row) -> None:
        """Add a row, in place of those that are not true any more."""
        for key in {_key(row), ("", row["file"])}:
            self.superseded |= self._rows.pop(key, None) is not None
        self._rows[_key(row)] = row

    def of(self, item: Item) -> Row | None:
        """Return the row of an item's labels; None if it has none, or they are another's."""
        row = self._rows.get((_name(item), ""))
        if row is None:  # those of older versions do not name the labels
            row = self._rows.get(("", item.file))
            return None if row is None or row["status"] == Status.FAILED else row
        return row if row["file"] == item.file else None

    def rival(self, item: Item) -> str | None:
        """Return the other image that an item's labels were made from, if they were."""
        row = self._rows.get((_name(item), ""))
        return None if row is None or row["file"] == item.file else row["file"]

    def forget_untrue(self, known: Iterable[tuple[Item, Outcome | None]], folder: Path) -> None:
        """Leave out the rows that are not true any more when a run begins.

        What is to be computed again keeps its row until then: the run may fail or be stopped.

        Parameters
        ----------
        known : iterable of tuple
            Each item, with its outcome unless it is to be segmented.
        folder : Path
            Of the results.
        """
        given: dict[str, str] = {}
        for item, outcome in known:
            given[item.file] = _name(item)
            row = self.of(item)
            if outcome is None and row is not None and not item.labels.exists():
                del self._rows[_key(row)]
        for key, row in list(self._rows.items()):
            name, file = row["labels"], row["file"]
            if name:
                renamed = file in given and given[file] != key[0]
                untrue = renamed and not (folder / name).exists()
            else:
                failed = row["status"] == Status.FAILED
                untrue = failed and (file in given or not os.path.exists(file))
            if untrue:
                del self._rows[key]


def labels_name(item: Item) -> str:
    """Return where an item's labels are in the folder of the results, with slashes."""
    return item.labels.relative_to(item.output).as_posix()


def _name(item: Item) -> str:
    return labels_name(item).casefold()


def _key(row: Row) -> tuple[str, str]:
    """Return what there is one row of: labels, or an image without."""
    name = row["labels"].casefold()
    return name, "" if name else row["file"]
