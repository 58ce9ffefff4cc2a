"""The `index.csv` of a data folder: what it says about each image."""

import csv
from dataclasses import dataclass
from pathlib import Path

from napari_nucseg.errors import DatasetError

_TRUE, _FALSE = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no", "")
"""How programs write a mark in a table."""


@dataclass(frozen=True)
class IndexRow:
    """What `index.csv` says about one image."""

    group: str
    kind: str
    in_test_group: bool = False
    wrong: bool = False


def read_index(folder: Path) -> dict[str, IndexRow]:
    """Read the `index.csv` of a data folder, by the ids; ``{}`` if there is none.

    Raises
    ------
    DatasetError
        It has no column ``id``, or a mark that is not understood.
    """
    path = folder / "index.csv"
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        records = list(csv.DictReader(file))
    if records and "id" not in records[0]:
        raise DatasetError(f"{path} has no column 'id'; it has {', '.join(records[0])}.")
    return {
        record["id"]: IndexRow(
            group=record.get("group") or record["id"],
            kind=record.get("source") or "",
            in_test_group=_is_true(record.get("shares_group_with_test"), path),
            wrong=record.get("label_source") == "original_rejected",
        )
        for record in records
    }


def _is_true(value: str | None, index: Path) -> bool:
    """Read a mark of the index; DatasetError for what is not understood, which is no "no"."""
    text = (value or "").strip().lower()
    if text not in {*_TRUE, *_FALSE}:
        raise DatasetError(
            f"shares_group_with_test in {index} must be 1 or 0 (or true or false), got '{value}'."
        )
    return text in _TRUE
