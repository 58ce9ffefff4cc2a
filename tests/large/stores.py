"""Images on disk, as other programs write them."""

from pathlib import Path
from typing import Any

import numpy as np
import zarr

KINDS = {"t": "time", "c": "channel"}
RGB = [{"color": "FF0000"}, {"color": "00FF00"}, {"color": "0000FF"}]


def write_ome(
    path: Path,
    image: np.ndarray,
    axes: str = "yx",
    version: str = "0.4",
    *,
    chunk: int = 64,
    scale: float = 0.5,
    shift: float = 0.0,
    **content: Any,
) -> Path:
    """Write an OME-Zarr with one level; scale and translation are those of Y and X, in µm."""
    newer = version == "0.5"
    group = zarr.open_group(path, mode="w", zarr_format=3 if newer else 2)
    array = group.create_array(
        "full",
        shape=image.shape,
        chunks=(*(1,) * (image.ndim - 2), chunk, chunk),
        dtype=image.dtype,
        chunk_key_encoding={"name": "default" if newer else "v2", "separator": "/"},
    )
    array[...] = image
    described = [
        {"name": axis, "type": KINDS.get(axis, "space")}
        | ({} if axis in KINDS else {"unit": "micrometer"})
        for axis in axes
    ]
    changes: list[dict[str, Any]] = [
        {"type": "scale", "scale": [scale if axis in "yx" else 2.0 for axis in axes]}
    ]
    if shift:
        changes.append(
            {"type": "translation", "translation": [shift if a in "yx" else 0.0 for a in axes]}
        )
    datasets = [{"path": "full", "coordinateTransformations": changes}]
    multiscale = {"axes": described, "datasets": datasets}
    if newer:
        group.attrs["ome"] = {"version": version, "multiscales": [multiscale], **content}
    else:
        group.attrs.update({"multiscales": [{"version": version, **multiscale}], **content})
    return path


def read_labels(path: Path) -> np.ndarray:
    """Read the first level of labels."""
    return np.asarray(zarr.open_group(path, mode="r")["0"][...])


def content_of(path: Path) -> dict[str, bytes]:
    """Read all files of a folder."""
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in files}
