"""What native libraries write to stderr by themselves."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_redirected = threading.RLock()
"""Two threads at once could restore what the other had put in place."""


@contextmanager
def native_messages_hidden() -> Iterator[None]:
    """Drop what native code writes to stderr, such as LiteRT's greeting.

    A program without a terminal on Windows has no stderr, so there is nothing to be dropped.
    """
    if sys.stderr is None:
        yield
        return
    with _redirected:
        sys.stderr.flush()
        kept = os.dup(2)
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
