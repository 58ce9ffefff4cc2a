"""What is said of an image whose labels exist already."""

import os
from dataclasses import replace
from pathlib import Path
from stat import S_ISREG

from napari_nucseg.batch.file_item import FileItem
from napari_nucseg.batch.items import Item, count_nuclei, missing_results
from napari_nucseg.batch.outcome import Outcome, Status
from napari_nucseg.batch.record import EarlierRuns, ParameterRecord
from napari_nucseg.batch.results import Results, Row
from napari_nucseg.batch.zarr_items import FieldItem, ZarrItem
from napari_nucseg.io.plate import metadata_file, read_record
from napari_nucseg.params import SegmentParams


def look_up(
    item: Item, params: SegmentParams, results: Results, record: ParameterRecord
) -> Outcome | None:
    """Return the outcome for an image that has labels; None if it is to be segmented.

    Looks at thousands of images in a second: pixels are only read of labels without a row.
    """
    rival = results.rival(item)
    if rival is not None and (item.output / rival["labels"]).exists():
        message = (
            f"{item.output / rival['labels']} exists already and was made from {rival['file']}; "
            "choose another Output, or Overwrite, which replaces them."
        )
        return Outcome(Status.FAILED, message=message)
    if params.link_time and item.tracks is not None and item.tracks.is_dir():
        message = f"{item.tracks} is a folder, expected a place for a file; move or rename it."
        return Outcome(Status.FAILED, message=message)
    there = _status_of(item.labels)
    problem = _in_the_way(item, params) if there is None else _problem(item, there)
    if problem:
        return Outcome(Status.FAILED, message=problem)
    if there is None:
        return None
    row = results.of(item)
    nuclei = _noted(row)
    if nuclei is None:
        nuclei = count_nuclei(item)
        if nuclei is None:
            message = f"{item.labels} cannot be read; remove it to have it computed again."
            return Outcome(Status.FAILED, message=message)
    return Outcome(
        Status.SKIPPED,
        nuclei,
        message=f"{item.labels} exists already",
        remark="" if row is None else record.difference(row["parameters"]),
        newer=_is_newer(item),
        lacking=missing_results(item, params),
    )


def with_what_came_along(item: Item, results: Results, record: EarlierRuns) -> Item:
    """Return an item that knows what the labels which lie there were written with."""
    row = results.of_labels(item)
    if row is None:
        return item
    mapped = maps_came_along(item, results, record)
    tracked = record.made_with(row["parameters"], "link_time")
    if isinstance(item, FileItem):
        return replace(item, mapped=mapped, tracked=tracked)
    return replace(item, mapped=mapped) if isinstance(item, FieldItem) else item


def maps_came_along(item: Item, results: Results, record: EarlierRuns) -> bool:
    """Tell whether probabilities that lie there are known to have come with the labels there."""
    row = results.of_labels(item)
    if row is None or _made_in_blocks(item):
        return False
    return record.made_with(row["parameters"], "probabilities") and _is_older(item)


def _made_in_blocks(item: Item) -> bool:
    """Tell whether `segment_large` put the labels there since, of which the row does not tell."""
    return isinstance(item, ZarrItem) and "seams" in read_record(item.labels)


def _is_older(item: Item) -> bool:
    """Tell whether probabilities are no newer than their labels, which are written after them."""
    maps, labels = _status_of(item.probability), _status_of(item.labels)
    if maps is None or labels is None or not S_ISREG(maps.st_mode):
        return True  # a folder's time is not that of what lies in it
    return maps.st_mtime <= labels.st_mtime


def _in_the_way(item: Item, params: SegmentParams) -> str:
    """Return why results beside labels that are not there cannot be written, ``""`` if they can."""
    beside = [item.probability] if params.probabilities else []
    if params.link_time and item.tracks is not None:
        beside.append(item.tracks)
    for path in beside:
        if os.path.lexists(path):
            return (
                f"{path} exists already, but {item.labels.name} does not; remove or rename it, or "
                "choose another Output, or Overwrite, which replaces it."
            )
    return ""


def _problem(item: Item, there: os.stat_result) -> str:
    """Return why the labels cannot be taken, ``""`` if they can."""
    if S_ISREG(there.st_mode) and not there.st_size:
        return f"{item.labels} is empty; remove it to have it computed again."
    return ""


def _noted(row: Row | None) -> int | None:
    """Return the number of nuclei of a row; a failed one has none."""
    return int(row["nuclei"]) if row is not None and row["nuclei"].isdecimal() else None


def _is_newer(item: Item) -> bool:
    """Tell whether an image changed after its labels, by the dates of their metadata if Zarr."""
    image, labels = (
        _status_of(metadata_file(path) if path.is_dir() else path)
        for path in (item.source, item.labels)
    )
    return image is not None and labels is not None and image.st_mtime_ns > labels.st_mtime_ns


def _status_of(path: Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None
