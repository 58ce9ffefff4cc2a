"""What the end of a call on a worker means to the caller."""

import pytest
from distributed import CancelledError, KilledWorker

from napari_nucseg.cluster.calls import LOST, ClusterCalls, result_of
from napari_nucseg.errors import ReadError, WorkerDied, WorkerError


class Ended:
    """A future that has ended."""

    def __init__(self, result=None, error=None, cancelled=False):
        self._result, self._error, self._cancelled = result, error, cancelled

    def cancelled(self):
        return self._cancelled

    def exception(self):
        return self._error

    def traceback(self):
        return None

    def result(self):
        return self._result

    def add_done_callback(self, call):
        pass


def test_what_a_call_returned():
    assert result_of(Ended(7)) == 7


@pytest.mark.parametrize("future", [Ended(cancelled=True), Ended(error=CancelledError("key"))])
def test_a_lost_connection_ends_all_calls(future):
    error = result_of(future)
    assert isinstance(error, WorkerError)
    assert str(error) == LOST


def test_a_process_that_died():
    error = result_of(Ended(error=KilledWorker("key", None, 2)))
    assert isinstance(error, WorkerDied)
    assert not isinstance(error, WorkerError)


def test_a_worker_without_the_package():
    error = result_of(Ended(error=ModuleNotFoundError("No module named 'napari_nucseg'")))
    assert isinstance(error, WorkerError)
    assert "No module named 'napari_nucseg'" in str(error)


def test_other_errors_are_those_of_the_call():
    error = ReadError("Cannot read a.tif")
    assert result_of(Ended(error=error)) is error


class Interrupted:
    """A client whose user presses Ctrl-C once more while workers are told to stop."""

    status = "running"

    def __init__(self):
        self.cancelled = []

    def submit(self, function, *arguments, pure):
        return Ended()

    def run(self, function, on_error):
        raise KeyboardInterrupt

    def cancel(self, futures):
        self.cancelled += futures


def test_what_cannot_be_stopped_is_cancelled():
    client = Interrupted()
    calls = ClusterCalls(client)
    calls.submit("a", print)
    calls.submit("b", print)
    with pytest.raises(KeyboardInterrupt):
        calls.stop(print)
    assert len(client.cancelled) == 2
    assert not calls


def test_without_a_connection_nobody_is_told():
    client = Interrupted()
    client.status = "closed"
    calls = ClusterCalls(client)
    calls.submit("a", print)
    assert calls.stop(print) == []
    assert not calls


class Lost(Interrupted):
    """A client that loses its connection while workers are told to stop."""

    def submit(self, function, *arguments, pure):
        future = Ended(arguments)
        if "ends" in arguments:
            future.add_done_callback = lambda call: call(future)
        return future

    def run(self, function, on_error):
        raise OSError


def test_what_had_ended_is_kept_if_the_connection_is_lost():
    client = Lost()
    calls = ClusterCalls(client)
    calls.submit("a", print, "ends")
    calls.submit("b", print)
    assert [item for item, _ in calls.stop(print)] == ["a"]
    assert len(client.cancelled) == 1
    assert not calls
