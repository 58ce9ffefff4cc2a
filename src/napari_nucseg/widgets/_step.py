"""The last corrections, and which of them still stand."""

from collections.abc import Callable
from dataclasses import dataclass
from weakref import ref

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
    turn : callable, optional
        Called whenever the step was undone or done again, for what it changed beside the pixels;
        returns what else is to be said. Steps that have it are never forgotten.
    """

    edit: Edit
    text: str
    turn: Callable[[], str] | None = None


class Steps:
    """The steps that were made in an array, in order, and how many of them stand.

    napari does not tell of an undo, so it is seen from the pixels.
    """

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._standing = 0
        self._labels: ref[LabelArray] | None = None

    def add(self, step: Step, labels: LabelArray) -> None:
        """Remember a new step; those that were undone cannot be done again.

        One without pixels is passed over: whether it stands cannot be seen.
        """
        if step.edit.size == 0:
            return
        self._forget_others(labels)
        steps = [*self._steps[: self._standing], step]
        old, new = steps[:-MOST], steps[-MOST:]
        self._steps = [*(one for one in old if one.turn is not None), *new]
        self._standing = len(self._steps)

    def clear(self) -> None:
        """Forget all steps."""
        self._steps, self._standing = [], 0

    def turned(self, labels: LabelArray) -> str:
        """Return what to say of steps undone, or done again, since this was asked; else ``""``.

        Of several, which napari may draw at once, it is what there is to say of the last.
        """
        self._forget_others(labels)
        below = self._undone_to(labels)
        if below is not None:
            back = self._steps[below : self._standing][::-1]
            self._standing = below
            more = [step.turn() for step in back if step.turn is not None]
            return _joined(messages.undone(back[-1].text), more)
        above = self._redone_to(labels)
        if above is not None:
            again = self._steps[self._standing : above]
            self._standing = above
            more = [step.turn() for step in again if step.turn is not None]
            return _joined(again[-1].text, more)
        return ""

    def _undone_to(self, labels: LabelArray) -> int | None:
        """Return how many steps stand after an undo; None if there was none."""
        below = None  # a step that later ones have written over is neither undone nor made
        for place in reversed(range(self._standing)):
            edit = self._steps[place].edit
            if edit.is_made(labels):
                break
            if edit.is_current(labels):
                below = place
        return below

    def _redone_to(self, labels: LabelArray) -> int | None:
        """Return how many steps stand after a redo; None if there was none."""
        above = None
        for place in range(self._standing, len(self._steps)):
            edit = self._steps[place].edit
            if edit.is_current(labels):
                break
            if edit.is_made(labels):
                above = place + 1
        return above

    def _forget_others(self, labels: LabelArray) -> None:
        """Forget the steps in another array; napari forgets them as well."""
        if self._labels is None or self._labels() is not labels:
            self.clear()
            self._labels = ref(labels)


def _joined(text: str, more: list[str]) -> str:
    return " ".join([text, *(one for one in more if one)])
