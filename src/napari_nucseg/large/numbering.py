"""Whose nucleus it is where blocks meet, and the ids of all nuclei."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_nucseg._types import AnyArray, CancelCheck, Window
from napari_nucseg.cancelling import check_cancelled
from napari_nucseg.errors import InputError
from napari_nucseg.io.npz import read_npz, write_npz
from napari_nucseg.large.nuclei import Nuclei
from napari_nucseg.preprocessing.blocks import BlockGrid, common, size, within

SAME = 0.5
"""A nucleus that shares more than this of the smaller one with a nucleus of an earlier block is
that nucleus, seen again."""

LARGEST_ID = int(np.iinfo(np.uint32).max)


@dataclass(frozen=True, eq=False)
class Numbering:
    """The ids of all nuclei of an image: consecutive from 1, in the order of blocks.

    Attributes
    ----------
    starts : array (blocks + 1,), int64
        Where the entries of each block begin in `ids`.
    ids : array, uint32
        One entry for each nucleus of each block; 0 if another block's is kept instead, or if
        others' cover it completely.
    """

    starts: AnyArray
    ids: AnyArray

    @property
    def count(self) -> int:
        """Number of nuclei."""
        return int(self.ids.max(initial=0))

    def of(self, block: int) -> AnyArray:
        """Return the ids of the nuclei of a block."""
        return self.ids[self.starts[block] : self.starts[block + 1]]

    def renamed(self, ids: AnyArray) -> "Numbering":
        """Return other ids: `ids` has one for each of the present ones, and 0 at 0."""
        return Numbering(self.starts, ids[self.ids])

    def write(self, path: Path) -> None:
        """Write an ``.npz`` file."""
        write_npz(path, {"starts": self.starts, "ids": self.ids})

    @classmethod
    def read(cls, path: Path) -> "Numbering":
        """Read what `write` wrote.

        Raises
        ------
        ReadError
        """
        return cls(*read_npz(path, ("starts", "ids"), "the ids of the nuclei"))


def number_nuclei(
    grid: BlockGrid, read: Callable[[int], Nuclei], cancelled: CancelCheck | None = None
) -> Numbering:
    """Settle what belongs to which block, one block after the other, and number what remains.

    Parameters
    ----------
    grid : BlockGrid
    read : callable
        Returns the nuclei of a block; is asked once for each.
    cancelled : callable, optional
        Asked before every block.

    Raises
    ------
    InputError
        There are more nuclei than ids.
    Cancelled
    """
    recent: dict[int, tuple[Nuclei, AnyArray]] = {}
    seen: list[AnyArray] = []
    for index in range(len(grid)):
        check_cancelled(cancelled, "Segmenting was cancelled; finished blocks are kept.")
        nuclei = read(index)
        keep = np.ones(len(nuclei), bool)
        touched = np.zeros(len(nuclei), bool)
        # Two blocks away, as both may look at what lies between them.
        earlier = {other: recent[other] for other in grid.around(index, 2) if other < index}
        for other, (theirs, kept) in earlier.items():
            shared = common(grid.at(other).outer, grid.at(index).outer)
            if shared is not None:
                again, meets = _compare(nuclei, theirs, kept, shared)
                keep &= ~again
                touched |= meets
        keep &= ~_covered(nuclei, keep & touched, earlier.values())
        recent[index] = nuclei, keep
        recent.pop(index - 2 * grid.columns - 2, None)
        seen.append(keep)
    return _number(seen)


def _number(seen: list[AnyArray]) -> Numbering:
    """Give consecutive ids to what is seen in the end."""
    starts = np.concatenate([[0], np.cumsum([len(part) for part in seen])])
    whole = np.concatenate(seen)
    count = int(whole.sum())
    if count > LARGEST_ID:
        raise InputError(
            f"The image has {count:,} nuclei; at most {LARGEST_ID:,} ids fit into 32 bits."
        )
    return Numbering(starts, np.where(whole, np.cumsum(whole), 0).astype(np.uint32))


def _compare(
    nuclei: Nuclei, earlier: Nuclei, earlier_kept: AnyArray, shared: Window
) -> tuple[AnyArray, AnyArray]:
    """Return (n,) bool each: the nucleus is one of an earlier block; it has pixels of such.

    `shared` is what both blocks have seen.
    """
    again, meets = np.zeros((2, len(nuclei)), bool)
    candidates = nuclei.touching(shared)
    if not candidates or not earlier_kept.any():
        return again, meets
    canvas = np.zeros(size(shared), np.int32)
    earlier.paint(canvas, shared, np.where(earlier_kept, np.arange(1, len(earlier) + 1), 0))
    for i in candidates:
        box = nuclei.box(i)
        seen = common(box, shared)
        if seen is None:
            continue
        mask = nuclei.mask(i)
        below = canvas[within(seen, shared)][mask[within(seen, box)]]
        found, pixels = np.unique(below[below > 0], return_counts=True)
        meets[i] = len(found) > 0
        again[i] = any(
            n > SAME * min(mask.sum(), earlier.areas[other - 1])
            for other, n in zip(found, pixels, strict=True)
        )
    return again, meets


def _covered(
    nuclei: Nuclei, candidates: AnyArray, earlier: Iterable[tuple[Nuclei, AnyArray]]
) -> AnyArray:
    """Return (n,) bool: nuclei of earlier blocks, which are drawn first, leave no pixel of it."""
    covered = np.zeros(len(nuclei), bool)
    for i in np.flatnonzero(candidates).tolist():
        box = nuclei.box(i)
        drawn = np.zeros(size(box), bool)
        for theirs, kept in earlier:
            theirs.paint(drawn, box, kept)
        covered[i] = drawn[nuclei.mask(i)].all()
    return covered
