"""The order in which items are worked on, with workers that exist in thought only."""

from dataclasses import dataclass

import pytest

from napari_nucseg.batch.order import run_items
from napari_nucseg.batch.outcome import Outcome, Status

OK, SKIPPED, FAILED = Outcome(Status.OK, 1), Outcome(Status.SKIPPED), Outcome(Status.FAILED)
DIED = Outcome(Status.FAILED, died=True)
FULL = Outcome(Status.FAILED, disk_full=True)


@dataclass(frozen=True)
class Item:
    file: str


class Planned:
    """Ends the oldest item first, as planned: outcomes by file, used up one by one."""

    def __init__(self, capacity, outcomes):
        self.capacity, self.outcomes = capacity, outcomes
        self.flying, self.log = [], []

    @property
    def free(self):
        return self.capacity - len(self.flying)

    @property
    def busy(self):
        return bool(self.flying)

    def submit(self, item):
        assert self.free > 0
        self.flying.append(item)
        self.log.append("+".join(one.file for one in self.flying))

    def wait(self):
        item = self.flying.pop(0)
        left = self.outcomes.get(item.file, [])
        return [(item, left.pop(0) if left else OK)]


def run(files, capacity, known=None, **outcomes):
    executor = Planned(capacity, outcomes)
    found = dict.fromkeys(files) | (known or {})
    ended = run_items([Item(file) for file in files], found, executor)
    return [(item.file, outcome) for item, outcome in ended], executor


def test_never_more_than_fit():
    ended, executor = run([str(i) for i in range(50)], 3)
    assert [file for file, _ in ended] == [str(i) for i in range(50)]
    assert max(len(one.split("+")) for one in executor.log) == 3


def test_what_is_known_needs_no_worker():
    ended, executor = run("abc", 1, {"b": SKIPPED})
    assert ended == [("a", OK), ("b", SKIPPED), ("c", OK)]
    assert executor.log == ["a", "c"]


def test_a_failure_is_tried_once_more():
    ended, executor = run("abc", 1, b=[FAILED])
    assert ended == [("a", OK), ("b", OK), ("c", OK)]
    assert executor.log == ["a", "b", "b", "c"]


def test_a_second_failure_is_final():
    ended, _ = run("abc", 1, b=[FAILED, FAILED, OK])
    assert ended == [("a", OK), ("b", FAILED), ("c", OK)]


def test_what_killed_a_worker_is_tried_alone():
    ended, executor = run("abcd", 2, a=[DIED])
    assert [file for file, _ in ended] == ["b", "c", "d", "a"]
    assert executor.log[-1] == "a"


@pytest.mark.parametrize("outcome", [FULL])
def test_a_full_disk_is_not_tried_again(outcome):
    ended, executor = run("a", 1, a=[outcome])
    assert ended == [("a", outcome)]
    assert executor.log == ["a"]
