"""Batches that are prepared while the network learns from those before."""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

AHEAD = 2
"""Batches that are prepared ahead."""

Batch = TypeVar("Batch")


def prefetch(make: Callable[[int], Batch], start: int, stop: int) -> Generator[Batch]:
    """Yield what `make` returns for `start` to `stop` - 1, in order; a thread works ahead."""
    with ThreadPoolExecutor(1) as pool:
        waiting = [pool.submit(make, number) for number in range(start, min(start + AHEAD, stop))]
        for number in range(start, stop):
            if number + AHEAD < stop:
                waiting.append(pool.submit(make, number + AHEAD))
            yield waiting.pop(0).result()
