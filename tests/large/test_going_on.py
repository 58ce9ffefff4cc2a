"""Runs that are stopped or killed: nothing finished is lost, and the result is the same."""

import errno
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from stores import content_of, read_labels

import napari_nucseg
from napari_nucseg import segment_large
from napari_nucseg.errors import BlocksFailed, Cancelled, DiskFull, InputError, WriteError
from napari_nucseg.large.block import Run
from napari_nucseg.large.work_folder import PLAN, WorkFolder

OPTIONS = {"diameter": 18, "block": 96, "overlap": 64}
BLOCKS = 12


@pytest.fixture
def undisturbed(source, tmp_path):
    """The bytes of a run that nothing disturbs."""
    path = tmp_path / "undisturbed.ome.zarr"
    segment_large(source, path, **OPTIONS)
    return content_of(path)


def found(target):
    work = WorkFolder.beside(target)
    return work.found() if work.path.exists() else set()


def nuclei_in(target, blocks):
    """Return how many nuclei of an unfinished run lie in some of its blocks."""
    work = WorkFolder.beside(target)
    grid = work.read_plan().grid
    return sum(work.read_nuclei(i).count_in(grid.at(i).inner) for i in blocks)


def cancel_after(blocks):
    """Return progress and cancelled, which stop a run when some blocks are done."""
    done = []
    return (lambda n, *_: done.append(n)), (lambda: bool(done) and done[-1] >= blocks)


def test_the_same_call_gives_the_same_bytes(source, target, undisturbed):
    segment_large(source, target, **OPTIONS)
    assert content_of(target) == undisturbed
    assert not WorkFolder.beside(target).path.exists()


def test_a_pyramid_that_cannot_be_made_is_no_result(source, target, monkeypatch):
    monkeypatch.setattr("napari_nucseg.large.labels.SMALLEST", 100)
    segment_large(source, target.with_name("whole.zarr"), **OPTIONS)

    def fail(run, item):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(Run, "shrink", fail)
        with pytest.raises(BlocksFailed, match=r"4 of 4 parts of level 1 .* not fit into memory"):
            segment_large(source, target, **OPTIONS)
    assert not target.exists()
    segment_large(source, target, **OPTIONS)
    assert content_of(target) == content_of(target.with_name("whole.zarr"))


@pytest.mark.parametrize("blocks", [1, 7, BLOCKS])
def test_a_cancelled_run_goes_on(source, target, undisturbed, monkeypatch, blocks):
    progress, cancelled = cancel_after(blocks)
    with pytest.raises(Cancelled, match="finished blocks are kept"):
        segment_large(source, target, progress=progress, cancelled=cancelled, **OPTIONS)
    there = found(target)
    assert blocks <= len(there) <= blocks + 2
    assert not target.exists()
    kept = nuclei_in(target, there)
    again, find, told = [], Run.find, []
    monkeypatch.setattr(Run, "find", lambda run, index: again.append(index) or find(run, index))
    segment_large(source, target, progress=lambda *p: told.append(p), **OPTIONS)
    assert sorted(again) == sorted(set(range(BLOCKS)) - there)
    assert (told[0][0], told[0][2]) == (len(there), f"{kept} nuclei")
    assert content_of(target) == undisturbed


def test_cancelled_while_writing(source, target, undisturbed, monkeypatch):
    written, write = [], Run.write
    monkeypatch.setattr(Run, "write", lambda run, index: written.append(index) or write(run, index))
    with pytest.raises(Cancelled):
        segment_large(source, target, cancelled=lambda: len(written) > 3, **OPTIONS)
    assert 3 < len(written) < BLOCKS
    monkeypatch.setattr(Run, "find", None)  # nothing is found again
    segment_large(source, target, **OPTIONS)
    assert len(written) == BLOCKS
    assert content_of(target) == undisturbed


