"""Where each linked nucleus is: the table that napari shows beside its labels."""

import numpy as np

from napari_nucseg._types import AnyArray, FloatArray, LabelArray
from napari_nucseg.linking.stack import Linked
from napari_nucseg.linking.table import count_table

_NAMES = {"T": "frame", "Z": "plane"}


def describe_nuclei(linked: Linked, axes: str) -> dict[str, AnyArray]:
    """Return one row for each nucleus, in the columns of napari's ``features``.

    Parameters
    ----------
    linked : Linked
    axes : str
        Of its labels: T and Z, then YX.

    Returns
    -------
    dict of str to array
        ``index`` (the id); for T ``first_frame``, ``last_frame`` and ``frames``, for Z
        ``first_plane``, ``last_plane`` and ``planes``: first and last index from 0, and in how
        many the nucleus was seen; ``parent``: the id of the mother, 0 for none.
    """
    ids = np.arange(1, linked.count + 1)
    columns: dict[str, AnyArray] = {"index": ids}
    for position, axis in enumerate(axes[:-2]):
        there = np.zeros((linked.labels.shape[position], linked.count + 1), bool)
        for number, part in enumerate(np.moveaxis(linked.labels, position, 0)):
            there[number][part.reshape(-1)] = True
        there = there[:, 1:]
        name = _NAMES[axis]
        columns[f"first_{name}"] = there.argmax(axis=0)
        columns[f"last_{name}"] = len(there) - 1 - there[::-1].argmax(axis=0)
        columns[f"{name}s"] = there.sum(axis=0)
    columns["parent"] = np.array([linked.parents.get(nucleus, 0) for nucleus in ids.tolist()], int)
    return columns


def track_points(labels: LabelArray) -> FloatArray:
    """Return the centre of each nucleus in each frame, as a Tracks layer of napari takes them.

    Parameters
    ----------
    labels : array (T, ..., Y, X)

    Returns
    -------
    array (n, 1 + ndim), float64
        Id, frame, then the mean index along each further axis; sorted by id and frame.
    """
    table = count_table(labels, gap=-1)  # which share pixels does not matter
    order = np.lexsort((table.steps, table.ids))
    return np.column_stack([table.ids, table.steps, table.centres])[order]
