"""Clients of dask.distributed: of workers that are started here, or of a running scheduler."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from napari_nucseg.cluster import worker
from napari_nucseg.cluster.worker import describe_worker
from napari_nucseg.counted import counted
from napari_nucseg.errors import NucsegError, WorkerError

if TYPE_CHECKING:
    from distributed import Client

CONNECT_TIMEOUT = 5
"""Seconds after which a scheduler counts as unreachable, or as one without workers."""

ALLOWED_DEATHS = 1
"""How often a process may die at a call before the call is held to be the cause."""


@contextmanager
def local_client(workers: int) -> Iterator["Client"]:
    """Start worker processes on this machine, and stop them.

    Raises
    ------
    WorkerError
        They cannot be started.
    """
    import dask
    from distributed import Client, LocalCluster

    try:
        with dask.config.set({"distributed.scheduler.allowed-failures": ALLOWED_DEATHS}):
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address=":0",
                silence_logs=logging.CRITICAL,
                preload=[worker.__name__],
            )
    except (OSError, RuntimeError) as error:
        raise WorkerError(
            f"{counted(workers, 'worker process')} cannot be started ({error}). A Python "
            "script that starts some needs the line: if __name__ == '__main__':"
        ) from error
    with cluster, Client(cluster, set_as_default=False) as client:
        yield client


@contextmanager
def connected_client(scheduler: str) -> Iterator["Client"]:
    """Connect to a scheduler that is running.

    Raises
    ------
    WorkerError
        It cannot be reached.
    """
    from distributed import Client

    class ClosingClient(Client):
        """Closed where it cannot be started: by itself only after some errors, else at exit."""

        def start(self, **options: Any) -> None:
            try:
                super().start(**options)
            except (ValueError, TypeError):  # an address that makes no sense
                self.close()
                raise

    try:
        client = ClosingClient(scheduler, timeout=CONNECT_TIMEOUT, set_as_default=False)
    except (OSError, ValueError, ImportError, TypeError) as error:
        reason = str(error).strip() or type(error).__name__
        raise WorkerError(
            f"The scheduler '{scheduler}' cannot be reached: {reason}. Expected the address that "
            "`dask scheduler` prints, such as tcp://192.168.0.1:8786."
        ) from error
    with client, _quiet("distributed.client", "distributed.core", "distributed.comm"):
        yield client


@contextmanager
def _quiet(*names: str) -> Iterator[None]:
    """Hide what loggers write, such as the traceback of a connection that was lost."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def opened_client(
    workers: int | None, scheduler: "str | Client | None"
) -> Iterator["Client | None"]:
    """Give who lets workers do something: the scheduler's client if there is one, else a new one.

    Parameters
    ----------
    workers : int or None
        Processes to start on this machine; None: none, the work is done in this process.
    scheduler : str, distributed.Client or None
        Instead of `workers`; a client stays open.

    Raises
    ------
    WorkerError
        The workers cannot be started, or the scheduler cannot be reached.
    """
    if isinstance(scheduler, str):
        with connected_client(scheduler) as client:
            yield client
    elif scheduler is None and workers is not None:
        with local_client(workers) as client:
            yield client
    else:
        yield scheduler


def check_workers(client: "Client", model: str) -> None:
    """Make sure that there are workers, and that they do the same as this process.

    Raises
    ------
    WorkerError
        There is none, or one lacks the package or the model, or has others.
    """
    try:
        client.wait_for_workers(1, timeout=CONNECT_TIMEOUT)
    except TimeoutError as error:
        raise WorkerError(
            f"The scheduler {client.scheduler.address} has no workers; start some with "
            f"`dask worker {client.scheduler.address}`."
        ) from error
    expected = describe_worker(model)
    for address, found in client.run(describe_worker, model, on_error="return").items():
        if isinstance(found, NucsegError):
            raise WorkerError(f"The worker {address} cannot use the model: {found}")
        if isinstance(found, BaseException):
            raise WorkerError(
                f"The worker {address} cannot run napari-nucseg ({type(found).__name__}: {found})."
            )
        if found != expected:
            raise WorkerError(
                f"The worker {address} has another version or another model '{model}': expected "
                f"{expected[0]} and sha256 {expected[1][:8]}, got {found[0]} and {found[1][:8]}."
            )
