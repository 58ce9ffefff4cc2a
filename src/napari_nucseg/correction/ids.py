"""Which ids labels use, and which are free."""

import numpy as np

from napari_nucseg._types import AnyArray, LabelArray
from napari_nucseg.errors import InputError


def check_labels(labels: AnyArray, name: str = "The labels") -> None:
    """Raise InputError unless the array can be corrected: integers, at least 2 axes, no id below 0.

    Parameters
    ----------
    labels : array of any shape and dtype
    name : str
        Beginning of the message.
    """
    if not np.issubdtype(labels.dtype, np.integer):
        raise InputError(
            f"{name} must be integers (0 for background, one id per nucleus), "
            f"received dtype {labels.dtype}."
        )
    if labels.ndim < 2 or labels.size == 0:
        raise InputError(f"{name} must have pixels in Y and X, received shape {labels.shape}.")
    if labels.dtype.kind == "i" and (lowest := labels.min()) < 0:
        raise InputError(f"{name} must not have negative ids, received {lowest}.")


def next_free_ids(labels: LabelArray, count: int = 1, reserved: int = 0) -> list[int]:
    """Return ids that no nucleus has.

    They lie above all ids in use, so that an id is not used for another nucleus after its own was
    deleted; only where the dtype ends there, gaps are used.

    Parameters
    ----------
    labels : array (..., Y, X), integer
    count : int
    reserved : int
        Ids up to this one are in use elsewhere, such as in the prediction.

    Raises
    ------
    InputError
        The dtype has not that many free ids.
    """
    top = int(np.iinfo(labels.dtype).max)
    start = max(int(labels.max()), reserved) + 1
    if start + count - 1 <= top:
        return list(range(start, start + count))
    used = np.unique(labels)
    span = np.arange(1, min(top, len(used) + count) + 1)
    free = np.setdiff1d(span, used)[:count]
    if len(free) < count:
        raise InputError(
            f"Labels of dtype {labels.dtype} have no free id: convert the layer to int32 (right-"
            "click it in the layer list)."
        )
    return [int(i) for i in free]
