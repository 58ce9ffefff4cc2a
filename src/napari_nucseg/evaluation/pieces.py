"""Whether labels are instance labels, by the pieces that their ids fall into."""

import numpy as np

from napari_nucseg._types import LabelArray
from napari_nucseg.correction.runs import connected_parts, find_runs

WINDOW = 1024
"""Height and width of the part that is looked at: labels are told from images by any part."""

MOST_PIECES = 2.0
"""Pieces per id above which labels are none.

At most 1.02 in the labels of 648 images, dense tissue and those with errors among them; at least 16
in the images themselves, and in a mask without ids the number of nuclei.
"""


def pieces_per_id(labels: LabelArray) -> float:
    """Return into how many connected pieces an id falls on average, in the middle of the array.

    A nucleus is one piece. A grey value of an image is many, as is the one id of a mask.

    Parameters
    ----------
    labels : array (..., Y, X), integer
        Of several planes, only that in the middle counts: a nucleus may have many.
    """
    plane = labels[tuple(size // 2 for size in labels.shape[:-2])]
    first = [max(0, (size - WINDOW) // 2) for size in plane.shape]
    runs = find_runs(plane[tuple(slice(start, start + WINDOW) for start in first)])
    if len(runs.ids) == 0:
        return 0.0
    return float((connected_parts(runs).max() + 1) / len(np.unique(runs.ids)))
