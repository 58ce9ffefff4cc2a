"""Chains of nuclei: each has at most one predecessor and one successor."""

from collections.abc import Iterator

import numpy as np

from napari_nucseg._types import AnyArray
from napari_nucseg.linking.assignment import assign

NONE = -1


class Chains:
    """Links between the rows of a table.

    As a link leads to a later step and is one to one, a chain has at most one nucleus in each step:
    two nuclei of one plane never become one.

    Parameters
    ----------
    count : int
        Rows of the table.

    Attributes
    ----------
    following, preceding : arrays (count,), int64
        The row after, and before, each row; -1 is none.
    """

    def __init__(self, count: int) -> None:
        self.following = np.full(count, NONE)
        self.preceding = np.full(count, NONE)

    def join(self, first: AnyArray, second: AnyArray, scores: AnyArray) -> None:
        """Link ends of chains with beginnings, as the scores are best in all.

        Parameters
        ----------
        first, second : arrays (n,), int
            Rows, `second` in a later step. Those that are linked already are left out.
        scores : array (n,), float
            Above 0.
        """
        free = (self.following[first] == NONE) & (self.preceding[second] == NONE)
        first, second, scores = first[free], second[free], scores[free]
        chosen = assign(first, second, scores)
        self.following[first[chosen]] = second[chosen]
        self.preceding[second[chosen]] = first[chosen]

    def cut_before(self, row: int) -> None:
        """Let a chain end before a row, and another begin there."""
        self.following[self.preceding[row]] = NONE
        self.preceding[row] = NONE

    def __iter__(self) -> Iterator[AnyArray]:
        """Iterate over the chains, in order of their first rows; each is an array of rows."""
        following = self.following.tolist()
        for begin in np.flatnonzero(self.preceding == NONE).tolist():
            chain = [begin]
            while (after := following[chain[-1]]) != NONE:
                chain.append(after)
            yield np.array(chain)
