"""What the widget for fine-tuning says."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from napari_nucseg.counted import counted
from napari_nucseg.training.finetune.messages import HeldOutArea, Progress, Scores
from napari_nucseg.widgets._time_left import duration

NO_ROWS = (
    "There is nothing to learn from: choose an image and its corrected labels, or a data folder."
)
NO_IMAGE = "A row has labels but no image: open the image that they belong to, or remove the row."
NO_LABELS = (
    "A row has an image but no labels: segment and correct the image first, or remove the row."
)
NO_NAME = "Give the new model a name."
BUSY = "Another fine-tuning is running in this napari; wait for its end or cancel it."
SEGMENT_BUSY = "An image is being segmented; wait for its end or cancel it, then press again."
PREPARING = "Checking and writing what was reviewed ..."
STARTING = "Starting the training process ..."
CANCELLING = (
    "Cancelling: the best weights so far are compared and kept. Cancel once more stops at once."
)
STOPPING = "Stopping ..."
CANCELLED = "Cancelled before anything started; nothing was changed."
DISCARDED = "The new model was deleted; the old one stays as it was."
FORGOTTEN = "The unfinished fine-tuning was deleted."
LOOK = "Save it, then Segment again."
LEGEND = "The held-out part. Blue: your outlines. Yellow: those of the model."
MOST_AREAS = 3


def mismatch(labels: str, labels_shape: Sequence[int], image: str, shape: Sequence[int]) -> str:
    """Return that labels do not belong to an image."""
    return (
        f"The labels '{labels}' are {_size(labels_shape)} but the image '{image}' is "
        f"{_size(shape)}; choose the labels of this image."
    )


def not_reviewed(labels: str) -> str:
    """Return what is missing in a row."""
    return (
        f"Nothing of '{labels}' is marked as reviewed: mark what is right in the Correct widget, "
        "or choose the whole image or a shapes layer as reviewed."
    )


def nothing_drawn(shapes: str) -> str:
    """Return what is missing in a shapes layer."""
    return (
        f"The reviewed region is empty: the shapes layer '{shapes}' has no rectangle, ellipse or "
        "polygon on the labels."
    )


def split(training: int, held_out: int, areas: Sequence[HeldOutArea]) -> str:
    """Return what is learned from and what is held out."""
    named = "; ".join(map(str, areas[:MOST_AREAS]))
    more = f"; and {len(areas) - MOST_AREAS} more" if len(areas) > MOST_AREAS else ""
    return (
        f"{counted(training, 'nucleus')} to learn from; {held_out:,} "
        f"{'is' if held_out == 1 else 'are'} held out for scoring and never learned "
        f"from: {named}{more}."
    )


def progress(told: Progress) -> str:
    """Return how far the training is."""
    text = f"Epoch {told.epoch}, loss {told.loss:.3f}"
    if told.seconds_left is None:
        return text
    return f"{text}, at most {duration(told.seconds_left)} left"


def scores(columns: Mapping[str, Scores]) -> str:
    """Return a table (HTML) of F1 and AP with one column for each name."""
    heads = "".join(f"<th>&nbsp;&nbsp;{name}</th>" for name in columns)
    rows = [
        f"<tr><td>{title}</td>{''.join(_cell(getattr(c, name)) for c in columns.values())}</tr>"
        for title, name in (("F1", "f1"), ("AP at IoU 0.5", "ap"))
    ]
    return f"<table><tr><td>on held-out nuclei</td>{heads}</tr>{''.join(rows)}</table>"


def source_removed(name: str) -> str:
    """Return what the removal of a layer means for a training."""
    return f"'{name}' was removed; the training goes on with the copy that was made of it."


def unfinished(output: str, when: datetime, problem: str | None = None) -> str:
    """Return what can be gone on with, and what is missing for that."""
    text = (
        f"The fine-tuning of '{output}' that was last at work on {when:%d %b %Y, %H:%M} is not "
        "finished, or its model was not saved."
    )
    return text if problem is None else f"{text} It cannot be resumed now, as {problem}."


def resumed(epoch: int) -> str:
    """Return where a training goes on."""
    return f"Goes on after epoch {epoch}, from its checkpoint."


def saved(name: str) -> str:
    """Return that the new model can be used."""
    return f"Saved as '{name}': it can be chosen in Segment now."


def image_gone(name: str, shape: Sequence[int], other: Sequence[int] | None) -> str:
    """Return why there is nothing to segment again.

    Parameters
    ----------
    name : str
    shape : sequence of int
        Of the image that was learned from.
    other : sequence of int, optional
        Shape of the image of the same name that is open.
    """
    if other is None:
        return (
            f"The image '{name}', {_size(shape)}, is no longer open, so it cannot be segmented "
            "again; open it under this name."
        )
    return (
        f"The image '{name}' that was learned from is {_size(shape)}, the one that is open "
        f"{_size(other)}; open the former again, or use Segment."
    )


def _size(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) + " pixels"


def _cell(value: float) -> str:
    return f"<td>&nbsp;&nbsp;{value:.3f}</td>"
