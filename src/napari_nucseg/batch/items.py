"""What a batch consists of: image files, OME-Zarr images, and fields of plates."""

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from napari_nucseg._types import AnyArray
from napari_nucseg.errors import InputError, ReadError, WriteError
from napari_nucseg.inference.result import SegmentationResult
from napari_nucseg.io.earlier import remove_earlier
from napari_nucseg.io.inputs import (
    LABELS_SUFFIX,
    PLATE_LABELS_SUFFIX,
    PLATE_PROBABILITY_SUFFIX,
    PROBABILITY_SUFFIX,
    TRACKS_SUFFIX,
    ZARR_LABELS_SUFFIX,
    ZARR_PROBABILITY_SUFFIX,
    find_inputs,
    output_stems,
)
from napari_nucseg.io.loaded import LoadedImage
from napari_nucseg.io.plate import Field, is_damaged, is_ome_image, is_plate, list_fields, read_ome
from napari_nucseg.io.reading import read_image
from napari_nucseg.io.tracks import remove_tracks, tracks_with
from napari_nucseg.io.writing import maps_with, write_labels
from napari_nucseg.large.rule import reason_for_blocks
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
        return self.output / f"{self.stem}{LABELS_SUFFIX}"

    @property
    def probability(self) -> Path:
        """See `Item`."""
        return self.output / f"{self.stem}{PROBABILITY_SUFFIX}"

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
        remarks = [_without_maps(self, result, overwrite=overwrite)]
        if overwrite and tracks_of(result) is None:
            remarks.append(remove_tracks(self.tracks, of_labels=self.tracked))
        return " ".join(filter(None, remarks))


@dataclass(frozen=True)
class ZarrItem(FileItem):
    """An OME-Zarr image that is segmented at once, whose results are OME-Zarr."""

    @property
    def labels(self) -> Path:
        """See `Item`."""
        return self.output / f"{self.stem}{ZARR_LABELS_SUFFIX}"

    @property
    def probability(self) -> Path:
        """See `Item`."""
        return self.output / f"{self.stem}{ZARR_PROBABILITY_SUFFIX}"

    def read(self, axes: str | None) -> LoadedImage:
        """See `Item`; InputError for an image that is too large."""
        from napari_nucseg.io.plate_field import read_field

        read_ome(self.source)  # names the file if it is damaged
        image = read_field(self.source, axes)
        reason = reason_for_blocks(image.data, image.axes)
        if reason is not None:
            raise InputError(
                f"{self.source} is too large for a batch: {reason}. Segment it by itself, in "
                f"blocks: napari-nucseg segment {self.source} --output {self.labels}"
            )
        return image

    def read_labels(self) -> LoadedImage:
        """See `Item`."""
        from napari_nucseg.io.plate_field import read_field

        return read_field(self.labels)

    def write(self, result: SegmentationResult, image: LoadedImage, *, overwrite: bool) -> str:
        """See `Item`."""
        with self.with_tracks(result, overwrite=overwrite):
            _write_groups(self, result, image, overwrite=overwrite)
        return self.without_earlier(result, overwrite=overwrite)


@dataclass(frozen=True)
class FieldItem:
    """A field of a plate, whose results are fields of plates of their own.

    Attributes
    ----------
    field : Field
    output : Path
    stem : str
        Begins the names of the resulting plates.
    mapped : bool
        Whether the labels that lie there were written with probabilities.
    """

    field: Field
    output: Path
    stem: str
    mapped: bool = False

    @property
    def source(self) -> Path:
        """See `Item`."""
        return self.field.path

    @property
    def file(self) -> str:
        """See `Item`."""
        return os.path.abspath(self.source)

    @property
    def place(self) -> Mapping[str, str]:
        """See `Item`."""
        plate = os.path.basename(os.path.abspath(self.plate))
        return {"plate": plate, "well": self.field.well, "field": self.field.name}

    @property
    def plate(self) -> Path:
        """See `Item`."""
        return self.field.plate

    @property
    def plates(self) -> tuple[Path, Path]:
        """The plates of labels and of probabilities."""
        return (
            self.output / f"{self.stem}{PLATE_LABELS_SUFFIX}",
            self.output / f"{self.stem}{PLATE_PROBABILITY_SUFFIX}",
        )

    @property
    def labels(self) -> Path:
        """See `Item`."""
        return self.plates[0] / self.field.well / self.field.name

    @property
    def probability(self) -> Path:
        """See `Item`."""
        return self.plates[1] / self.field.well / self.field.name

    @property
    def tracks(self) -> None:
        """See `Item`."""

    def absolute(self) -> "FieldItem":
        """See `Item`."""
        field = replace(self.field, plate=self.plate.absolute())
        return replace(self, field=field, output=self.output.absolute())

    def read(self, axes: str | None) -> LoadedImage:
        """See `Item`."""
        from napari_nucseg.io.plate_field import read_field

        return read_field(self.source, axes)

    def read_labels(self) -> LoadedImage:
        """See `Item`."""
        from napari_nucseg.io.plate_field import read_field

        return read_field(self.labels)

    def write(self, result: SegmentationResult, image: LoadedImage, *, overwrite: bool) -> str:
        """See `Item`."""
        _write_groups(self, result, image, overwrite=overwrite)
        return _without_maps(self, result, overwrite=overwrite)


def _write_groups(
    item: Item, result: SegmentationResult, image: LoadedImage, *, overwrite: bool
) -> None:
    """Write results as OME-Zarr; the tracks are in the attributes of the labels."""
    from napari_nucseg.io.plate_field import field_with, write_field

    tracks = tracks_of(result)
    record = {} if tracks is None else {"tracks": tracks.tolist()}
    source, axes, maps = image.path, result.axes, result.probabilities
    with ExitStack() as beside:
        if maps is not None:
            beside.enter_context(
                field_with(item.probability, source, maps, axes, image, overwrite=overwrite)
            )
        write_field(
            item.labels, source, result.labels, axes, image, record=record, overwrite=overwrite
        )


def _without_maps(
    item: FileItem | FieldItem, result: SegmentationResult, *, overwrite: bool
) -> str:
    """Remove the probabilities of labels that were replaced by some without."""
    if not overwrite or result.probabilities is not None:
        return ""
    return remove_earlier(item.probability, of_labels=item.mapped)


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


def find_items(inputs: Sequence[str | Path], output: Path, named: Mapping[Path, str]) -> list[Item]:
    """Find what files, folders, patterns and plates stand for.

    Parameters
    ----------
    inputs : sequence of str or Path
    output : Path
        Folder of the results.
    named : mapping
        The stems of those that have results there, by absolute path.

    Raises
    ------
    ReadError
        An argument gives nothing.
    """
    sources = find_inputs(inputs)
    places = {source: Path(os.path.abspath(source)) for source in sources}
    kept = {source: named[place] for source, place in places.items() if place in named}
    stems = output_stems(sources, kept)
    items: list[Item] = []
    for source in sources:
        if source.is_file():
            items.append(FileItem(source, output, stems[source]))
        elif is_ome_image(source) or is_damaged(source):
            items.append(ZarrItem(source, output, stems[source]))
        elif is_plate(source):
            items += [FieldItem(field, output, stems[source]) for field in list_fields(source)]
        else:
            raise ReadError(f"{source} vanished.")
    return items


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
                    "another --output."
                )


def count_nuclei(item: Item) -> int | None:
    """Return the number of ids in an item's labels; None if they cannot be read."""
    try:
        return int(np.count_nonzero(np.unique(item.read_labels().pixels())))
    except (ReadError, InputError):
        return None
