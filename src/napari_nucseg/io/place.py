"""Places on the disk as a user gives them."""

from pathlib import Path

from napari_nucseg.errors import InputError


def given_place(path: str | Path, name: str, expected: str) -> Path:
    """Return the path that was given for results.

    An empty text, as of a variable of the shell that is not set, would be the current folder.

    Parameters
    ----------
    path : str or Path
    name : str
        What the caller's parameter is called.
    expected : str
        What it names, for the message.

    Raises
    ------
    InputError
        It is empty.
    """
    if isinstance(path, str) and not path.strip():
        raise InputError(f"{name} is empty ({path!r}); expected {expected}.")
    return Path(path)
