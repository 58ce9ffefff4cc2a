"""`segment_batch`: folders and plates from Python."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_nucseg._types import CancelCheck, Progress
from napari_nucseg.batch.batch import Batch
from napari_nucseg.batch.items import Item
from napari_nucseg.batch.outcome import Outcome
from napari_nucseg.errors import InputError
from napari_nucseg.params import SegmentParams, choose_params

if TYPE_CHECKING:
    from distributed import Client


def segment_batch(
    inputs: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    params: SegmentParams | None = None,
    axes: str | None = None,
    pixel_size: Mapping[str, float] | None = None,
    overwrite: bool = False,
    workers: int = 1,
    scheduler: "str | Client | None" = None,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
    **options: Any,
) -> Batch:
    """Segment image files and plates into a folder, as ``napari-nucseg segment`` does.

    Images that have results already are skipped; one that fails is tried once more, reported and
    does not stop the rest.

    Parameters
    ----------
    inputs : str, Path or sequence of them
        Image files, folders, patterns, OME-Zarr images and plates.
    output : str or Path
        Folder for the results, created if it is missing.
    params : SegmentParams, optional
        All parameters at once, instead of `options`.
    axes : str, optional
        Axes of all images, instead of what each states.
    pixel_size : mapping, optional
        Axis letter (Z, Y, X) to micrometres per pixel of all images, instead of what each states;
        also written with the results.
    overwrite : bool
        Whether existing results are computed again.
    workers : int
        Processes on this machine; 1: this process.
    scheduler : str or distributed.Client, optional
        A running dask.distributed cluster, instead of `workers`.
    progress : callable, optional
        Called as ``progress(done, total, message)`` after every image.
    cancelled : callable, optional
        Asked between tiles.
    **options
        Fields of `SegmentParams`.

    Returns
    -------
    Batch
        ``summary`` is the path of the table, ``counts`` images by status, ``nuclei`` the number
        found in this run.

    Raises
    ------
    InputError, ReadError, WriteError, ModelError, EngineError
        Found before the first image; `WriteError` also when the disk is full.
    WorkerError
        The workers cannot be started or reached, or were lost.
    Cancelled
        What was finished is kept.

    Examples
    --------
    >>> from napari_nucseg import segment_batch
    >>> batch = segment_batch("plate.zarr", "results", diameter="8 um", workers=4)
    >>> print(batch.describe())
    """
    given = _paths(inputs)
    if not _is_path(output):
        raise InputError(f"output must be the path of a folder, got {output!r}.")
    if not (scheduler is None or isinstance(scheduler, str) or hasattr(scheduler, "submit")):
        raise InputError(
            "scheduler must be the address of a dask.distributed scheduler, such as "
            f"'tcp://192.168.0.1:8786', or a Client, got {scheduler!r}."
        )
    params = choose_params(SegmentParams, params, options)
    batch = Batch.plan(given, output, params, axes=axes, pixel_size=pixel_size, overwrite=overwrite)

    def finished(item: Item, outcome: Outcome) -> None:
        if progress is not None:
            done = sum(batch.counts.values())
            progress(done, len(batch.items), f"{item.source}: {outcome.describe()}")

    batch.run(
        workers=workers,
        scheduler=scheduler,
        finished=finished,
        cancelled=cancelled,
    )
    return batch


def _paths(inputs: Any) -> list[str | Path]:
    """Return the inputs as a list; InputError unless they are paths."""
    if _is_path(inputs):
        return [inputs]
    several = isinstance(inputs, Iterable) and not isinstance(inputs, bytes)
    given: list[str | Path] = []
    for one in inputs if several else [inputs]:
        if not _is_path(one):  # nor is the rest of what may be an image on disk read
            raise InputError(
                "inputs must be paths or patterns of image files, folders, OME-Zarr images and "
                f"plates, one or a sequence of them, got {_received(one)}; an array is segmented "
                "by segment()."
            )
        given.append(one)
    return given


def _is_path(value: Any) -> bool:
    return isinstance(value, str | os.PathLike)


def _received(value: Any) -> str:
    """Return a value as it is said in a sentence, of what may be large only the type."""
    short = value is None or isinstance(value, int | float | bytes)
    return f"{value!r}" if short else f"a {type(value).__name__}"
