"""How long something will still take, guessed from its progress."""

import time
from collections.abc import Callable


class BlocksLeft:
    """Guesses from the steps since the first report how long the others take.

    What is finished before the first report, as of a run that goes on, took no time.

    Parameters
    ----------
    clock : callable
        Seconds from any start.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: tuple[int, float] | None = None

    def describe(self, done: int, total: int) -> str:
        """Return such as ``3 min left``; empty if nothing is known yet."""
        now = self._clock()
        if self._first is None:
            self._first = (done, now)
        done_before, begun = self._first
        if done <= done_before or done >= total:
            return ""
        return f"{duration((now - begun) / (done - done_before) * (total - done))} left"


def duration(seconds: float) -> str:
    """Return a time as people say it, such as ``2 min 5 s``; the longer, the rougher."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole / 60:.0f} min" if whole < 3600 else f"{whole / 3600:.1f} h"
