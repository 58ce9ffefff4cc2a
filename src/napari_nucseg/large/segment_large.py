"""`segment_large`: from an image of any size to labels on disk, block by block."""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg._types import AnyArray, CancelCheck, Progress
from napari_nucseg.cluster import check_workers, connected_client, local_client, threads_each
from napari_nucseg.errors import BlocksFailed, InputError, WriteError
from napari_nucseg.io.lazy import LazyImage, open_lazily
from napari_nucseg.large.block import Run
from napari_nucseg.large.executors import (
    Executor,
    ThreadsExecutor,
    WorkersExecutor,
    work_through,
)
from napari_nucseg.large.geometry import BlockGrid, Window, describe_place, size
from napari_nucseg.large.labels import LabelPyramid
from napari_nucseg.large.plan import Plan, make_plan, make_request
from napari_nucseg.large.seams import Numbering, SeamCounts, number_nuclei
from napari_nucseg.large.work import Work
from napari_nucseg.params import SegmentParams, make_params

if TYPE_CHECKING:
    from distributed import Client

BlockDone = Callable[[tuple[int, ...], Window, AnyArray], None]
"""Called as ``block_done(plane, window, labels)``, see `segment_large`."""

DEFAULT_WORKERS = 2
"""Threads that work on blocks: while one runs the network, the other reads or finds nuclei."""

WRITING = 20
"""Writing so many blocks takes about as long as finding the nuclei of one."""

MANY = 3
"""Places that a message names."""


@dataclass(frozen=True)
class LargeResult:
    """Labels on disk, and how they came about.

    Attributes
    ----------
    path : Path
        OME-Zarr with labels, uint32, and their pyramid.
    axes : str
        Axes of the labels: those of the image without C and S.
    shape : tuple of int
    count : int
        Number of nuclei; ids are 1 to `count`.
    diameter : float
        Typical diameter in pixels that was used.
    seconds : float
        Of this call; finished blocks of an earlier one are not in it.
    record : dict
        As that of `segment`, with the blocks; JSON-ready, also in the attributes of the group.
    messages : tuple of str
        What the user should know.
    cut : tuple of str
        Places of nuclei that reach beyond what a block saw, and so may be cut.
    seams : SeamCounts
    """

    path: Path
    axes: str
    shape: tuple[int, ...]
    count: int
    diameter: float
    seconds: float
    record: Mapping[str, Any]
    messages: tuple[str, ...]
    cut: tuple[str, ...]
    seams: SeamCounts


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
    was stopped, however it was, goes on when the same is asked for again.

    Parameters
    ----------
    source : str, Path or array
        OME-Zarr (0.4, 0.5), a zarr array, a TIFF file; or a numpy, dask or zarr array.
    target : str or Path
        Folder to create, such as ``labels.ome.zarr``. It is there only when it is complete.
    axes, params, rgb, options
        As those of `segment`; taken from the metadata where they are absent.
    pixel_size : mapping, optional
        Axis letter to micrometres per pixel, instead of what the metadata say.
    block : int, optional
        Height and width of a block in pixels; about 2500 by default, larger for large nuclei.
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
        The image, a parameter or the model cannot be used.
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
    if params is not None and options:
        raise InputError(f"Pass params or single options, not both; got {', '.join(options)} too.")
    started = time.perf_counter()
    params = params or make_params(options)
    place = check_target(Path(target), overwrite=overwrite)
    image = open_lazily(source, axes, rgb=rgb)
    _check_workers_argument(image, workers, scheduler)
    _keep_source(image, place)
    known = dict(image.placement.pixel_size if pixel_size is None else pixel_size)
    request = make_request(
        image, params, axes=axes, rgb=rgb, pixel_size=known, block=block, overlap=overlap
    )
    work = Work.beside(place)
    plan = work.earlier_plan(request, overwrite=overwrite)
    with _client(workers, scheduler) as client:
        if client is not None:
            check_workers(client, params.model)
        if plan is None:
            if progress is not None:
                progress(0, 1, "measuring intensities and diameter")
            plan = make_plan(image, request, cancelled)
            work.start(plan)
        steps = _Steps(plan, image, work, progress, cancelled, block_done)
        with _executor(steps, client, workers) as executor:
            return steps.run(executor, place, started)


