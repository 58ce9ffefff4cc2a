"""What the child process tells: one JSON object per line on its standard output."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from napari_nucseg.counted import counted
from napari_nucseg.frozen import Frozen


class Told(Frozen):
    """Base of all messages."""


class Scores(Told):
    """Scores on the held-out regions: F1 and AP at IoU 0.5, and the mean AP over 0.5 to 0.9."""

    f1: float
    ap: float
    mean_ap: float
    true_nuclei: int
    predicted_nuclei: int

    def better_than(self, other: "Scores") -> bool:
        """Whether the AP at 0.5 is higher, or equal with a higher mean AP."""
        return (self.ap, self.mean_ap) > (other.ap, other.mean_ap)


class Verdict(StrEnum):
    """What the held-out areas tell of the new model."""

    BETTER = "better"
    NOT_BETTER = "not better"
    UNTOLD = "cannot be told"
    """It is not better there, but by no more than chance explains."""


class HeldOutArea(Told):
    """A part of the reviewed pixels that is never learned from."""

    image: str
    box: tuple[int, int, int, int]
    """Top, left, bottom and right in pixels; bottom and right lie outside."""
    nuclei: int

    def __str__(self) -> str:
        top, left, bottom, right = self.box
        return (
            f"'{self.image}' rows {top} to {bottom - 1}, columns {left} to {right - 1} "
            f"({counted(self.nuclei, 'nucleus')})"
        )


class Started(Told):
    """The child is at work."""

    type: Literal["started"] = "started"
    model: str
    output: str
    resumed_epoch: int = 0
    """Epochs that were finished before; 0 for a new training."""


class SplitTold(Told):
    """What is trained on and what is held out for scoring."""

    type: Literal["split"] = "split"
    training_nuclei: int
    held_out_nuclei: int
    held_out: tuple[HeldOutArea, ...]


class Progress(Told):
    """One training step is done."""

    type: Literal["progress"] = "progress"
    step: int
    total: int
    """Steps at most; fewer where training ends because nothing improves."""
    epoch: int
    loss: float
    seconds_left: float | None = None
    """Until the model is saved, at most; None before it can be estimated."""


class Validation(Told):
    """The held-out regions were scored."""

    type: Literal["validation"] = "validation"
    epoch: int
    step: int
    training_loss: float | None
    """Mean over the epoch; None for the base model."""
    loss: float
    now: Scores
    before: Scores
    best: Scores
    best_epoch: int
    """The epoch whose weights are kept so far; 0 before the first."""


class Preview(Told):
    """A picture of the largest held-out area was written."""

    type: Literal["preview"] = "preview"
    path: str
    """An npz file with `image` (Y, X, 1 or 3), and labels `true`, `before` and `now` (Y, X)."""
    epoch: int


class Stage(Told):
    """What the child does when it does not train."""

    type: Literal["stage"] = "stage"
    text: str


class Log(Told):
    """What the user should know."""

    type: Literal["log"] = "log"
    level: Literal["info", "warning"] = "info"
    text: str


class Finished(Told):
    """The training came to an end, by itself or because it was cancelled."""

    type: Literal["finished"] = "finished"
    verdict: Verdict
    before: Scores
    after: Scores
    epochs: int
    best_epoch: int
    cancelled: bool = False
    candidate: str | None = None
    """Model folder in the job folder; None once it was saved."""
    folder: str | None = None
    """Where the model was saved; None if it was not, because it is not known to be better."""
    text: str
    """The comparison in a few sentences."""


class Failed(Told):
    """The training cannot go on; `text` says why."""

    type: Literal["error"] = "error"
    kind: Literal["error", "memory", "cancelled", "useless"] = "error"
    """Useless is a checkpoint that cannot be gone on with."""
    text: str


Message = Started | SplitTold | Progress | Validation | Preview | Stage | Log | Finished | Failed

_ADAPTER: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="type")])


def parse_message(line: bytes | str) -> Message:
    """Read one line of the protocol.

    Raises
    ------
    ValueError
        It is no message (`pydantic.ValidationError`).
    """
    return _ADAPTER.validate_json(line)


def format_message(message: Message) -> bytes:
    """Return the line of a message, with its line feed."""
    return message.model_dump_json().encode() + b"\n"
