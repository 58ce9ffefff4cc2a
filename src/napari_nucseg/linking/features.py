"""Where each linked nucleus is: the table that napari shows beside its labels."""

from collections.abc import Mapping

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
            there[number, np.unique(part)] = True
        there = there[:, 1:]
        name = _NAMES[axis]
        columns[f"first_{name}"] = there.argmax(axis=0)
        columns[f"last_{name}"] = len(there) - 1 - there[::-1].argmax(axis=0)
        columns[f"{name}s"] = there.sum(axis=0)
    columns["parent"] = np.array([linked.parents.get(nucleus, 0) for nucleus in ids.tolist()], int)
    return columns


def track_points(labels: LabelArray, axes: str) -> FloatArray:
    """Return the centre of each nucleus in each frame, as a Tracks layer of napari takes them.

    Parameters
    ----------
    labels : array
    axes : str
        Of the labels: with T, then YX.

    Returns
    -------
    array (n, 1 + ndim), float64
        Id, then the index along each axis of the labels, in their order; sorted by id and frame.
    """
    time = axes.index("T")
    table = count_table(np.moveaxis(labels, time, 0), gap=-1)
    points = np.insert(table.centres, time, table.steps, axis=1)
    order = np.lexsort((table.steps, table.ids))
    return np.column_stack([table.ids, points])[order]


def track_graph(parents: Mapping[int, int]) -> dict[int, list[int]]:
    """Return parents in the form of the ``graph`` of a Tracks layer of napari."""
    return {child: [parent] for child, parent in parents.items()}
