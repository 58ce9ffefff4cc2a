"""`segment_large`: from an image of any size to labels on disk, block by block."""

import contextlib
import dataclasses
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_nucseg._types import CancelCheck, Progress
from napari_nucseg.cluster.clients import check_workers, opened_client
from napari_nucseg.cluster.worker import threads_each
from napari_nucseg.errors import InputError, WriteError
from napari_nucseg.io.atomic import exists_error
from napari_nucseg.io.lazy import LazyImage, open_lazily
from napari_nucseg.io.place import given_place
from napari_nucseg.io.plate import is_zarr
from napari_nucseg.large.block import Run
from napari_nucseg.large.executors import Executor, ThreadsExecutor, WorkersExecutor
from napari_nucseg.large.plan import make_plan
from napari_nucseg.large.request import make_request
from napari_nucseg.large.result import LargeResult
from napari_nucseg.large.steps import BlockDone, Steps
from napari_nucseg.large.work_folder import WorkFolder
from napari_nucseg.params import SegmentParams, check_whole, choose_params

if TYPE_CHECKING:
    from distributed import Client

DEFAULT_WORKERS = 2
"""Threads that work on blocks: while one runs the network, the other reads or finds nuclei."""


def segment_large(
    source: Any,
    target: str | Path,
    axes: str | None = None,
    *,
    params: SegmentParams | None = None,
    rgb: bool | None = None,
    pixel_size: Mapping[str, float] | None = None,
    block: int | None = None,
    overlap: int | None = None,
    workers: int | None = None,
    scheduler: "str | Client | None" = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
    block_done: BlockDone | None = None,
    **options: Any,
) -> LargeResult:
    """Find the nuclei in an image of any size, block by block, and write labels as OME-Zarr.

    The labels are those of `segment`, whatever the blocks, their order and the workers. A run that
    was stopped, other than by a power cut, goes on when the same is asked for again.

    Parameters
    ----------
    source : str, Path, array or LazyImage
        OME-Zarr (0.4, 0.5), a zarr array, a TIFF file; or a numpy, dask or zarr array. An
        `io.lazy.LazyImage` is an array that knows its axes and where it lies.
    target : str or Path
        Folder to create, such as ``labels.ome.zarr``. It is there only when it is complete.
    axes, params, rgb, options
        As those of `segment`; taken from the metadata where they are absent.
    pixel_size : mapping, optional
        Axis letter (Z, Y, X) to micrometres per pixel, instead of what the metadata say; also
        written as the scale of the labels. The first pixel stays where it is.
    block : int, optional
        Height and width of a block in pixels; about 1700 by default, larger for large nuclei.
    overlap : int, optional
        How far a block looks into its neighbours, in pixels; by default what the network needs and
        1.5 diameters. Nuclei that are larger may be cut, which is reported.
    workers : int, optional
        Processes on this machine. By default two threads of this process.
    scheduler : str or distributed.Client, optional
        A dask cluster, such as ``tcp://192.168.0.1:8786``, instead of `workers`. Its workers need
        this package, and image and target under the same path.
    overwrite : bool
        Whether an existing target, or an unfinished run that was asked for something else, may be
        replaced.
    progress : callable, optional
        Called as ``progress(done, total, message)`` after every block.
    cancelled : callable, optional
        Asked several times a second. Finished blocks are kept.
    block_done : callable, optional
        Called in the caller's thread as ``block_done(plane, window, labels)`` when the nuclei of a
        block are found: index of the plane, rows and columns, and labels (Y, X), uint32, unique so
        far but not the final ones; 0 where neighbours may have nuclei that are not yet found.

    Raises
    ------
    InputError, ReadError, ModelError, EngineError
        The image, a parameter or the model cannot be used; another run writes the same target.
    WriteError
        The target exists or cannot be written.
    WorkerError
        Workers cannot be started or reached.
    BlocksFailed
        Some blocks failed twice; the message says where. The others are kept.
    Cancelled

    Examples
    --------
    >>> from napari_nucseg import segment_large
    >>> result = segment_large("slide.ome.zarr", "slide_nuclei.ome.zarr", diameter="8 um")
    >>> result.count
    """
    started = time.perf_counter()
    params = choose_params(SegmentParams, params, options)
    target = given_place(target, "target", "a folder to create, such as 'labels.ome.zarr'")
    place = check_target(target, overwrite=overwrite)
    with _opened(source, axes, rgb, pixel_size) as image:
        _check_workers_argument(image, workers, scheduler)
        _protect(image, place)
        request = make_request(
            image, params, axes=axes, rgb=rgb, block=block, overlap=overlap, cancelled=cancelled
        )
        work = WorkFolder.beside(place)
        with work.alone(), opened_client(workers, scheduler) as client:
            check_target(place, overwrite=overwrite)  # once more: another run may just have ended
            plan = work.earlier_plan(request, overwrite=overwrite)
            if client is not None:
                check_workers(client, params.model)
            if plan is None:
                if progress is not None:
                    progress(0, 1, "measuring intensities and diameter")
                plan = make_plan(image, request, cancelled)
                work.start(plan)
            steps = Steps(plan, image, work, progress, cancelled, block_done)
            with _executor(steps, client, workers) as executor:
                return steps.run(executor, place, started, overwrite=overwrite)


