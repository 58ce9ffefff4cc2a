"""The tracks of a movie, in a text file beside its labels on disk."""

from pathlib import Path

from napari_nucseg.io.atomic import check_target
from napari_nucseg.io.inputs import TRACKS_SUFFIX, image_stem
from napari_nucseg.io.tracks import remove_tracks, write_tracks
from napari_nucseg.large.result import LargeResult
from napari_nucseg.linking.features import track_rows
from napari_nucseg.params import SegmentParams

LABELS = "_labels"
"""What labels are called after the name of the image."""


def tracks_beside(labels: Path) -> Path:
    """Return where the tracks of labels go: ``m_tracks.txt`` for ``m_labels.ome.zarr``."""
    return labels.with_name(f"{image_stem(labels).removesuffix(LABELS)}{TRACKS_SUFFIX}")


def check_tracks(labels: Path, params: SegmentParams, *, overwrite: bool) -> None:
    """Raise WriteError if tracks will be written, and cannot be: before the work is done."""
    if params.link_time:
        check_target(tracks_beside(labels), overwrite=overwrite)


def write_large_tracks(result: LargeResult, params: SegmentParams, *, overwrite: bool) -> None:
    """Write the tracks beside the labels, or remove those of labels that were replaced.

    Raises
    ------
    WriteError
    """
    if params.link_time:
        rows = track_rows(result.features)
        write_tracks(tracks_beside(result.path), rows, overwrite=overwrite)
    elif overwrite:
        remove_tracks(tracks_beside(result.path))
