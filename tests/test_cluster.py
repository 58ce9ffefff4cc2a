"""What the end of a call on a worker means to the caller."""

import pytest
from distributed import CancelledError, KilledWorker

from napari_nucseg.cluster import LOST, result_of
from napari_nucseg.errors import ReadError, WorkerDied, WorkerError


class Ended:
    """A future that has ended."""

    def __init__(self, result=None, error=None, cancelled=False):
        self._result, self._error, self._cancelled = result, error, cancelled

    def cancelled(self):
        return self._cancelled

    def exception(self):
        return self._error

    def result(self):
        return self._result


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
