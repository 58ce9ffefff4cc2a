"""Batches on worker processes: the same results, and nothing lost when one dies."""

from pathlib import Path

import dask
import numpy as np
import pytest
import tifffile
import zarr
from deadly_items import DeadlyItem, DeadlyZarrItem, FullDiskItem, OddItem, ShortLivedItem
from distributed import Client, LocalCluster
from plates import multiscale

from napari_nucseg import segment, segment_batch
from napari_nucseg._opencv import cv2
from napari_nucseg.batch import work
from napari_nucseg.batch.batch import Batch
from napari_nucseg.batch.file_item import FileItem
from napari_nucseg.batch.outcome import Status
from napari_nucseg.cluster import clients
from napari_nucseg.errors import Cancelled, WorkerError, WriteError
from napari_nucseg.inference import engine
from napari_nucseg.params import SegmentParams


@pytest.fixture(scope="module")
def client():
    """Two worker processes; an image at which one dies once is held to be the cause."""
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
        cluster = LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        )
    with cluster, Client(cluster, set_as_default=False) as client:
        yield client


def plan(images, output, **change):
    """Plan a batch in which an item is replaced by one of another class."""
    batch = Batch.plan([images], output, SegmentParams(diameter="14"))
    items = {item.stem: item for item in batch.items}
    for stem, (kind, options) in change.items():
        items[stem] = kind(items[stem].source, output, stem, **options)
    batch.items = list(items.values())
    return batch


def assert_finished(images, output, stems):
    for stem in stems:
        expected = segment(tifffile.imread(images / f"{stem}.tif"), diameter=14).labels
        np.testing.assert_array_equal(tifffile.imread(output / f"{stem}_labels.tif"), expected)


def test_two_processes_do_what_one_does(images, output, tmp_path, table):
    (images / "b.tif").write_bytes((images / "b.tif").read_bytes()[:200])
    seen = []
    batch = segment_batch(
        images, output, diameter=14, workers=2, progress=lambda *told: seen.append(told[:2])
    )
    alone = segment_batch(images, tmp_path / "alone", diameter=14)
    assert batch.counts == alone.counts == {Status.OK: 2, Status.FAILED: 1}
    assert batch.nuclei == alone.nuclei > 0
    assert seen == [(1, 3), (2, 3), (3, 3)]
    for stem in "ac":
        name = f"{stem}_labels.tif"
        assert (output / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()
    rows = {row["file"]: row for row in table()}
    assert rows[str(images / "b.tif")]["message"].startswith(f"Cannot read {images / 'b.tif'}")


def test_a_worker_that_dies_takes_nothing_with_it(client, images, output, table):
    batch = plan(images, output, a=(DeadlyItem, {}))
    batch.run(scheduler=client)
    assert batch.counts == {Status.OK: 3}
    assert (output / "a.died").exists()
    assert_finished(images, output, "abc")
    assert sorted(row["status"] for row in table()) == ["ok", "ok", "ok"]


def test_a_worker_that_dies_after_writing(client, images, output):
    batch = plan(images, output, c=(ShortLivedItem, {}))
    batch.run(scheduler=client)
    assert batch.counts == {Status.OK: 3}
    assert_finished(images, output, "abc")


def test_what_a_worker_of_an_earlier_run_finished_late_has_no_parameters(
    client, images, output, table, monkeypatch
):
    original = FileItem.absolute

    def absolute(item):  # called when an image is handed to a worker
        if item.stem == "b":
            tifffile.imwrite(item.labels, np.array([[0, 1], [2, 0]], np.uint8))
        return original(item)

    monkeypatch.setattr(FileItem, "absolute", absolute)
    assert segment_batch(images, output, diameter=14, scheduler=client).counts == {Status.OK: 3}
    rows = {Path(row["file"]).stem: row for row in table()}
    assert rows["b"]["nuclei"] == "2"
    assert "worker that was lost" in rows["b"]["message"]
    assert rows["a"]["parameters"] == rows["c"]["parameters"] != rows["b"]["parameters"] == ""


def test_a_worker_that_dies_while_writing_leaves_nothing(client, images, output, field):
    group = zarr.open_group(images / "d.ome.zarr", mode="w", zarr_format=2)
    group.attrs["multiscales"] = [multiscale()]
    group.create_array("0", data=field[None])
    batch = plan(images, output, d=(DeadlyZarrItem, {}))
    batch.run(scheduler=client)
    assert batch.counts == {Status.OK: 4}
    assert (output / "d.died").exists()
    assert not list(output.glob(".*"))


def test_an_image_that_kills_its_worker_is_reported(client, images, output, table):
    batch = plan(images, output, a=(DeadlyItem, {"always": True}))
    batch.run(scheduler=client)
    assert batch.counts == {Status.OK: 2, Status.FAILED: 1}
    rows = {row["file"]: row for row in table()}
    assert "worker process died" in rows[str(images / "a.tif")]["message"]
    assert_finished(images, output, "bc")


def test_cancelling_keeps_what_is_finished(client, images, output, table):
    for i in range(20):
        (images / f"d{i:02}.tif").write_bytes((images / "a.tif").read_bytes())
    done = []
    batch = Batch.plan([images], output, SegmentParams(diameter="14"))
    with pytest.raises(Cancelled):
        batch.run(
            scheduler=client,
            finished=lambda item, _: done.append(item.file),
            cancelled=lambda: bool(done),
        )
    written = sorted(path.name for path in output.glob("*_labels.tif"))
    assert 0 < len(written) < 23
    assert sorted(row["file"] for row in table()) == sorted(done)
    assert len(done) == len(written)
    again = segment_batch(images, output, diameter=14, scheduler=client)
    assert again.counts == {Status.OK: 23 - len(done), Status.SKIPPED: len(done)}


def test_paths_do_not_depend_on_where_a_worker_is(client, images, output, monkeypatch):
    monkeypatch.chdir(images.parent)
    batch = segment_batch("images", "results", diameter=14, scheduler=client)
    assert batch.counts == {Status.OK: 3}
    assert_finished(images, output, "abc")


def test_an_error_of_any_kind_stays_with_its_image(client, images, output, table, monkeypatch):
    monkeypatch.setattr(FileItem, "absolute", lambda item: "no item")
    batch = segment_batch(images, output, scheduler=client)
    assert batch.counts == {Status.FAILED: 3}
    assert all("AttributeError" in row["message"] for row in table())
    assert (output / "tracebacks.txt").read_text().count("in segment_on_worker") == 3


def test_an_error_of_any_kind_keeps_its_traceback(client, images, output, table):
    batch = plan(images, output, a=(OddItem, {}))
    batch.run(scheduler=client)
    assert batch.counts == {Status.OK: 2, Status.FAILED: 1}
    rows = {row["file"]: row for row in table()}
    assert rows[str(images / "a.tif")]["message"] == "OddError: 1 2 (see tracebacks.txt)"
    assert "raise OddError(1, 2)" in (output / "tracebacks.txt").read_text()


def test_workers_with_another_version(client, images, output, monkeypatch):
    monkeypatch.setattr(clients, "describe_worker", describe_other)
    with pytest.raises(WorkerError, match="has another version or another model 'nuclei'"):
        segment_batch(images, output, scheduler=client)
    assert not (output / "summary.csv").exists()


def describe_other(model):
    import os

    return f"{os.getpid()}", "0" * 64  # differs between processes


def test_a_scheduler_that_cannot_be_reached(images, output, monkeypatch):
    monkeypatch.setattr(clients, "CONNECT_TIMEOUT", 0.5)
    with pytest.raises(WorkerError, match=r"scheduler 'tcp://127\.0\.0\.1:1' cannot be reached"):
        segment_batch(images, output, scheduler="tcp://127.0.0.1:1")
    with pytest.raises(WorkerError, match="Expected the address"):
        segment_batch(images, output, scheduler="nonsense://x")


def test_a_scheduler_without_workers(images, output, monkeypatch):
    monkeypatch.setattr(clients, "CONNECT_TIMEOUT", 0.5)
    with LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=50) as empty:
        address = empty.scheduler_address
        with pytest.raises(WorkerError, match="has no workers; start some with `dask worker"):
            segment_batch(images, output, scheduler=address)


