"""What the widget for correcting does in threads."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from napari_nucseg._types import AnyArray, CancelCheck, LabelArray, Progress
from napari_nucseg.correction.autosave import (
    Restored,
    Saved,
    autosave_folder,
    expire,
    find_saved,
    restore,
    save,
)
from napari_nucseg.correction.changes import Changes, find_changes
from napari_nucseg.correction.doubt import Doubt, rank_nuclei
from napari_nucseg.correction.edit import Edit, difference
from napari_nucseg.correction.ids import check_labels
from napari_nucseg.correction.parts import find_parts
from napari_nucseg.correction.review import Reviewed
from napari_nucseg.correction.snapshot import Snapshot
from napari_nucseg.errors import WriteError


@dataclass(frozen=True, eq=False)
class Opened:
    """What was found in a layer.

    Attributes
    ----------
    copy : Snapshot
    scattered : list of int
        Ids that occur in places far apart.
    saved : Saved or None
        Corrections of these labels, or of others of their name and shape.
    """

    copy: Snapshot
    scattered: list[int]
    saved: Saved | None


@dataclass(frozen=True, eq=False)
class Analysis:
    """How things stand after an edit."""

    changes: Changes
    doubts: tuple[Doubt, ...]
    features: Mapping[str, AnyArray] | None
    """One row for each nucleus, if they are linked."""


def read_labels(
    labels: AnyArray,
    name: str,
    time_axis: int | None,
    _progress: Progress,
    _cancelled: CancelCheck,
) -> Opened:
    """Check and copy labels, and look for saved corrections.

    Raises
    ------
    InputError
        The labels cannot be corrected.
    """
    check_labels(labels, f"The labels of '{name}'")
    copy = Snapshot.of(labels)
    folder = autosave_folder()
    with contextlib.suppress(WriteError):  # what cannot be tidied up must not stop the user
        expire(folder)
    saved = find_saved(folder, name, copy.shape, copy.fingerprint)
    return Opened(copy, find_parts(labels, time_axis).scattered(), saved)


def analyse(
    predicted: Snapshot,
    labels: LabelArray,
    probability: AnyArray | None,
    time_axis: int | None,
    describe: Callable[[LabelArray, CancelCheck], Mapping[str, AnyArray]] | None,
    _progress: Progress,
    cancelled: CancelCheck,
) -> Analysis:
    """Compare with the prediction, rank the nuclei, and describe linked ones."""
    changes = find_changes(predicted, labels)
    doubts = rank_nuclei(labels, probability, cancelled, time_axis=time_axis)
    features = None if describe is None else describe(labels, cancelled)
    return Analysis(changes, doubts, features)


def read_saved(
    saved: Saved, labels: LabelArray, _progress: Progress, _cancelled: CancelCheck
) -> tuple[Edit, Snapshot, Restored]:
    """Read saved corrections, and what to change in the labels for them."""
    restored = restore(saved)
    return difference(labels, restored.labels), Snapshot.of(restored.predicted), restored


def save_corrections(
    folder: Path,
    name: str,
    predicted: Snapshot,
    labels: LabelArray,
    reviewed: Reviewed,
    restored: str,
    _progress: Progress,
    _cancelled: CancelCheck,
) -> bool:
    """Save a session; see `correction.autosave.save`."""
    counts = find_changes(predicted, labels).counts()
    return save(folder, name, predicted, labels, reviewed, counts, restored)
