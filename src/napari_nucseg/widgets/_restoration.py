"""What restoring corrections changes beside the pixels, there and back."""

from dataclasses import dataclass

from napari_nucseg.correction.review import Reviewed
from napari_nucseg.correction.snapshot import Snapshot
from napari_nucseg.widgets import _correct_messages as messages
from napari_nucseg.widgets._correction import Correction


@dataclass(frozen=True, eq=False)
class _Side:
    """The state of a layer beside its pixels, before or after."""

    predicted: Snapshot
    is_prediction: bool
    reviewed: Reviewed
    restored: str


class Restoration:
    """Keeps the state that does not hold: the one before, or after an undo the restored one.

    Parameters
    ----------
    state : Correction
        Of a layer whose pixels were just restored; it is changed.
    predicted : Snapshot
    reviewed : Reviewed
    folder : str
        Name of the folder with what was restored.
    """

    def __init__(
        self, state: Correction, predicted: Snapshot, reviewed: Reviewed, folder: str
    ) -> None:
        same = state.predicted.fingerprint == predicted.fingerprint
        self._state = state
        self._saved = reviewed
        self._restored = False
        self._aside = _Side(predicted, state.is_prediction and same, reviewed, folder)

    def turn(self) -> str:
        """Restore, or take it back; return where marks of the user's own are that go by this."""
        state, coming = self._state, self._aside
        self._aside = _Side(state.predicted, state.is_prediction, state.reviewed, state.restored)
        state.predicted, state.is_prediction = coming.predicted, coming.is_prediction
        state.reviewed, state.restored = coming.reviewed, coming.restored
        self._restored = not self._restored
        going = self._aside.reviewed
        if not going.bits or going is self._saved:  # those that were saved are still there
            return ""
        return messages.MARKS_BEFORE if self._restored else messages.MARKS_SINCE
