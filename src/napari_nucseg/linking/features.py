"""Where each linked nucleus is: the table that napari shows beside its labels."""

from collections.abc import Mapping

import numpy as np

from napari_nucseg._types import AnyArray, CancelCheck, FloatArray, LabelArray
from napari_nucseg.linking.links import Links
from napari_nucseg.linking.table import count_table

_NAMES = {"T": "frame", "Z": "plane"}


def describe_nuclei(links: Links, axes: str) -> dict[str, AnyArray]:
    """Return one row for each nucleus, in the columns of napari's ``features``.

    Parameters
    ----------
    links : Links
    axes : str
        Of the labels: T and Z, then YX.

    Returns
    -------
    dict of str to array
        ``index`` (the id); for T ``first_frame``, ``last_frame`` and ``frames``, for Z
        ``first_plane``, ``last_plane`` and ``planes``: first and last index from 0, and in how
        many the nucleus was seen; ``parent``: the id of the mother, 0 for none.
    """
    nuclei = np.arange(1, links.count + 1)
    return _describe(nuclei, links.ids, {"T": links.frames, "Z": links.planes}, axes, links.parents)


def describe_labels(
    labels: LabelArray,
    axes: str,
    parents: Mapping[int, int],
    cancelled: CancelCheck | None = None,
) -> dict[str, AnyArray]:
    """Return the same for labels that were linked and then corrected.

    Parameters
    ----------
    labels : array (..., Y, X), integer
    axes : str
        Of the labels: T and Z, then YX.
    parents : mapping of int to int
        That were found when linking; nuclei that are gone are left out.
    cancelled : callable, optional
        Asked before every plane.

    Raises
    ------
    Cancelled
    """
    stack = labels.shape[:-2]
    table = count_table(labels.reshape(-1, *labels.shape[-2:]), -1, cancelled)
    places = dict(zip(axes[:-2], np.unravel_index(table.steps, stack), strict=True))
    nuclei = np.unique(table.ids)
    there = set(nuclei.tolist())
    left = {c: m for c, m in parents.items() if c in there and m in there}
    return _describe(nuclei, table.ids, places, axes, left)


def _describe(
    nuclei: AnyArray,
    ids: AnyArray,
    places: Mapping[str, AnyArray],
    axes: str,
    parents: Mapping[int, int],
) -> dict[str, AnyArray]:
    """Return the columns of nuclei whose outlines have these ids, at these places by axis."""
    columns: dict[str, AnyArray] = {"index": nuclei}
    for axis in axes[:-2]:
        name = _NAMES[axis]
        # A nucleus may have several outlines in a frame, or a plane: each is counted once.
        order = np.lexsort((places[axis], ids))
        own, steps = ids[order], places[axis][order]
        once = np.ones(len(own), bool)
        once[1:] = (np.diff(own) != 0) | (np.diff(steps) != 0)
        own, steps = own[once], steps[once]
        first, after = np.searchsorted(own, nuclei), np.searchsorted(own, nuclei, "right")
        columns[f"first_{name}"] = steps[first]
        columns[f"last_{name}"] = steps[after - 1]
        columns[f"{name}s"] = after - first
    columns["parent"] = np.zeros(len(nuclei), np.int64)
    if parents:
        daughters, mothers = zip(*parents.items(), strict=True)
        columns["parent"][np.searchsorted(nuclei, daughters)] = mothers
    return columns


def track_rows(features: Mapping[str, AnyArray]) -> AnyArray:
    """Return the tracks of a movie as the Cell Tracking Challenge writes them.

    Parameters
    ----------
    features : mapping of str to array
        What `describe_nuclei` returns for axes with T.

    Returns
    -------
    array (tracks, 4), int64
        Id, first frame, last frame (from 0), id of the mother or 0: "L B E P" in the challenge.
    """
    names = ("index", "first_frame", "last_frame", "parent")
    return np.column_stack([features[name] for name in names]).astype(np.int64)


def track_points(labels: LabelArray, cancelled: CancelCheck | None = None) -> FloatArray:
    """Return the centre of each nucleus in each frame, as a Tracks layer of napari takes them.

    Parameters
    ----------
    labels : array (T, ..., Y, X)
    cancelled : callable, optional
        Asked before every frame.

    Returns
    -------
    array (n, 1 + ndim), float64
        Id, frame, then the mean index along each further axis; sorted by id and frame.

    Raises
    ------
    Cancelled
    """
    table = count_table(labels, -1, cancelled)  # which share pixels does not matter
    order = np.lexsort((table.steps, table.ids))
    return np.column_stack([table.ids, table.steps, table.centres])[order]
