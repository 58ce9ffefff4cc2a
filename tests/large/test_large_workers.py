"""Processes and clusters: the same bytes as in one process, and nothing lost when one dies."""

import os
import signal

import numpy as np
import pytest
from distributed import Client, LocalCluster
from stores import content_of, write_ome

from napari_nucseg import segment_large
from napari_nucseg.cluster import clients
from napari_nucseg.errors import Cancelled, InputError, WorkerError
from napari_nucseg.large import block
from napari_nucseg.large.work_folder import PLAN, WorkFolder

OPTIONS = {"diameter": 18, "block": 96, "overlap": 64}
BLOCKS = 12


@pytest.fixture(scope="module")
def client():
    """Two worker processes."""
    local = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50)
    with local, Client(local, set_as_default=False) as client:
        yield client


@pytest.fixture
def alone(source, tmp_path):
    """What threads of this process write."""
    path = tmp_path / "alone.ome.zarr"
    segment_large(source, path, **OPTIONS)
    return content_of(path)


def test_two_processes_write_the_same(source, target, alone):
    told = []
    segment_large(source, target, workers=2, progress=lambda *t: told.append(t[:2]), **OPTIONS)
    assert content_of(target) == alone
    assert told[-1][0] == told[-1][1]


def test_a_worker_that_is_killed(client, source, target, alone):
    killed = []

    def kill_one(*_):
        if not killed:
            address, pid = next(iter(client.run(os.getpid).items()))
            killed.append(address)
            os.kill(pid, signal.SIGKILL)

    segment_large(source, target, scheduler=client, block_done=kill_one, **OPTIONS)
    assert killed
    assert content_of(target) == alone


def test_workers_link_the_same(client, tmp_path, target, field):
    source = write_ome(tmp_path / "stack.ome.zarr", np.stack([field.image] * 2), "zyx")
    options = {**OPTIONS, "link_depth": True}
    alone = segment_large(source, tmp_path / "alone.ome.zarr", **options)
    result = segment_large(source, target, scheduler=client, **options)
    assert content_of(target) == content_of(alone.path)
    assert result.features["planes"].tolist() == [2] * result.count


def test_a_cluster_by_its_address_goes_on_with_what_threads_began(client, source, target, alone):
    done = []
    with pytest.raises(Cancelled):
        segment_large(
            source,
            target,
            progress=lambda n, *_: done.append(n),
            cancelled=lambda: bool(done) and done[-1] >= 3,
            **OPTIONS,
        )
    began = WorkFolder.beside(target).found()
    assert 3 <= len(began) < BLOCKS
    segment_large(source, target, scheduler=client.scheduler.address, **OPTIONS)
    assert content_of(target) == alone


def test_cancelling_a_cluster_keeps_finished_blocks(client, source, target, alone):
    done = []
    with pytest.raises(Cancelled):
        segment_large(
            source,
            target,
            scheduler=client,
            progress=lambda n, *_: done.append(n),
            cancelled=lambda: bool(done) and done[-1] >= 2,
            **OPTIONS,
        )
    assert len(WorkFolder.beside(target).found()) >= 2
    assert not target.exists()
    segment_large(source, target, scheduler=client, **OPTIONS)
    assert content_of(target) == alone


def test_workers_that_do_not_see_the_folder(client, source, target, monkeypatch):
    work_on = block.work_on

    def elsewhere(folder, *arguments):
        return work_on(folder + "-elsewhere", *arguments)

    monkeypatch.setattr("napari_nucseg.large.executors.work_on", elsewhere)
    with pytest.raises(WorkerError, match="under the same path"):
        segment_large(source, target, scheduler=client, **OPTIONS)


def test_a_plan_of_another_run_is_not_worked_on(source, target):
    work = WorkFolder.beside(target)
    with pytest.raises(Cancelled):
        segment_large(source, target, cancelled=lambda: (work.path / PLAN).exists(), **OPTIONS)
    with pytest.raises(WorkerError, match="another one than that of this run"):
        block.work_on(str(work.path), "0" * 64, "run", "find", 0, 1)


def test_a_scheduler_that_cannot_be_reached(source, target, monkeypatch):
    monkeypatch.setattr(clients, "CONNECT_TIMEOUT", 0.5)
    with pytest.raises(WorkerError, match=r"scheduler 'tcp://127\.0\.0\.1:1' cannot be reached"):
        segment_large(source, target, scheduler="tcp://127.0.0.1:1")
    assert not WorkFolder.beside(target).path.exists()


def test_arguments_that_contradict_each_other(source, target, field):
    with pytest.raises(InputError, match="not both"):
        segment_large(source, target, workers=2, scheduler="tcp://x:1")
    with pytest.raises(InputError, match="at least 1, got 0"):
        segment_large(source, target, workers=0)
    with pytest.raises(InputError, match="cannot read an array in memory"):
        segment_large(field.image, target, workers=2)
