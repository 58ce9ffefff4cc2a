"""The state of a training in one file that is either complete or the one before."""

import json
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucseg._types import AnyArray
from napari_nucseg.errors import CheckpointError
from napari_nucseg.io.atomic import atomic_file

_STATE = "state"


@dataclass
class State:
    """What a resumed training needs to know besides arrays.

    Attributes
    ----------
    fingerprint : str
        Of data, parameters, base model, and what of it is trained and kept (see `tuner`); another
        one is not resumed.
    epoch : int
        Finished epochs.
    history : list of dict
        One record per validation, the first of the base model: ``loss``, ``val_loss``, ``f1``,
        ``ap`` and ``seconds`` since the child began.
    best_epoch : int
        Epoch, from 1, whose weights are kept; 0 before the first.
    done : bool
        The training has ended; saving is what is left.
    cancelled : bool
        It ended because it was cancelled.
    """

    fingerprint: str
    epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    done: bool = False
    cancelled: bool = False


def save_checkpoint(path: Path, state: State, arrays: dict[str, list[AnyArray]]) -> None:
    """Write state and named lists of arrays in one step.

    Raises
    ------
    WriteError
        The disk is full or cannot be written; an older checkpoint stays.
    """
    named = {f"{name}-{i}": a for name, many in arrays.items() for i, a in enumerate(many)}
    text: AnyArray = np.frombuffer(json.dumps(asdict(state)).encode(), np.uint8)
    with atomic_file(path, overwrite=True) as file:
        np.savez(file, **{_STATE: text}, **named)  # type: ignore[arg-type]


def load_checkpoint(path: Path, fingerprint: str) -> tuple[State, dict[str, list[AnyArray]]]:
    """Read what `save_checkpoint` wrote.

    Raises
    ------
    CheckpointError
        The file is damaged, or belongs to other data, parameters, another base model or version.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            content: dict[str, Any] = {name: file[name] for name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"The checkpoint {path} is damaged ({error}); start anew.") from error
    state = State(**json.loads(content.pop(_STATE).tobytes()))
    if state.fingerprint != fingerprint:
        raise CheckpointError(
            f"The training in {path.parent} used other data, parameters, another base model or "
            "another version; start anew."
        )
    arrays: dict[str, list[AnyArray]] = {}
    for name in sorted(content, key=lambda name: int(name.rpartition("-")[2])):
        arrays.setdefault(name.rpartition("-")[0], []).append(content[name])
    return state, arrays
