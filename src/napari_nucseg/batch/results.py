"""What earlier runs left in a folder: whose labels are whose, and what they were made with."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from napari_nucseg.batch.items import Item
from napari_nucseg.errors import ReadError, WriteError
from napari_nucseg.io.inputs import LABELS_SUFFIX, PLATE_LABELS_SUFFIX, ZARR_LABELS_SUFFIX
from napari_nucseg.io.summary import read_rows

Row = dict[str, str]


class Results:
    """Rows of the summary. Labels belong to one image only, the last that wrote them.

    An image keeps the name of its labels. Names are compared without case, as Windows and macOS do.

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

    @classmethod
    def read(cls, path: Path, *, overwrite: bool) -> "Results":
        """Read a table; there need not be one.

        Parameters
        ----------
        path : Path
        overwrite : bool
            Whether another table there is taken for none, as it is to be replaced.

        Raises
        ------
        WriteError
            There is another table, and it is not to be replaced.
        """
        if not os.path.exists(path):  # nor can it be told: whoever writes there will say so
            return cls()
        try:
            return cls(read_rows(path))
        except ReadError as error:
            if overwrite:
                return cls()
            raise WriteError(f"{error} Choose another Output, or Overwrite.") from error

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
        row = self.of_labels(item)
        return None if row is None or row["file"] != item.file else row

    def of_labels(self, item: Item) -> Row | None:
        """Return the row of what lies where an item's labels go, whichever image they are of."""
        return self._rows.get((_name(item), ""))

    def rival(self, item: Item) -> Row | None:
        """Return the row of an item's labels if they are another image's."""
        row = self.of_labels(item)
        return None if row is None or row["file"] == item.file else row

    def stems(self, folder: Path) -> dict[Path, str]:
        """Return what begins the names of the results that there are, by image file or plate.

        Parameters
        ----------
        folder : Path
            Of the results.
        """
        stems: dict[Path, str] = {}
        owners: dict[str, Path] = {}  # of plates: fields of another may have come into it
        for row in self._rows.values():
            name, image = row["labels"].partition("/")[0], _image(row)
            ends = (PLATE_LABELS_SUFFIX, ZARR_LABELS_SUFFIX, LABELS_SUFFIX)
            end = next((end for end in ends if name.endswith(end)), None)
            if end is None or not os.path.exists(folder / row["labels"]):
                continue
            if owners.setdefault(name.casefold(), image) == image:
                stems[image] = name.removesuffix(end)
        return stems

    def forget_untrue(self, items: Sequence[Item], folder: Path) -> None:
        """Leave out the rows that are not true any more when a run begins.

        Those are rows of the given images whose labels are gone, and failures that are to be tried
        again, or whose image is gone. What is to be replaced keeps its row until then.

        Parameters
        ----------
        items : sequence of Item
        folder : Path
            Of the results.
        """
        given = {item.file: item for item in items}
        for item in items:
            if item.plate is not None:  # which failed as a whole while it was damaged
                given[os.path.abspath(item.plate)] = item
        for key, row in list(self._rows.items()):
            if _is_untrue(row, given.get(row["file"]), folder):
                del self._rows[key]


def _is_untrue(row: Row, item: Item | None, folder: Path) -> bool:
    if not row["labels"]:  # it failed
        return item is not None or not os.path.exists(row["file"])
    return item is not None and not (folder / row["labels"]).exists()


def _image(row: Row) -> Path:
    """Return the image file or plate that a row is of."""
    field = f"{row['well']}/{row['field']}".replace("/", os.sep)
    return Path(row["file"].removesuffix(field))


def labels_name(item: Item) -> str:
    """Return where an item's labels are in the folder of the results, with slashes."""
    return item.labels.relative_to(item.output).as_posix()


def _name(item: Item) -> str:
    return labels_name(item).casefold()


def _key(row: Row) -> tuple[str, str]:
    """Return what there is one row of: labels, or an image without."""
    name = row["labels"].casefold()
    return name, "" if name else row["file"]
