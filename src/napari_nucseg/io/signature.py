"""The first bytes of a file, which tell its format whatever its name."""

from pathlib import Path

from napari_nucseg.errors import ReadError

TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

PNG, JPEG, BMP = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM"

PLANE_SIGNATURES = (PNG, JPEG, BMP)
"""Of files that hold one plane each."""

_LENGTH = 8


def first_bytes(path: Path, expected: str) -> bytes:
    """Return the start of a file.

    Parameters
    ----------
    path : Path
    expected : str
        The formats that can be read, for messages.

    Raises
    ------
    ReadError
        The file is missing, empty, a folder or cannot be read.
    """
    if path.is_dir():
        raise ReadError(f"Cannot read {path}: it is a folder, expected a file ({expected}).")
    try:
        with open(path, "rb") as file:
            start = file.read(_LENGTH)
    except FileNotFoundError as error:
        raise ReadError(f"Cannot read {path}: there is no such file.") from error
    except OSError as error:
        raise ReadError(f"Cannot read {path}: {error.strerror or error}.") from error
    if not start:
        raise ReadError(f"Cannot read {path}: the file is empty, expected {expected}.")
    return start
