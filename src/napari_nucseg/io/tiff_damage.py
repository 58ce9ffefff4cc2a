"""TIFF files that are damaged, or of which planes are missing: what tifffile says of them."""

import logging
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from napari_nucseg.errors import InputError, ReadError, first_line

_DAMAGED = (
    OSError,
    ValueError,  # TiffFileError
    RuntimeError,  # errors of imagecodecs
    struct.error,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    EOFError,
)
"""What tifffile and imagecodecs raise on truncated or damaged files."""

_DAMAGE_MESSAGES = ("invalid page offset", "corrupted", "missing required tags")
"""What tifffile logs about damage, and then returns a part of the image."""

_ZEROED, _OUT_OF_RANGE = "Missing data are zeroed", "OME series contains index out of range"
"""What tifffile logs where planes are missing that the metadata promise, as when one file of a set
is elsewhere or an acquisition was stopped."""


@contextmanager
def damage_explained(path: Path) -> Iterator[None]:
    """Raise ReadError for whatever is raised because a file cannot be read."""
    try:
        yield
    except InputError as error:
        raise ReadError(f"Cannot read {path}: {error}") from error
    except MemoryError as error:
        raise ReadError(f"Cannot read {path}: the image does not fit into memory.") from error
    except _DAMAGED as error:
        raise _damaged(path, first_line(error)) from error


@contextmanager
def damage_reported(path: Path) -> Iterator[list[str]]:
    """Raise ReadError where tifffile logs damage and would return a part of the image only.

    Yields what it logs about planes that it fills with zeros, which need not be damage.
    """
    handler = _DamageLog()
    logger = logging.getLogger("tifffile")
    logger.addHandler(handler)
    try:
        yield handler.zeroed
    finally:
        logger.removeHandler(handler)
    if handler.messages:
        raise _damaged(path, handler.messages[0])


def missing_planes(series: Any, zeroed: list[str]) -> tuple[str, ...]:
    """Return a message about planes of a series that are filled with zeros.

    Parameters
    ----------
    series : tifffile.TiffPageSeries
    zeroed : list of str
        What `damage_reported` yielded.
    """
    missing = sum(page is None for page in series) if zeroed else 0
    if missing == 0:
        return ()
    reason = zeroed[0].partition("> ")[2].replace(_ZEROED, "").strip(" .")
    return (
        f"{missing:,} of {len(series):,} planes of the image are not stored and were taken as 0 "
        f"({reason}).",
    )


class _DamageLog(logging.Handler):
    """Collects what tifffile logs, in the current thread, about damage that it works around."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.thread = threading.get_ident()
        self.messages: list[str] = []
        self.zeroed: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if record.thread != self.thread:
            return
        if any(text in message for text in _DAMAGE_MESSAGES):
            self.messages.append(message)
        elif _ZEROED in message or _OUT_OF_RANGE in message:
            self.zeroed.append(message)


def _damaged(path: Path, reason: str) -> ReadError:
    return ReadError(
        f"Cannot read {path}: the TIFF file is damaged or incomplete ({reason}); copy or export it "
        "again."
    )
