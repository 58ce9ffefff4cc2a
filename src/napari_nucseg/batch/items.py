"""What a batch consists of: images, and what becomes of each."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from napari_nucseg._types import AnyArray
from napari_nucseg.errors import InputError, ReadError, WriteError
from napari_nucseg.inference.result import SegmentationResult
from napari_nucseg.io.earlier import remove_earlier
from napari_nucseg.io.loaded import LoadedImage
from napari_nucseg.linking.features import track_rows
from napari_nucseg.params import SegmentParams


class Item(Protocol):
    """An image and what it becomes. Small and picklable: workers get it, never pixels."""

    @property
    def source(self) -> Path:
        """Where the image is, as the user wrote it."""

    @property
    def file(self) -> str:
        """Absolute path of the image: the column ``file`` of the summary."""

    @property
    def place(self) -> Mapping[str, str]:
        """Plate, well and field, for the summary; ``{}`` for files."""

    @property
    def plate(self) -> Path | None:
        """The plate that it is a field of; None for files and images."""

    @property
    def output(self) -> Path:
        """Folder of the results."""

    @property
    def labels(self) -> Path:
        """Where the labels go; where they are, the image is finished."""

    @property
    def probability(self) -> Path:
        """Where the probabilities go, if they are asked for."""

    @property
    def tracks(self) -> Path | None:
        """Where the tracks go, if nuclei are linked in time; None: to the labels' attributes."""

    def absolute(self) -> "Item":
        """Return the same with absolute paths, for other processes."""

    def read(self, axes: str | None) -> LoadedImage:
        """Read the image, or open it lazily; `axes` are those that the user states."""

    def read_labels(self) -> LoadedImage:
        """Read the labels."""

    def write(self, result: SegmentationResult, image: LoadedImage, *, overwrite: bool) -> str:
        """Write the labels, with them probabilities and tracks, if there are any.

        Returns what the user should know of other files that stay there, ``""`` for nothing.
        """


def missing_results(item: Item, params: SegmentParams) -> tuple[str, ...]:
    """Return what is asked for beside labels and is not there: probabilities, tracks."""
    missing = []
    if params.probabilities and not item.probability.exists():
        missing.append("probabilities")
    if params.link_time and item.tracks is not None and not item.tracks.exists():
        missing.append("tracks")
    return tuple(missing)


def tracks_of(result: SegmentationResult) -> AnyArray | None:
    """Return the tracks, see `linking.features.track_rows`; None if not linked in time."""
    linked = result.record["parameters"]["link_time"]
    return track_rows(result.features) if linked else None


def protect_inputs(items: Sequence[Item], output: Path) -> None:
    """Raise WriteError if a result would take the place of an input."""
    sources = {item.source.resolve() for item in items}
    sources |= {item.plate.resolve() for item in items if item.plate is not None}
    folder = output.resolve()
    for item in items:
        for result in (item.labels, item.probability):
            place = folder / result.relative_to(item.output)
            if sources.intersection((place, *place.parents)):
                raise WriteError(
                    f"The result of {item.source} would replace the input {result}; choose "
                    "another Output."
                )


def count_nuclei(item: Item) -> int | None:
    """Return the number of ids in an item's labels; None if they cannot be read."""
    try:
        return int(np.count_nonzero(np.unique(item.read_labels().pixels())))
    except (ReadError, InputError):
        return None


def remove_earlier_maps(
    item: Item, result: SegmentationResult, *, overwrite: bool, of_labels: bool
) -> str:
    """Remove the probabilities of labels that were replaced by some without.

    See `io.earlier.remove_earlier`.
    """
    if not overwrite or result.probabilities is not None:
        return ""
    return remove_earlier(item.probability, of_labels=of_labels)
