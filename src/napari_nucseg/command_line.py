"""The shell line that does what a set of parameters says."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from napari_nucseg.params import SegmentParams


def command_line(
    source: str | Sequence[str],
    output: str,
    axes: str | None,
    params: SegmentParams,
    *,
    pixel_size: Mapping[str, float] | None = None,
    overwrite: bool = False,
    workers: int = 1,
) -> str:
    """Return the ``napari-nucseg segment`` line for these parameters, quoted for a POSIX shell.

    Parameters
    ----------
    source : str or sequence of str
        Path of the image, or several; also of folders and plates.
    output : str
        Folder to write to.
    axes : str, optional
        Axes of the image, such as ``"ZYX"``; without them, each file's own.
    params : SegmentParams
        Only what differs from the defaults appears in the line.
    pixel_size, overwrite, workers
        See `segment_batch`.
    """
    sources = [source] if isinstance(source, str) else source
    words = ["napari-nucseg", "segment", *sources, "--output", output]
    words += ["--axes", axes] if axes else []
    if pixel_size:
        sizes = (f"{axis}={size!r}" for axis, size in pixel_size.items())
        words += ["--pixel-size", ",".join(sizes)]
    words += ["--overwrite"] if overwrite else []
    words += ["--workers", str(workers)] if workers != 1 else []
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
