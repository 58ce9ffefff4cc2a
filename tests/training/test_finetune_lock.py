"""One process at a time works on a job folder, and a kill leaves nothing that blocks."""

import os
import signal
import subprocess
import sys
import time

import pytest
from finetune_data import stub

from napari_nucseg.errors import InputError, WriteError
from napari_nucseg.training.finetune import target
from napari_nucseg.training.finetune.job import LOCK, LOG
from napari_nucseg.training.finetune.lock import check_free, is_busy, job_lock
from napari_nucseg.training.finetune.messages import Failed, parse_message
from napari_nucseg.training.finetune.process import FineTuneProcess
from napari_nucseg.training.finetune.start import remove_job, save_candidate
from napari_nucseg.training.finetune.target import OLDEST_DAYS, remove_old_jobs


@pytest.fixture
def job(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_NUCSEG_MODELS", str(tmp_path / "models"))
    folder = tmp_path / "models" / target.JOBS / "job"
    folder.mkdir(parents=True)
    (folder / LOG).write_text("of the other")
    return folder


@pytest.fixture
def lock_path(job):
    return job / LOCK


def test_a_second_one_is_refused_and_the_first_one_loses_nothing(job, other):
    process = FineTuneProcess(job, lambda message: None, command=stub(""))

    with pytest.raises(InputError, match="is at work in another process, such as another napari"):
        process.start()

    assert (job / LOG).read_text() == "of the other"
    assert not process.running
    assert is_busy(job)


def test_a_kill_leaves_nothing_that_blocks(job, other):
    other.send_signal(signal.SIGKILL)
    other.wait()

    assert (job / LOCK).exists()
    assert not is_busy(job)
    check_free(job)


def test_neither_saved_nor_deleted_by_others(job, other):
    with pytest.raises(InputError, match="at work in another process"):
        save_candidate(job, "new")
    with pytest.raises(InputError, match="at work in another process"):
        remove_job(job)
    for path in (job, *job.iterdir()):
        os.utime(path, (0, time.time() - 2 * OLDEST_DAYS * 24 * 3600))
    remove_old_jobs()

    assert (job / LOG).exists()


def test_a_free_one_is_deleted(job):
    remove_job(job)
    remove_job(job)

    assert not job.exists()


def test_the_child_has_the_lock_or_says_why_not(job, other):
    code = f"import sys; from napari_nucseg.training.finetune import child; \
child.LOCK_SECONDS = 0; sys.exit(child.main(__import__('pathlib').Path({str(job)!r})))"
    done = subprocess.run([sys.executable, "-c", code], stdin=subprocess.PIPE, capture_output=True)

    last = parse_message(done.stdout.splitlines()[-1])
    assert isinstance(last, Failed)
    assert last.kind == "error"
    assert "is at work in another process" in last.text


def test_one_process_locks_itself_out_too(job):
    with job_lock(job), pytest.raises(InputError, match="at work"), job_lock(job):
        pass
    check_free(job)


def test_a_folder_that_cannot_be_written_is_said_and_not_busy(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(WriteError, match=r"Cannot write .*job: "):
        check_free(tmp_path / "file" / "job")
    assert not is_busy(tmp_path / "file" / "job")
