"""An image file of a batch, whose results are TIFF files."""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from napari_nucseg.batch.items import remove_earlier_maps, tracks_of
from napari_nucseg.inference.result import SegmentationResult
from napari_nucseg.io.inputs import LABELS_SUFFIX, PROBABILITY_SUFFIX, TRACKS_SUFFIX
from napari_nucseg.io.loaded import LoadedImage
from napari_nucseg.io.reading import read_image
from napari_nucseg.io.tracks import remove_tracks, tracks_with
from napari_nucseg.io.writing import maps_with, write_labels


@dataclass(frozen=True)
class FileItem:
    """An image file, whose results are TIFF files.

    Attributes
    ----------
    source : Path
    output : Path
        Folder of the results.
    stem : str
        Begins their names.
    mapped, tracked : bool
        Whether the labels that lie there were written with probabilities, and with tracks.
    """

    labels_suffix: ClassVar[str] = LABELS_SUFFIX
    probability_suffix: ClassVar[str] = PROBABILITY_SUFFIX

    source: Path
    output: Path
    stem: str
    mapped: bool = False
    tracked: bool = False

    @property
    def file(self) -> str:
        """See `Item`."""
        return os.path.abspath(self.source)

    @property
    def place(self) -> Mapping[str, str]:
        """See `Item`."""
        return {}

    @property
    def plate(self) -> None:
        """See `Item`."""

    @property
    def labels(self) -> Path:
        """See `Item`."""
        return self.output / f"{self.stem}{self.labels_suffix}"

    @property
    def probability(self) -> Path:
        """See `Item`."""
        return self.output / f"{self.stem}{self.probability_suffix}"

    @property
    def tracks(self) -> Path:
        """See `Item`."""
        return self.output / f"{self.stem}{TRACKS_SUFFIX}"

    def absolute(self) -> "FileItem":
        """See `Item`."""
        return replace(self, source=self.source.absolute(), output=self.output.absolute())

    def read(self, axes: str | None) -> LoadedImage:
        """See `Item`."""
        image = read_image(self.source)
        return image if axes is None else image.with_axes(axes)

    def read_labels(self) -> LoadedImage:
        """See `Item`."""
        return read_image(self.labels)

    def write(self, result: SegmentationResult, image: LoadedImage, *, overwrite: bool) -> str:
        """See `Item`."""
        axes, size, maps = result.axes, image.pixel_size, result.probabilities
        with ExitStack() as beside:
            if maps is not None:
                beside.enter_context(
                    maps_with(self.probability, maps, axes, size, overwrite=overwrite)
                )
            beside.enter_context(self.with_tracks(result, overwrite=overwrite))
            write_labels(self.labels, result.labels, axes, size, overwrite=overwrite)
        return self.without_earlier(result, overwrite=overwrite)

    def with_tracks(
        self, result: SegmentationResult, *, overwrite: bool
    ) -> AbstractContextManager[None]:
        """Return the context in which labels are written: it ends with their tracks, if any."""
        tracks = tracks_of(result)
        if tracks is None:
            return nullcontext()
        return tracks_with(self.tracks, tracks, overwrite=overwrite)

    def without_earlier(self, result: SegmentationResult, *, overwrite: bool) -> str:
        """Remove probabilities and tracks of labels that were replaced by some without.

        Returns what the user should know of those that stay, ``""`` if there are none.
        """
        remarks = [remove_earlier_maps(self, result, overwrite=overwrite, of_labels=self.mapped)]
        if overwrite and tracks_of(result) is None:
            remarks.append(remove_tracks(self.tracks, of_labels=self.tracked))
        return " ".join(filter(None, remarks))
