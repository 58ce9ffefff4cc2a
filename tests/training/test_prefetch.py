"""Batches prepared ahead."""

import threading

import pytest

from napari_nucseg.training.prefetch import AHEAD, prefetch


@pytest.mark.parametrize(("start", "stop"), [(0, 0), (3, 4), (0, AHEAD), (2, 9)])
def test_all_come_in_order(start, stop):
    assert list(prefetch(lambda number: number**2, start, stop)) == [
        number**2 for number in range(start, stop)
    ]


def test_only_so_many_are_prepared_ahead():
    made = []
    third = threading.Event()

    def make(number):
        made.append(number)
        if number == AHEAD:
            third.set()
        return number

    batches = prefetch(make, 0, 100)
    assert made == []  # nothing before it is asked for
    assert next(batches) == 0
    assert third.wait(60)
    assert made == list(range(AHEAD + 1))
    batches.close()


def test_what_a_batch_raises_arrives():
    def make(number):
        if number == 1:
            raise ValueError("no batch")
        return number

    batches = prefetch(make, 0, 3)
    assert next(batches) == 0
    with pytest.raises(ValueError, match="no batch"):
        next(batches)
