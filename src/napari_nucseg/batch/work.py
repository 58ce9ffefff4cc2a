"""What is done with one image, in whatever process."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from napari_nucseg._native import native_messages_hidden
from napari_nucseg._opencv import cv2
from napari_nucseg._types import CancelCheck, Progress
from napari_nucseg.batch.items import Item, count_nuclei, missing_results
from napari_nucseg.batch.outcome import Outcome, Status
from napari_nucseg.cluster.worker import share_cores
from napari_nucseg.errors import Cancelled, DiskFull, NucsegError
from napari_nucseg.inference.callbacks import noting
from napari_nucseg.inference.engine import start_engine
from napari_nucseg.inference.segment import segment
from napari_nucseg.io.loaded import LoadedImage
from napari_nucseg.model.folder import ModelFolder
from napari_nucseg.params import SegmentParams
from napari_nucseg.registry import find_model

_stopped: set[str] = set()
"""Runs that this process was told to stop."""

_begun: set[str] = set()
"""Runs for which this process has loaded the network."""


@dataclass(frozen=True)
class Work:
    """What all images of a batch have in common.

    Attributes
    ----------
    params : SegmentParams
    axes : str or None
        Of all images, instead of what each states.
    overwrite : bool
        Whether existing results are replaced.
    pixel_size : mapping or None
        Axis letter to micrometres of all images, instead of what each states.
    """

    params: SegmentParams
    axes: str | None
    overwrite: bool
    pixel_size: Mapping[str, float] | None = None

    def read(self, item: Item) -> LoadedImage:
        """Read an image, or open it lazily, with the axes and the pixel size that were given."""
        image = item.read(self.axes)
        return image if self.pixel_size is None else image.resized(self.pixel_size)


def load_network(params: SegmentParams) -> ModelFolder:
    """Load the network and run it once; return its model.

    Raises
    ------
    ModelError, EngineError
        Rather than for each image.
    """
    model = find_model(params.model)
    start_engine(model, params.engine)
    return model


def segment_item(
    item: Item,
    work: Work,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> Outcome:
    """Read, segment and write one image; what is wrong with it becomes the outcome.

    Raises
    ------
    Cancelled
        `cancelled()` was true; nothing was written.
    Exception
        Whatever `progress` or `cancelled` raised, as it is no matter of the image.
    """
    start = time.perf_counter()
    raised: list[Exception] = []
    try:
        image = work.read(item)
        result = segment(
            image.data,
            image.axes,
            params=work.params,
            pixel_size=image.pixel_size,
            progress=progress and noting(progress, raised),
            cancelled=cancelled and noting(cancelled, raised),
        )
        remark = item.write(result, image, overwrite=work.overwrite)
    except Cancelled:
        raise
    except Exception as error:  # what decodes users' files may raise anything,
        # which must not stop the other images; here it is the same with and without workers.
        if error in raised:
            raise
        return _failed(error, time.perf_counter() - start)
    seconds = time.perf_counter() - start
    messages = (*image.messages, *result.messages, remark)
    return Outcome(
        Status.OK,
        result.count,
        seconds,
        " ".join(filter(None, messages)),
        diameter=result.diameter,
        diameter_estimated=result.job.estimated,
        in_time=work.params.link_time,
    )


def _failed(error: Exception, seconds: float) -> Outcome:
    """Return the outcome of an image that ended with an error."""
    if isinstance(error, NucsegError):
        full = isinstance(error, DiskFull)
        return Outcome(Status.FAILED, None, seconds, str(error), disk_full=full)
    if isinstance(error, MemoryError | cv2.error):  # OpenCV has an error of its own for it
        message = "The image, with all that is computed from it, does not fit into memory."
        return Outcome(Status.FAILED, None, seconds, message)
    return Outcome.unforeseen(error, seconds)


def segment_on_worker(item: Item, work: Work, run: str, threads: int | None) -> Outcome:
    """Do `segment_item` in a worker of dask.distributed.

    Parameters
    ----------
    item, work
        See `segment_item`.
    run : str
        Names the run, for `stop_run`.
    threads : int or None
        Cores that the process may use; None: as many as the worker was started with.
    """
    share_cores(threads)
    if run not in _begun:
        _begun.add(run)
        with native_messages_hidden(), suppress(NucsegError):  # LiteRT greets; errors come again
            load_network(work.params)
    found = item.labels.exists() and not missing_results(item, work.params)
    if found and not work.overwrite:  # they were not when the batch began
        message = "Finished by a worker that was lost, in this run or an earlier one."
        count, in_time = count_nuclei(item), work.params.link_time
        return Outcome(Status.OK, count, message=message, found=True, in_time=in_time)
    return segment_item(item, work, cancelled=lambda: run in _stopped)


def stop_run(run: str) -> None:
    """Let the images of a run stop within one tile, and those that wait not begin."""
    _stopped.add(run)
