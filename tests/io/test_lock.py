"""A folder is kept for one process; others are told who has it."""

import errno
import os
import platform

import pytest

from napari_nucseg.errors import InputError, WriteError
from napari_nucseg.io.lock import check_lock, give_back, take_lock

SAID = ("Somebody works here", "wait")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lock"


@pytest.fixture
def lock_path(path):
    return path


def test_others_are_told_who_has_it(path, other):
    who = (
        rf"Somebody works here \(process {other.pid} on {platform.node()} since [-\d: ]+\); wait\."
    )
    with pytest.raises(InputError, match=who):
        take_lock(path, *SAID)
    with pytest.raises(InputError, match=who):
        check_lock(path, *SAID)


def test_what_a_killed_process_leaves_blocks_nobody(path, other):
    other.kill()
    other.wait()
    assert len(list(path.parent.iterdir())) == 2  # the lock, and who had it
    check_lock(path, *SAID)
    lock = take_lock(path, *SAID)
    with pytest.raises(InputError, match=f"process {os.getpid()} on"):
        take_lock(path, *SAID)
    give_back(lock, remove=True)
    assert not list(path.parent.iterdir())


def test_a_holder_that_cannot_be_read_is_left_out(path):
    lock = take_lock(path, *SAID)
    path.with_name("lock.holder").unlink()
    with pytest.raises(InputError, match=r"^Somebody works here; wait\.$"):
        take_lock(path, *SAID)
    give_back(lock)
    assert os.listdir(path.parent) == ["lock"]


def test_looking_leaves_nothing_but_the_lock(path):
    check_lock(path, *SAID)
    assert os.listdir(path.parent) == ["lock"]


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_locks_can_be_used(path, monkeypatch, code):
    def refuse(descriptor, operation):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", refuse)
    first = take_lock(path, *SAID)
    give_back(take_lock(path, *SAID), remove=True)  # as if nobody else were there
    assert not first.is_locked
    give_back(first, remove=True)
    assert not list(path.parent.iterdir())


def test_a_folder_that_cannot_be_written(path):
    path.touch()
    with pytest.raises(WriteError, match=r"Cannot write .*lock: "):
        take_lock(path / "lock", *SAID)
