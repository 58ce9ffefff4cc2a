"""Workers of dask.distributed: processes on this machine, or a cluster that is running."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import napari_nucseg
from napari_nucseg.errors import WorkerError

if TYPE_CHECKING:
    from distributed import Client

CONNECT_TIMEOUT = 5
"""Seconds after which a scheduler counts as unreachable, or as one without workers."""


@contextmanager
def local_client(workers: int) -> Iterator["Client"]:
    """Start worker processes on this machine, and stop them.

    Raises
    ------
    WorkerError
        They cannot be started.
    """
    from distributed import Client, LocalCluster

    try:
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            memory_limit=0,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        )
    except (OSError, RuntimeError) as error:
        raise WorkerError(
            f"{workers} worker processes cannot be started ({error}). A Python script that starts "
            "some needs the line: if __name__ == '__main__':"
        ) from error
    with cluster, Client(cluster, set_as_default=False) as client:
        yield client


@contextmanager
def connected_client(scheduler: str) -> Iterator["Client"]:
    """Connect to a scheduler that is running.

    Raises
    ------
    WorkerError
        It cannot be reached, or has no workers.
    """
    from distributed import Client

    try:
        client = Client(scheduler, timeout=CONNECT_TIMEOUT, set_as_default=False)
    except (OSError, ValueError, ImportError, TypeError) as error:
        reason = str(error).strip() or type(error).__name__
        raise WorkerError(
            f"The scheduler '{scheduler}' cannot be reached: {reason}. Expected the address that "
            "`dask scheduler` prints, such as tcp://192.168.0.1:8786."
        ) from error
    with client:
        check_workers(client)
        yield client


def check_workers(client: "Client") -> None:
    """Make sure that there are workers, and that they run this version.

    Raises
    ------
    WorkerError
    """
    try:
        client.wait_for_workers(1, timeout=CONNECT_TIMEOUT)
    except TimeoutError as error:
        raise WorkerError(
            f"The scheduler {client.scheduler.address} has no workers; start some with "
            f"`dask worker {client.scheduler.address}`."
        ) from error
    for address, found in client.run(version_here, on_error="return").items():
        if isinstance(found, BaseException):
            raise WorkerError(
                f"The worker {address} cannot run napari-nucseg ({type(found).__name__}: {found})."
            )
        if found != napari_nucseg.__version__:
            raise WorkerError(
                f"The worker {address} has napari-nucseg {found}, expected "
                f"{napari_nucseg.__version__}."
            )


def version_here() -> str:
    """Return the version of the package that this process has."""
    return napari_nucseg.__version__
