"""Files that say how long each nucleus of a movie was seen and who its mother is."""

from pathlib import Path

import numpy as np

from napari_nucseg._types import AnyArray
from napari_nucseg.io.atomic import atomic_file


def write_tracks(path: str | Path, rows: AnyArray, *, overwrite: bool = False) -> None:
    """Write tracks as ``res_track.txt`` of the Cell Tracking Challenge: a line ``L B E P`` each.

    Parameters
    ----------
    path : str or Path
        The file is there only when it is complete.
    rows : array (tracks, 4) of int
        Label, first frame, last frame (from 0), label of the mother or 0; see
        `linking.features.track_rows`.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    WriteError
    """
    with atomic_file(Path(path), overwrite=overwrite) as file:
        np.savetxt(file, rows, fmt="%d")
