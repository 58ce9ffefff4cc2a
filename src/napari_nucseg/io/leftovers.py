"""What a killed process leaves beside a result: hidden, with a name of its own."""

import os
import re
import shutil
import uuid
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from napari_nucseg.io.atomic import PART, write_error

PARTIAL, REPLACED = "partial", "replaced"
"""A result that is not complete yet, and an earlier one that makes room for it."""

_LEFTOVER = re.compile(rf"\.(?P<name>.+)\.[0-9a-f]+\.(?P<kind>{PARTIAL}|{REPLACED}|{PART})")


def hidden_beside(target: Path, kind: str) -> Path:
    """Return a new path for one writer; processes of several machines may have the same id."""
    return target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}.{kind}")


def clear_leftovers(targets: Iterable[Path]) -> None:
    """Remove what killed processes left; an earlier result that has no successor comes back.

    Only for the process that has the folder to itself, as others may be at work on theirs.

    Parameters
    ----------
    targets : iterable of Path
        Groups and files of results; what belongs to others stays.

    Raises
    ------
    WriteError
    """
    names: defaultdict[Path, set[str]] = defaultdict(set)
    for target in targets:
        names[target.parent].add(target.name)
    for folder, known in names.items():
        try:
            for path in list(folder.iterdir()) if folder.is_dir() else ():
                found = _LEFTOVER.fullmatch(path.name)
                if found and found["name"] in known:
                    _clear(path, folder / found["name"], found["kind"])
        except OSError as error:
            raise write_error(folder, error) from error


def _clear(path: Path, target: Path, kind: str) -> None:
    if kind == PART:
        path.unlink(missing_ok=True)
    elif kind == REPLACED and not target.exists():
        os.replace(path, target)
    else:
        shutil.rmtree(path, ignore_errors=True)
