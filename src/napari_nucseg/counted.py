"""Numbers of things, as they are said in messages."""

_PLURALS = {"nucleus": "nuclei", "process": "processes"}
"""Plurals that are more than the singular with an ``s``."""


def counted(count: int, thing: str) -> str:
    """Return a number with its noun, e.g. ``1 nucleus``, ``0 nuclei`` and ``1,234 images``.

    Parameters
    ----------
    count : int
    thing : str
        In the singular; adjectives may stand before the noun.
    """
    start, space, noun = thing.rpartition(" ")
    word = noun if count == 1 else _PLURALS.get(noun, f"{noun}s")
    return f"{count:,} {start}{space}{word}"


def counted_nuclei(count: int, *, in_time: bool) -> str:
    """Return a number of nuclei; of tracks, where nuclei are linked in time."""
    return counted(count, "track" if in_time else "nucleus")