def test_a_scheduler_that_is_lost(images, output, table):
    for i in range(17):
        (images / f"d{i:02}.tif").write_bytes((images / "a.tif").read_bytes())
    cluster = LocalCluster(n_workers=1, processes=False, dashboard_address=":0", silence_logs=50)
    address = cluster.scheduler_address
    closed = []

    def close_once(*_):
        if not closed:
            closed.append(cluster.close())

    batch = Batch.plan([images], output, SegmentParams(diameter="14"))
    with pytest.raises(WorkerError, match="connection to the scheduler was lost"):
        batch.run(scheduler=address, finished=close_once)
    assert 0 < len(table()) < 20
    again = segment_batch(images, output, diameter=14)
    assert again.counts[Status.OK] + again.counts[Status.SKIPPED] == 20
    assert again.counts[Status.SKIPPED] >= batch.counts[Status.OK]
    assert_finished(images, output, "abc")


def count_stopped():
    """Return how many runs a worker was told to stop."""
    return len(work._stopped)


def test_a_full_disk_leaves_nothing_at_work(client, images, output):
    before = client.run(count_stopped)
    for i in range(20):
        (images / f"d{i:02}.tif").write_bytes((images / "a.tif").read_bytes())
    batch = plan(images, output, a=(FullDiskItem, {}))
    with pytest.raises(WriteError, match="no space left"):
        batch.run(scheduler=client)
    assert all(count > before.get(worker, 0) for worker, count in client.run(count_stopped).items())
    assert client.processing() == dict.fromkeys(client.processing(), ())


def test_ctrl_c_leaves_nothing_at_work_and_no_result_without_a_row(client, images, output, table):
    for i in range(20):
        (images / f"d{i:02}.tif").write_bytes((images / "a.tif").read_bytes())
    done = []

    def finished(item, outcome):
        done.append(item.file)
        if len(done) == 1:
            raise KeyboardInterrupt

    batch = Batch.plan([images], output, SegmentParams(diameter="14"))
    with pytest.raises(KeyboardInterrupt):
        batch.run(scheduler=client, finished=finished)
    assert client.status == "running"  # it is the user's
    assert client.processing() == dict.fromkeys(client.processing(), ())
    written = sorted(path.name.removesuffix("_labels.tif") for path in output.glob("*_labels.tif"))
    assert 0 < len(written) < 23
    assert sorted(Path(row["file"]).stem for row in table()) == written
    assert batch.counts == {Status.OK: len(written)}


def test_workers_in_this_process_leave_its_threads_alone(images, output, monkeypatch):
    before = cv2.getNumThreads()
    cv2.setNumThreads(7)
    monkeypatch.setattr(engine, "_threads", 5)
    try:
        with Client(
            processes=False,
            n_workers=1,
            threads_per_worker=2,
            dashboard_address=":0",
            set_as_default=False,
        ) as client:
            batch = segment_batch(images, output, diameter=14, scheduler=client)
        assert batch.counts == {Status.OK: 3}
        assert (cv2.getNumThreads(), engine._threads) == (7, 5)
    finally:
        cv2.setNumThreads(before)
