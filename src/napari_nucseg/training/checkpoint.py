"""What a training leaves after every epoch, to go on from."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from napari_nucseg.model.folder import write_text

STATE = "training.json"


@dataclass
class State:
    """What a resumed training needs to know, and what the report shows.

    Its JSON is written last and names the files that belong to it, so that a kill at any moment
    leaves one consistent checkpoint.

    Attributes
    ----------
    recipe : dict
        The recipe, to refuse resuming with another one.
    epoch : int
        Finished epochs.
    history : list of dict
        One record per epoch: loss, accuracy, val_loss, val_accuracy and more.
    best_epoch : int
        Epoch (from 0) of the smallest validation loss so far.
    parent : dict or None
        Name and sha256 of the weights that the training started from, ``{}`` without a parent, to
        refuse resuming with another one; None in a checkpoint of an older version.
    """

    recipe: dict[str, Any]
    epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = -1
    parent: dict[str, str] | None = None

    @property
    def last(self) -> str:
        """Name of the file of the last weights, with the optimizer's state."""
        return f"last-{self.epoch:04d}.weights.h5"

    @property
    def average(self) -> str:
        """Name of the file of the moving average of the weights."""
        return f"average-{self.epoch:04d}.npz"

    @property
    def best(self) -> str:
        """Name of the file of the best weights."""
        return f"best-{self.best_epoch:04d}.weights.h5"

    def save(self, folder: Path) -> None:
        """Write it atomically as JSON, then remove the files of earlier epochs."""
        write_text(folder / STATE, json.dumps(asdict(self), indent=1))
        for path in folder.iterdir():
            if path.name not in (STATE, self.last, self.average, self.best):
                path.unlink()
