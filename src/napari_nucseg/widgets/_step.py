"""The last correction, and whether it still stands."""

from dataclasses import dataclass

import numpy as np

from napari_nucseg._types import LabelArray
from napari_nucseg.correction.edit import Edit
from napari_nucseg.widgets import _correct_messages as messages


@dataclass(eq=False)
class Step:
    """A correction that was made as one step of napari's undo.

    napari does not tell of an undo, so it is seen from the pixels.

    Attributes
    ----------
    edit : Edit
    text : str
        What was said about it.
    undone : bool
    """

    edit: Edit
    text: str
    undone: bool = False

    def turned(self, labels: LabelArray) -> bool:
        """Tell whether it was undone, or done again, since this was asked last."""
        wanted = self.edit.new if self.undone else self.edit.old
        turned = self.edit.size > 0 and np.array_equal(labels[self.edit.indices], wanted)
        self.undone ^= turned
        return turned

    def describe(self) -> str:
        """Return what to say about it now."""
        return messages.undone(self.text) if self.undone else self.text
