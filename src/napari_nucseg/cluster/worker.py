"""What a process does to be a worker."""

import os
import signal
from threading import Event
from typing import Any

import napari_nucseg
from napari_nucseg._native import native_messages_hidden
from napari_nucseg._opencv import cv2
from napari_nucseg.inference.engine import limit_threads
from napari_nucseg.model.folder import LITERT
from napari_nucseg.registry import find_model

leads = Event()
"""Set in a process that lets workers do something: its threads are its user's matter, also where
dask runs workers in it, as ``Client(processes=False)`` does."""


def dask_setup(_worker: Any) -> None:
    """Prepare a worker process that `local_client` starts; dask calls this.

    Ctrl-C, which a terminal sends to all processes, is left to the one that started them.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def threads_each(workers: int) -> int:
    """Return the cores for each of several workers, of those that this process may use."""
    limited = hasattr(os, "sched_getaffinity")  # Linux; jobs of a cluster often are
    cores = len(os.sched_getaffinity(0)) if limited else os.cpu_count() or 1
    return max(1, cores // workers)


def share_cores(threads: int | None) -> None:
    """Let this worker process use so many cores; None: as many as it was started with.

    A process that leads a run is left as it is.
    """
    from distributed import get_worker

    if leads.is_set():
        return
    share = threads or get_worker().state.nthreads
    limit_threads(share)
    cv2.setNumThreads(share)


def describe_worker(model: str) -> tuple[str, str]:
    """Return the version of the package and the hash of a model, as this process has them."""
    with native_messages_hidden():
        import ai_edge_litert.interpreter  # noqa: F401 - greets when it is loaded
    return napari_nucseg.__version__, find_model(model).hashes[LITERT]