class _Steps:
    """The steps of a run; each leaves on disk what the next one needs."""

    def __init__(
        self,
        plan: Plan,
        image: LazyImage,
        work: Work,
        progress: Progress | None,
        cancelled: CancelCheck | None,
        block_done: BlockDone | None,
    ) -> None:
        self.plan, self.image, self.work = plan, image, work
        self.grid: BlockGrid = plan.grid
        self._progress, self._cancelled, self._block_done = progress, cancelled, block_done
        self._total = len(self.grid) + -(-len(self.grid) // WRITING)
        self._nuclei = self._shown = 0

    def run(self, executor: Executor, target: Path, started: float) -> LargeResult:
        self._find(executor)
        numbering = self._number()
        self._write(executor)
        seams = self._count_seams()
        cut = self._find_cut(numbering)
        record = {**self.plan.record, "nuclei": numbering.count, "cut": list(cut)}
        pyramid = LabelPyramid.open(self.work.labels)
        pyramid.describe(self.plan, self.image, target, record)
        self.work.finish(target)
        return LargeResult(
            path=target,
            axes=self.plan.planes.output_axes,
            shape=self.plan.planes.output_shape,
            count=numbering.count,
            diameter=self.plan.diameter,
            seconds=time.perf_counter() - started,
            record=record,
            messages=(*self.plan.messages, *_describe_cut(cut, self.plan.overlap)),
            cut=cut,
            seams=seams,
        )

    def _find(self, executor: Executor) -> None:
        """Find the nuclei of all blocks that are not finished."""
        there = self.work.found()
        for index in sorted(there):
            nuclei = self.work.read_nuclei(index)
            self._found(index, nuclei.count_in(self.grid.at(index).inner), len(there))
        left = [index for index in range(len(self.grid)) if index not in there]
        finished = len(there)

        def done(index: int, count: int) -> None:
            nonlocal finished
            finished += 1
            self._found(index, count, finished)

        self._report(failed=work_through(executor, "find", left, done, self._cancelled))

    def _found(self, index: int, count: int, finished: int) -> None:
        if self._block_done is not None:
            block = self.grid.at(index)
            nuclei = self.work.read_nuclei(index)
            labels = np.zeros(size(block.inner), np.uint32)
            numbers = np.arange(self._shown + 1, self._shown + len(nuclei) + 1, dtype=np.uint32)
            nuclei.paint(labels, block.inner, numbers)
            self._shown += len(nuclei)
            self._block_done(block.plane, block.inner, labels)
        self._nuclei += count
        self._tell(finished, f"{self._nuclei:,} nuclei")

    def _number(self) -> Numbering:
        """Give all nuclei their ids."""
        if self.work.numbers.exists():
            return Numbering.read(self.work.numbers)
        numbering = number_nuclei(self.grid, self.work.read_nuclei, self._cancelled)
        numbering.write(self.work.numbers)
        return numbering

    def _write(self, executor: Executor) -> None:
        """Write the labels of all blocks, then the pyramid level by level."""
        if not self.work.labels.exists():
            self.work.create_labels(lambda path: LabelPyramid.create(path, self.plan, self.image))
        there = self.work.written()
        finished = len(there)

        def done(index: int, nothing: None) -> None:
            nonlocal finished
            finished += 1
            self._tell(len(self.grid) + finished // WRITING, "writing")

        left = [index for index in range(len(self.grid)) if index not in there]
        self._report(failed=work_through(executor, "write", left, done, self._cancelled))
        pyramid = LabelPyramid.open(self.work.labels)
        for level, array in enumerate(pyramid.levels[1:], start=1):
            windows = BlockGrid(array.shape[:-2], array.shape[-2:], self.plan.block, 0)
            blocks = (windows.at(index) for index in range(len(windows)))
            items = [(level, block.plane, block.inner) for block in blocks]
            work_through(executor, "shrink", items, lambda *_: None, self._cancelled)
        self._tell(self._total, "writing")

    def _report(self, failed: dict[int, str]) -> None:
        """Raise BlocksFailed if there are failed blocks."""
        if not failed:
            return
        axes = self.plan.planes.output_axes
        blocks = [self.grid.at(index) for index in sorted(failed)]
        told = [
            f"{describe_place(b.plane, axes, b.inner)}: {failed[b.index]}" for b in blocks[:MANY]
        ]
        more = f" And {len(blocks) - MANY} more." if len(blocks) > MANY else ""
        raise BlocksFailed(
            f"{len(failed)} of {len(self.grid)} blocks failed. {' '.join(told)}{more} The others "
            "are kept: the same call goes on with the failed ones."
        )

    def _count_seams(self) -> SeamCounts:
        total = SeamCounts()
        for index in range(len(self.grid)):
            total += SeamCounts(**json.loads(self.work.read_note(index)))
        return total

    def _find_cut(self, numbering: Numbering) -> tuple[str, ...]:
        """Return the places of nuclei that are larger than the overlap."""
        axes = self.plan.planes.output_axes
        places = []
        for index in range(len(self.grid)):
            nuclei = self.work.read_nuclei(index)
            plane = self.grid.at(index).plane
            for i in np.flatnonzero(nuclei.cut & (numbering.of(index) > 0)).tolist():
                places.append(describe_place(plane, axes, nuclei.box(i)))
        return tuple(places)

    def _tell(self, done: int, message: str) -> None:
        if self._progress is not None:
            self._progress(done, self._total, message)


@contextlib.contextmanager
def _client(workers: int | None, scheduler: "str | Client | None") -> Iterator["Client | None"]:
    """Start worker processes or connect to a cluster, if that was asked for."""
    if workers is not None:
        with local_client(workers) as client:
            yield client
    elif isinstance(scheduler, str):
        with connected_client(scheduler) as client:
            yield client
    else:
        yield scheduler


@contextlib.contextmanager
def _executor(steps: _Steps, client: "Client | None", workers: int | None) -> Iterator[Executor]:
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


def _describe_cut(cut: tuple[str, ...], overlap: int) -> tuple[str, ...]:
    if not cut:
        return ()
    more = f" and {len(cut) - MANY} more" if len(cut) > MANY else ""
    return (
        f"{len(cut)} nuclei reach beyond the overlap of {overlap} pixels and may be cut: "
        f"{'; '.join(cut[:MANY])}{more}. A larger overlap keeps them whole.",
    )


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
        raise WriteError(f"{target} exists already; allow overwriting or choose another place.")
    if not folder.is_dir():
        raise WriteError(f"Cannot write {target}: the folder {folder} does not exist.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise WriteError(f"Nothing can be written to the folder {folder}: permission denied.")
    return target


def _keep_source(image: LazyImage, target: Path) -> None:
    """Raise WriteError if the target would replace the image or lie around it."""
    if image.path is not None and Path(image.path).is_relative_to(target):
        raise WriteError(f"{target} holds the image itself; choose another place.")


def _check_workers_argument(image: LazyImage, workers: int | None, scheduler: Any) -> None:
    """Raise InputError unless workers can be had and can read the image."""
    if workers is not None and scheduler is not None:
        raise InputError("Pass workers or scheduler, not both.")
    if workers is not None and workers < 1:
        raise InputError(f"workers must be at least 1, got {workers}.")
    if image.path is None and (workers is not None or scheduler is not None):
        raise InputError(
            "Other processes cannot read an array in memory; save it as zarr or TIFF and pass the "
            "path, or leave out workers and scheduler."
        )
