"""What the axes of an image layer may be, and which of these to propose."""

import itertools
import os
from functools import lru_cache
from pathlib import Path

from napari.layers import Image

from napari_nucseg.errors import InputError, NucsegError
from napari_nucseg.io.stated_axes import stated_axes
from napari_nucseg.widgets._layers import full_resolution, source_path

_NAMES = {"t": "T", "time": "T", "z": "Z", "depth": "Z", "c": "C", "channel": "C", "channels": "C"}
_USUAL = {2: "", 3: "Z", 4: "TZ", 5: "TZC"}


def axes_choices(ndim: int, rgb: bool) -> list[str]:
    """Return the axis strings that an image layer with this many dimensions may have.

    Parameters
    ----------
    ndim : int
        Dimensions of the layer; the samples of a colour image are none.
    rgb : bool
    """
    letters = "TZ" if rgb else "TZC"
    tail = "YXS" if rgb else "YX"
    return ["".join(head) + tail for head in itertools.permutations(letters, ndim - 2)]


def guess_axes(layer: Image) -> str:
    """Return the layer's axes: by its axis labels, by its file, or else the usual ones.

    napari's own reader leaves the axes of a file out.

    Raises
    ------
    InputError
        The layer has too many dimensions.
    """
    choices = axes_choices(layer.ndim, layer.rgb)
    if not choices:
        raise InputError(
            f"'{layer.name}' has {layer.ndim} dimensions; 2 to {4 if layer.rgb else 5} of T, Z, C, "
            "Y, X can be segmented."
        )
    if len(choices) == 1:
        return choices[0]
    tail = "YXS" if layer.rgb else "YX"
    named = "".join(_NAMES.get(str(name).lower(), "?") for name in layer.axis_labels[:-2]) + tail
    if named in choices:
        return named
    stated = _axes_of_file(layer)
    if stated in choices:
        return stated
    usual = _USUAL[layer.ndim] + tail
    return usual if usual in choices else choices[0]


def _axes_of_file(layer: Image) -> str | None:
    """Return the axes that the layer's file states; None if it has none, as at an address."""
    path = source_path(layer)
    if path is None:
        return None
    try:
        changed = os.stat(path).st_mtime_ns
    except OSError:
        return None
    return _stated(path, changed, tuple(full_resolution(layer).shape))


@lru_cache(maxsize=256)
def _stated(path: str, changed: int, shape: tuple[int, ...]) -> str | None:
    """Return what `stated_axes` does, once for each state of a file: it is asked again and again.

    It takes no longer than opening the file has taken.
    """
    del changed
    try:
        return stated_axes(Path(path), shape)
    except NucsegError:  # it is only a proposal
        return None
