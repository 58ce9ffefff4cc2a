"""The shell line that does what a set of parameters says."""

import shlex
from typing import Any

from napari_nucseg.params import SegmentParams


def command_line(source: str, output: str, axes: str, params: SegmentParams) -> str:
    """Return the ``napari-nucseg segment`` line for these parameters, quoted for a POSIX shell.

    Parameters
    ----------
    source : str
        Path of the image.
    output : str
        Folder to write to.
    axes : str
        Axes of the image, such as ``"ZYX"``.
    params : SegmentParams
        Only what differs from the defaults appears in the line.
    """
    words = ["napari-nucseg", "segment", source, "--output", output, "--axes", axes]
    for name, info in SegmentParams.model_fields.items():
        value = getattr(params, name)
        if value != info.default:
            words += _option(name, value)
    return shlex.join(words)


def _option(name: str, value: Any) -> list[str]:
    """Return one option: a switch for a bool, repeated for a tuple."""
    words = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{words}" if value else f"--no-{words}"]
    if isinstance(value, tuple):
        return [word for item in value for word in (f"--{words}", str(item))]
    return [f"--{words}", str(value)]
