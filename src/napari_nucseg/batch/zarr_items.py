"""OME-Zarr images and fields of plates of a batch, whose results are OME-Zarr."""

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from napari_nucseg.batch.file_item import FileItem
from napari_nucseg.batch.items import Item, remove_earlier_maps, tracks_of
from napari_nucseg.errors import InputError
from napari_nucseg.inference.result import SegmentationResult
from napari_nucseg.io.inputs import (
    PLATE_LABELS_SUFFIX,
    PLATE_PROBABILITY_SUFFIX,
    ZARR_LABELS_SUFFIX,
    ZARR_PROBABILITY_SUFFIX,
)
from napari_nucseg.io.loaded import LoadedImage
from napari_nucseg.io.plate import Field, read_ome
from napari_nucseg.large.rule import reason_for_blocks


@dataclass(frozen=True)
class ZarrItem(FileItem):
    """An OME-Zarr image that is segmented at once, whose results are OME-Zarr."""

    labels_suffix: ClassVar[str] = ZARR_LABELS_SUFFIX
    probability_suffix: ClassVar[str] = ZARR_PROBABILITY_SUFFIX

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
        return remove_earlier_maps(self, result, overwrite=overwrite, of_labels=self.mapped)


def _write_groups(
    item: Item, result: SegmentationResult, image: LoadedImage, *, overwrite: bool
) -> None:
    """Write results as OME-Zarr; the tracks are in the attributes of the labels."""
    from napari_nucseg.io.plate_field import field_with

    tracks = tracks_of(result)
    record = {} if tracks is None else {"tracks": tracks.tolist()}
    source, axes, maps = image.path, result.axes, result.probabilities
    with ExitStack() as written:
        if maps is not None:
            written.enter_context(
                field_with(item.probability, source, maps, axes, image, overwrite=overwrite)
            )
        written.enter_context(
            field_with(
                item.labels, source, result.labels, axes, image, record=record, overwrite=overwrite
            )
        )