@contextlib.contextmanager
def _opened(
    source: Any, axes: str | None, rgb: bool | None, pixel_size: Mapping[str, float] | None
) -> Iterator[LazyImage]:
    """Open an image, with other pixels if some are given; close the file that was opened here."""
    image = open_lazily(source, axes, rgb=rgb)
    try:
        if pixel_size is None:
            yield image
        else:
            yield dataclasses.replace(image, placement=image.placement.resized(pixel_size))
    finally:
        if image is not source:
            image.close()


@contextlib.contextmanager
def _executor(steps: Steps, client: "Client | None", workers: int | None) -> Iterator[Executor]:
    """Return what works on the blocks; stop it whatever happens."""
    executor: Executor
    if client is None:
        count = min(DEFAULT_WORKERS, os.cpu_count() or 1, len(steps.grid))
        run = Run(steps.plan, steps.image.array, steps.work)
        executor = ThreadsExecutor(run, count)
    else:
        threads = None if workers is None else threads_each(workers)
        executor = WorkersExecutor(client, steps.work.path, steps.plan.digest, threads)
    try:
        yield executor
    finally:
        executor.stop()


def check_target(target: Path, *, overwrite: bool) -> Path:
    """Return the absolute path of a folder to be written.

    Raises
    ------
    WriteError
        It exists and `overwrite` is false, or nothing can be written there.
    """
    target = Path(os.path.abspath(target.expanduser()))
    folder = target.parent
    if target.exists() and not overwrite:
        raise exists_error(target)
    if not folder.is_dir():
        raise WriteError(f"Cannot write {target}: the folder {folder} does not exist.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise WriteError(f"Nothing can be written to the folder {folder}: permission denied.")
    return target


def _protect(image: LazyImage, target: Path) -> None:
    """Raise WriteError if the target would replace the image, lie around it, or is no Zarr."""
    local = image.path is not None and "://" not in image.path
    if local and Path(str(image.path)).resolve().is_relative_to(target.resolve()):
        raise WriteError(f"{target} holds the image itself; choose another place.")
    if target.exists() and not is_zarr(target):
        raise WriteError(f"{target} is no Zarr, so it is not replaced; choose another place.")


def _check_workers_argument(image: LazyImage, workers: int | None, scheduler: Any) -> None:
    """Raise InputError unless workers can be had and can read the image."""
    if workers is not None and scheduler is not None:
        raise InputError("Pass workers or scheduler, not both.")
    if workers is not None:
        check_whole("workers", workers, 1)
    if image.path is None and (workers is not None or scheduler is not None):
        raise InputError(
            "Other processes cannot read an array in memory; save it as zarr or TIFF and pass the "
            "path, or leave out workers and scheduler."
        )
