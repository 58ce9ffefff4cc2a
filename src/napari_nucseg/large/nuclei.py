"""The nuclei of one block, each as a small mask at its place in the plane."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy import ndimage

from napari_nucseg._types import AnyArray, LabelArray, Window
from napari_nucseg.io.npz import read_npz, write_npz
from napari_nucseg.preprocessing.blocks import common, size, within

_NAMES = ("boxes", "centres", "cut", "bits")


@dataclass(frozen=True, eq=False)
class Nuclei:
    """Nuclei with whole masks, wherever they lie in a plane.

    Attributes
    ----------
    boxes : array (n, 4), int64
        First row, first column, row and column after the last: in pixels of the plane.
    centres : array (n, 2), float64
        Mean row and column of the pixels.
    cut : array (n,), bool
        The nucleus touches an edge of what the network saw that is not an edge of the image.
    bits : array, uint8
        The masks in their boxes, row by row, packed; each starts with a new byte.
    """

    boxes: AnyArray
    centres: AnyArray
    cut: AnyArray
    bits: AnyArray

    def __len__(self) -> int:
        return len(self.boxes)

    @classmethod
    def of(cls, labels: LabelArray, window: Window, shape: tuple[int, int]) -> "Nuclei":
        """Take the nuclei out of consecutive labels.

        Parameters
        ----------
        labels : array (Y, X) of int
            Of `window`.
        window : tuple of slice
        shape : tuple of int
            Height and width of the plane.
        """
        top, left = window[0].start, window[1].start
        boxes, centres, masks = [], [], []
        for label, box in enumerate(ndimage.find_objects(labels), start=1):
            mask = labels[box] == label
            row, column = box[0].start + top, box[1].start + left
            boxes.append((row, column, box[0].stop + top, box[1].stop + left))
            inside = np.nonzero(mask)
            centres.append((row + inside[0].mean(), column + inside[1].mean()))
            masks.append(np.packbits(mask))
        found = np.array(boxes, np.int64).reshape(-1, 4)
        edges = np.array([window[0].start, window[1].start, window[0].stop, window[1].stop])
        open_edges = edges != np.array([0, 0, *shape])
        return cls(
            found,
            np.array(centres, np.float64).reshape(-1, 2),
            ((found == edges) & open_edges).any(axis=1),
            np.concatenate(masks) if masks else np.zeros(0, np.uint8),
        )

    def take(self, keep: AnyArray) -> "Nuclei":
        """Return those at which a bool array is true."""
        bits = [self._packed(i) for i in np.flatnonzero(keep).tolist()]
        return Nuclei(
            self.boxes[keep],
            self.centres[keep],
            self.cut[keep],
            np.concatenate(bits) if bits else np.zeros(0, np.uint8),
        )

    def owned_by(self, inner: Window, tolerance: float) -> AnyArray:
        """Return (n,) bool: the centre lies in a window, or closer to it than `tolerance`."""
        low = np.array([part.start for part in inner]) - tolerance
        high = np.array([part.stop for part in inner]) + tolerance
        inside: AnyArray = (self.centres >= low) & (self.centres < high)
        return np.asarray(inside.all(axis=1))

    def count_in(self, inner: Window) -> int:
        """Return the number of nuclei whose centre lies in a window."""
        return int(self.owned_by(inner, 0.0).sum())

    def at_border(self, shape: tuple[int, int]) -> AnyArray:
        """Return (n,) bool: the nucleus touches the border of a plane of this shape."""
        return np.asarray((self.boxes == np.array([0, 0, *shape])).any(axis=1))

    def touching(self, window: Window) -> list[int]:
        """Return the numbers of the nuclei, from 0, whose box lies in a window in part."""
        rows, columns = window
        boxes = self.boxes
        inside = (
            (boxes[:, 0] < rows.stop)
            & (boxes[:, 2] > rows.start)
            & (boxes[:, 1] < columns.stop)
            & (boxes[:, 3] > columns.start)
        )
        return [int(i) for i in np.flatnonzero(inside)]

    def box(self, i: int) -> Window:
        """Return the box of a nucleus."""
        top, left, bottom, right = map(int, self.boxes[i])
        return slice(top, bottom), slice(left, right)

    def mask(self, i: int) -> AnyArray:
        """Return the mask of a nucleus in its box, bool."""
        height, width = size(self.box(i))
        flat = np.unpackbits(self._packed(i), count=height * width)
        return flat.reshape(height, width).view(bool)

    @cached_property
    def areas(self) -> AnyArray:
        """Number of pixels of each nucleus, int64."""
        if not len(self):
            return np.zeros(0, np.int64)
        bits = np.unpackbits(self.bits).reshape(-1, 8).sum(axis=1, dtype=np.int64)
        return np.asarray(np.add.reduceat(bits, self._starts[:-1]))

    def paint(self, canvas: AnyArray, window: Window, numbers: AnyArray) -> None:
        """Draw nuclei where the canvas is still 0.

        Parameters
        ----------
        canvas : array (Y, X)
            What of the plane lies in `window`.
        window : tuple of slice
        numbers : array (n,) of int
            What to draw for each nucleus; 0 leaves it out.
        """
        for i in self.touching(window):
            if numbers[i]:
                seen = common(self.box(i), window)
                if seen is not None:
                    part = canvas[within(seen, window)]
                    free = self.mask(i)[within(seen, self.box(i))] & (part == 0)
                    part[free] = numbers[i]

    @cached_property
    def _starts(self) -> AnyArray:
        """Where the bytes of each mask begin in `bits`, and where the last ones end."""
        heights, widths = (self.boxes[:, 2 + dim] - self.boxes[:, dim] for dim in (0, 1))
        return np.concatenate([[0], np.cumsum((heights * widths + 7) // 8)])

    def _packed(self, i: int) -> AnyArray:
        return self.bits[self._starts[i] : self._starts[i + 1]]

    def write(self, path: Path) -> None:
        """Write an ``.npz`` file."""
        write_npz(path, {name: getattr(self, name) for name in _NAMES})

    @classmethod
    def read(cls, path: Path) -> "Nuclei":
        """Read what `write` wrote.

        Raises
        ------
        ReadError
            The file is missing or damaged.
        """
        return cls(*read_npz(path, _NAMES, "the nuclei of a block"))
