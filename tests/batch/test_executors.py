"""Items that end at the same moment on workers that exist in thought only."""

import pytest

from napari_nucseg.batch import executors
from napari_nucseg.batch.batch import Batch
from napari_nucseg.batch.executors import WorkersExecutor
from napari_nucseg.batch.outcome import Outcome, Status
from napari_nucseg.errors import Cancelled, WorkerError
from napari_nucseg.params import SegmentParams

OK = Outcome(Status.OK, 1)
LOST = WorkerError("lost")


class Together:
    """Calls that end all at once; a result stands for its future."""

    results: tuple = ()
    """Of the calls, in the order in which they are submitted."""

    late: tuple = ()
    """Items and results that end while workers are told to stop."""

    def __init__(self, client):
        self.flying = []

    def __len__(self):
        return len(self.flying)

    @property
    def free(self):
        return len(self.results) - len(self)

    def submit(self, item, function, *arguments):
        self.flying.append(item)

    def collect(self, timeout):
        ended = list(zip(self.flying, self.results, strict=False))
        self.flying = []
        return ended

    def stop(self, function, *arguments):
        self.flying = []
        return list(self.late)


@pytest.fixture
def calls(monkeypatch):
    monkeypatch.setattr(executors, "ClusterCalls", Together)
    monkeypatch.setattr(executors, "result_of", lambda future: future)
    return lambda **change: [monkeypatch.setattr(Together, *one) for one in change.items()]


class Named:
    def __init__(self, name):
        self.name = name

    def absolute(self):
        return self


def begin(*items, cancelled=lambda: False):
    executor = WorkersExecutor(None, None, None, lambda item: None, cancelled)
    for item in items:
        executor.submit(item)
    return executor


def test_what_ends_together_is_returned_one_by_one(calls):
    calls(results=(OK, OK))
    a, b = Named("a"), Named("b")
    executor = begin(a, b)
    assert executor.wait() == [(a, OK)]
    assert executor.busy
    assert executor.wait() == [(b, OK)]
    assert not executor.busy


def test_stopping_returns_what_ended_before_and_meanwhile(calls):
    a, b, c, d = map(Named, "abcd")
    calls(results=(OK, OK, OK), late=((c, OK), (d, LOST)))
    executor = begin(a, b)
    executor.wait()
    assert executor.stop() == [(b, OK), (c, OK)]
    assert not executor.busy


def test_a_lost_call_takes_none_with_it_that_ended_beside_it(calls):
    a, b = Named("a"), Named("b")
    calls(results=(LOST, OK))
    executor = begin(a, b)
    with pytest.raises(WorkerError, match="lost"):
        executor.wait()
    assert executor.stop() == [(b, OK)]


def test_cancelling_keeps_what_has_ended(calls):
    asked = []
    calls(results=(OK, OK))
    a, b = Named("a"), Named("b")
    executor = begin(a, b, cancelled=lambda: len(asked) == 1)
    executor.wait()
    asked.append(1)
    with pytest.raises(Cancelled):
        executor.wait()
    assert executor.stop() == [(b, OK)]


def test_each_image_that_ended_has_a_row_although_the_callback_fails(
    calls, images, output, table, monkeypatch
):
    calls(results=(OK, OK, OK))
    monkeypatch.setattr("napari_nucseg.batch.batch.check_workers", lambda *_: None)
    batch = Batch.plan([images], output, SegmentParams(diameter="14"))

    def finished(item, outcome):
        raise LookupError(item.stem)

    with pytest.raises(LookupError, match="b") as caught:
        batch.run(scheduler=object(), finished=finished)
    assert str(caught.value.__context__) == "a"
    assert [row["status"] for row in table()] == ["ok"] * 3
    assert batch.counts == {Status.OK: 3}
