"""How long the steps of a segmentation take."""

import time


class Stopwatch:
    """Adds up the seconds of named steps."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._seconds: dict[str, float] = {}

    def lap(self, step: str) -> None:
        """Count the time since the last lap, or the start, for a step."""
        now = time.perf_counter()
        self._seconds[step] = self._seconds.get(step, 0.0) + now - self._last
        self._last = now

    def total(self) -> dict[str, float]:
        """Return the seconds of each step, and of all since the start as ``total``."""
        return {**self._seconds, "total": time.perf_counter() - self._start}
