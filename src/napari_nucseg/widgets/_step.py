"""The last corrections, and which of them still stand."""

from dataclasses import dataclass

from napari_nucseg._types import LabelArray
from napari_nucseg.correction.edit import Edit
from napari_nucseg.widgets import _correct_messages as messages

MOST = 20
"""Steps that are remembered: each holds its pixels."""


@dataclass(frozen=True, eq=False)
class Step:
    """A correction that was made as one step of napari's undo.

    Attributes
    ----------
    edit : Edit
    text : str
        What was said about it.
    """

    edit: Edit
    text: str


class Steps:
    """The steps that were made, in order, and how many of them stand.

    napari does not tell of an undo, so it is seen from the pixels.
    """

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._standing = 0

    def add(self, step: Step) -> None:
        """Remember a new step; those that were undone cannot be done again.

        One without pixels is passed over: whether it stands cannot be seen.
        """
        if step.edit.size == 0:
            return
        self._steps = [*self._steps[: self._standing], step][-MOST:]
        self._standing = len(self._steps)

    def clear(self) -> None:
        """Forget all steps."""
        self._steps, self._standing = [], 0

    def turned(self, labels: LabelArray) -> str:
        """Return what to say of a step undone, or done again, since this was asked; else ``""``."""
        if self._standing and self._steps[self._standing - 1].edit.is_current(labels):
            self._standing -= 1
            return messages.undone(self._steps[self._standing].text)
        if self._standing < len(self._steps) and self._steps[self._standing].edit.is_made(labels):
            self._standing += 1
            return self._steps[self._standing - 1].text
        return ""
