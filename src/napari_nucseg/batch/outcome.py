"""What became of an image of a batch."""

import traceback
from dataclasses import dataclass
from enum import StrEnum

from napari_nucseg.counted import counted_nuclei

TRACEBACKS = "tracebacks.txt"
"""File beside the summary, where errors are kept that nobody foresaw."""


class Status(StrEnum):
    """The column ``status`` of the summary."""

    OK = "ok"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class Outcome:
    """A row of the summary.

    Attributes
    ----------
    status : Status
    nuclei : int or None
    seconds : float
    message : str
        Why it failed or was skipped, or what the user should know.
    remark : str
        Of a skipped image: which other parameters its result was made with.
    newer : bool
        A skipped image changed after its labels were made.
    lacking : tuple of str
        What a skipped image has not beside its labels, although it is asked for:
        ``probabilities``, ``tracks``.
    disk_full : bool
        It failed for want of space, as would all others.
    died : bool
        The worker process ended while it was at work on it.
    found : bool
        Another process made the result, perhaps with other parameters.
    traceback : str
        Of an error that nobody foresaw.
    diameter : float or None
        Typical diameter that was used, in pixels.
    diameter_estimated : bool
        It was estimated from the image.
    in_time : bool
        Nuclei were linked in time, so `nuclei` is a number of tracks.
    """

    status: Status
    nuclei: int | None = None
    seconds: float = 0.0
    message: str = ""
    remark: str = ""
    newer: bool = False
    lacking: tuple[str, ...] = ()
    disk_full: bool = False
    died: bool = False
    found: bool = False
    traceback: str = ""
    diameter: float | None = None
    diameter_estimated: bool = False
    in_time: bool = False

    @classmethod
    def unforeseen(cls, error: BaseException, seconds: float = 0.0) -> "Outcome":
        """Return the outcome of an image that ended with an error of any kind."""
        return cls(
            Status.FAILED,
            seconds=seconds,
            message=f"{type(error).__name__}: {error} (see {TRACEBACKS})",
            traceback="".join(traceback.format_exception(error)),
        )

    def describe(self) -> str:
        """Return one line for the user."""
        if self.status is Status.OK:
            note = f" ({self.message})" if self.message else ""
            found = counted_nuclei(self.nuclei or 0, in_time=self.in_time)
            return f"{found} in {self.seconds:.1f} s{note}"
        newer = "the image is newer than its labels" if self.newer else ""
        notes = (self._describe_lacking(), self.remark, newer)
        remarks = "".join(f", {note}" for note in notes if note)
        return f"{self.status}: {self.message}{remarks}"

    def describe_diameter(self) -> tuple[str, str]:
        """Return the diameter in pixels, and whether it was estimated; empty if it is unknown."""
        if self.diameter is None:
            return "", ""
        return f"{self.diameter:.2f}", "yes" if self.diameter_estimated else "no"

    def _describe_lacking(self) -> str:
        if not self.lacking:
            return ""
        together = "both" if len(self.lacking) == 1 else "all"
        return f"without {' and '.join(self.lacking)} (Overwrite computes {together})"
