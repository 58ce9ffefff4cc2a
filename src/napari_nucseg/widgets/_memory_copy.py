"""A copy, in memory, of a labels layer that is on disk, lazy or read-only."""

from collections.abc import Callable

import numpy as np
from napari.layers import Labels

from napari_nucseg._types import AnyArray, CancelCheck, Progress
from napari_nucseg.widgets._correction import geometry
from napari_nucseg.widgets._layers import full_resolution
from napari_nucseg.widgets._results import RECORD
from napari_nucseg.widgets._worker import Task


def start_copy(
    layer: Labels, done: Callable[[Task[AnyArray], Labels | None], None]
) -> Task[AnyArray]:
    """Read a layer's pixels in a thread, which may take long.

    Parameters
    ----------
    layer : Labels
    done : callable
        Called in the main thread with the task and the new layer, which is None if the task was
        cancelled or failed.
    """
    data = full_resolution(layer)

    def work(_progress: Progress, _cancelled: CancelCheck) -> AnyArray:
        return np.array(data)

    def finished(task: Task[AnyArray]) -> None:
        copy = None
        if task.result is not None and not task.cancelled:
            metadata = {RECORD: layer.metadata[RECORD]} if RECORD in layer.metadata else {}
            name = f"{layer.name} copy"
            copy = Labels(task.result, name=name, metadata=metadata, **geometry(layer))
        done(task, copy)

    task = Task(work, f"copying '{layer.name}'", finished)
    task.start()
    return task