def test_whatever_is_missing_is_done_again(source, target, undisturbed):
    progress, cancelled = cancel_after(BLOCKS)
    with pytest.raises(Cancelled):
        segment_large(source, target, progress=progress, cancelled=cancelled, **OPTIONS)
    work = WorkFolder.beside(target)
    for index in (0, 5, 11):
        (work.path / "nuclei" / f"{index}.npz").unlink()
    (work.path / "nuclei" / ".7.npz.1.part").write_bytes(b"half a file")
    segment_large(source, target, **OPTIONS)
    assert content_of(target) == undisturbed


KILLED = """
import os, signal, sys
from napari_nucseg import segment_large
left = [int(sys.argv[3])]
def die(*_):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
segment_large(sys.argv[1], sys.argv[2], diameter=18, block=96, overlap=64, progress=die)
"""


@pytest.mark.parametrize("calls", [5, BLOCKS + 1])  # one call for the plan, one for each block
def test_a_killed_process(source, target, undisturbed, calls):
    command = [sys.executable, "-c", KILLED, str(source), str(target), str(calls)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert not target.exists()
    assert len(found(target)) >= calls - 1
    segment_large(source, target, **OPTIONS)
    assert content_of(target) == undisturbed


def test_another_request_is_refused(source, target, undisturbed):
    progress, cancelled = cancel_after(2)
    with pytest.raises(Cancelled):
        segment_large(source, target, progress=progress, cancelled=cancelled, **OPTIONS)
    there = found(target)
    with pytest.raises(WriteError, match=r"request \(diameter '18', now '20'\).*Overwrite"):
        segment_large(source, target, **{**OPTIONS, "diameter": 20})
    with pytest.raises(WriteError, match=r"\(block 96, now 128\)"):
        segment_large(source, target, **{**OPTIONS, "block": 128})
    assert found(target) == there
    segment_large(source, target, overwrite=True, **{**OPTIONS, "diameter": 20})
    assert content_of(target) != undisturbed


def test_another_image_is_refused(source, target, field):
    progress, cancelled = cancel_after(2)
    with pytest.raises(Cancelled):
        segment_large(field.image, target, progress=progress, cancelled=cancelled, **OPTIONS)
    with pytest.raises(WriteError, match="another request"):
        segment_large(field.image[:, ::-1], target, **OPTIONS)
    with pytest.raises(WriteError, match="another request"):
        segment_large(source, target, **OPTIONS)


def test_another_version_is_refused(source, target, monkeypatch):
    progress, cancelled = cancel_after(2)
    with pytest.raises(Cancelled):
        segment_large(source, target, progress=progress, cancelled=cancelled, **OPTIONS)
    monkeypatch.setattr(napari_nucseg, "__version__", "99")
    with pytest.raises(WriteError, match="now '99'"):
        segment_large(source, target, **OPTIONS)
    (WorkFolder.beside(target).path / PLAN).write_text("{}")
    with pytest.raises(WriteError, match="is not the plan of a run that this version knows"):
        segment_large(source, target, **OPTIONS)


def test_an_existing_target_is_refused(source, target):
    segment_large(source, target, **OPTIONS)
    (target / "mine").write_text("mine")
    with pytest.raises(WriteError, match="exists already; turn on Overwrite"):
        segment_large(source, target, **OPTIONS)
    assert (target / "mine").exists()
    segment_large(source, target, overwrite=True, **OPTIONS)
    assert not (target / "mine").exists()
    assert read_labels(target).max() > 0


def test_the_old_result_stays_until_the_new_one_is_complete(source, target):
    segment_large(source, target, **OPTIONS)
    before = content_of(target)
    progress, cancelled = cancel_after(4)
    other = {**OPTIONS, "diameter": 20, "overwrite": True}
    with pytest.raises(Cancelled):
        segment_large(source, target, progress=progress, cancelled=cancelled, **other)
    assert content_of(target) == before
    there = found(target)
    assert there
    segment_large(source, target, **other)  # goes on, though it may overwrite
    assert content_of(target) != before


def test_the_image_is_never_replaced(source, target):
    for place in (source, source / "full"):
        with pytest.raises(WriteError, match="exists already"):
            segment_large(source, place, **OPTIONS)
    before = content_of(source)
    for place in (source, source.parent):
        with pytest.raises(WriteError, match="holds the image itself"):
            segment_large(source, place, overwrite=True, **OPTIONS)
    assert content_of(source) == before


def test_an_image_behind_a_link_is_never_replaced(source, tmp_path):
    link = tmp_path / "link.ome.zarr"
    link.symlink_to(source, target_is_directory=True)
    before = content_of(source)
    with pytest.raises(WriteError, match="holds the image itself"):
        segment_large(link, source, overwrite=True, **OPTIONS)
    assert content_of(source) == before


def test_a_folder_of_the_user_is_never_replaced(source, target):
    target.mkdir()
    (target / "mine").write_text("mine")
    with pytest.raises(WriteError, match="is no Zarr, so it is not replaced"):
        segment_large(source, target, overwrite=True, **OPTIONS)
    assert (target / "mine").read_text() == "mine"


def test_what_appears_during_the_run_is_kept(source, target, undisturbed):
    def progress(done, total, message):
        target.mkdir(exist_ok=True)

    with pytest.raises(WriteError, match="has come into being during the run"):
        segment_large(source, target, progress=progress, **OPTIONS)
    target.rmdir()  # it is empty still
    segment_large(source, target, **OPTIONS)
    assert content_of(target) == undisturbed


def test_two_runs_do_not_share_a_target(source, target, undisturbed):
    refused = []

    def progress(done, total, message):
        if not refused:
            with pytest.raises(InputError, match="Another run works in"):
                segment_large(source, target, **OPTIONS)
            refused.append(True)

    segment_large(source, target, progress=progress, **OPTIONS)
    assert refused
    assert content_of(target) == undisturbed
    assert not WorkFolder.beside(target).path.exists()


def test_marks_of_a_result_that_is_gone_count_for_nothing(source, target, undisturbed, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(WorkFolder, "remove", lambda _: None)  # killed before the last step
        segment_large(source, target, **OPTIONS)
    assert len(WorkFolder.beside(target).written()) == BLOCKS
    segment_large(source, target, overwrite=True, **OPTIONS)
    assert content_of(target) == undisturbed


def test_a_damaged_block_is_found_once_more(source, target, undisturbed):
    progress, cancelled = cancel_after(7)
    with pytest.raises(Cancelled):
        segment_large(source, target, progress=progress, cancelled=cancelled, **OPTIONS)
    for path in (WorkFolder.beside(target).path / "nuclei").glob("*.npz"):
        path.write_bytes(path.read_bytes()[:50])
    segment_large(source, target, **OPTIONS)
    assert content_of(target) == undisturbed


def test_no_such_folder_and_a_folder_without_permission(source, tmp_path, monkeypatch):
    with pytest.raises(WriteError, match="does not exist"):
        segment_large(source, tmp_path / "no" / "labels.zarr")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(WriteError, match="permission denied"):
        segment_large(source, tmp_path / "labels.zarr")


def test_a_full_disk(source, target, undisturbed, monkeypatch):
    fsync, calls = os.fsync, []

    def full(handle):
        calls.append(handle)
        if len(calls) > 6:  # the plan and five blocks
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(DiskFull, match="No space left on device"):
            segment_large(source, target, **OPTIONS)
    assert len(found(target)) == 5
    assert not target.exists()
    segment_large(source, target, **OPTIONS)
    assert content_of(target) == undisturbed


def test_blocks_are_shown_as_they_come(source, target, field):
    shown = np.zeros(field.image.shape, np.uint32)
    progress = []

    def show(plane, window, labels):
        assert plane == ()
        shown[window] = labels

    result = segment_large(
        source,
        target,
        block_done=show,
        progress=lambda *told: progress.append(told),
        **OPTIONS,
    )
    final = read_labels(target)
    assert ((shown > 0) != (final > 0)).mean() < 0.02  # what crosses a seam comes with its owner
    done = [p[0] for p in progress]
    assert done == sorted(done)
    assert progress[-1][0] == progress[-1][1]
    counts = [p[2] for p in progress if p[2].endswith("nuclei")]
    assert int(counts[-1].split()[0]) == pytest.approx(result.count, abs=3)
