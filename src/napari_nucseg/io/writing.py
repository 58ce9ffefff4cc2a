"""Writing of labels and maps as TIFF files that open in Fiji, QuPath and napari."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucseg._types import AnyArray, FloatArray, LabelArray
from napari_nucseg.axes import resolve_axes
from napari_nucseg.errors import InputError, WriteError
from napari_nucseg.io.atomic import atomic_file, check_target

IMAGEJ_AXES = "TZCYX"
"""The order of axes in ImageJ files."""


def write_labels(
    path: str | Path,
    labels: LabelArray,
    axes: str,
    pixel_size: Mapping[str, float] | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Write labels as a compressed TIFF file.

    Parameters
    ----------
    path : str or Path
        The file is there only when it is complete.
    labels : array of int
        Stored as uint16, or as uint32 if an id is above 65,535. ImageJ shows uint32 as 32-bit
        numbers, exact up to 16,777,216.
    axes : str
        Letters of TZYX. Stored in this order, which ImageJ expects; the file names its axes.
    pixel_size : mapping, optional
        Micrometres by axis; stored if Y and X are known.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    InputError
        If `labels` are not integers from 0 to 4,294,967,295 or `axes` do not fit.
    WriteError
        If the file cannot be written, or exists and `overwrite` is false.
    """
    path = Path(path)
    check_target(path, overwrite=overwrite)  # before the work, which takes a while
    axes = resolve_axes(labels.shape, axes)
    if set(axes) & set("CS"):
        raise InputError(f"Labels have the axes TZYX only, got '{axes}'.")
    data = smallest_labels(np.asarray(labels))
    with _written(path, data, axes, pixel_size or {}, overwrite=overwrite):
        pass


@contextmanager
def maps_with(
    path: Path,
    maps: FloatArray,
    axes: str,
    pixel_size: Mapping[str, float],
    *,
    overwrite: bool,
) -> Iterator[None]:
    """Write predicted maps as a compressed TIFF file, there only if the context succeeds.

    Maps without their labels, which are written inside, would be in the way of the same command.

    Parameters
    ----------
    path : Path
        An existing file is refused before anything is written, unless `overwrite`.
    maps : array of float
        Stored as float32.
    axes : str
        Letters of TZCYX, where C counts the maps. Stored in this order, which ImageJ expects.
    pixel_size : mapping
        Micrometres by axis; stored if Y and X are known.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    InputError
        If `axes` do not fit.
    WriteError
        If the file cannot be written, or exists and `overwrite` is false.
    """
    check_target(path, overwrite=overwrite)
    axes = resolve_axes(maps.shape, axes)
    if "S" in axes:
        raise InputError(f"Maps have the axes TZCYX only, got '{axes}'.")
    data = np.asarray(maps, dtype=np.float32)
    with _written(path, data, axes, pixel_size, overwrite=overwrite):
        yield


def prepare_output(folder: str | Path) -> Path:
    """Create a folder for results unless it is there.

    Raises
    ------
    WriteError
        If it cannot be created or nothing can be written there.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise WriteError(
            f"Cannot create the folder {folder}: it, or a part of its path, is a file."
        ) from error
    except OSError as error:
        raise WriteError(
            f"Cannot create the folder {folder}: {error.strerror or error}."
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise WriteError(f"Nothing can be written to the folder {folder}: permission denied.")
    return folder


@contextmanager
def prepared_output(folder: Path) -> Iterator[None]:
    """Create a folder for results unless it is there; what of it stays empty goes at the end.

    So a run that fails early leaves nothing behind. Folders that were there before stay.

    Raises
    ------
    WriteError
        If it cannot be created or nothing can be written there.
    """
    created = [path for path in (folder, *folder.parents) if not os.path.exists(path)]
    try:
        prepare_output(folder)
        yield
    finally:
        for path in created:
            with suppress(OSError):  # it holds something, or could not be created
                path.rmdir()


def smallest_labels(labels: AnyArray) -> AnyArray:
    """Return labels as uint16, or as uint32 where needed."""
    if labels.dtype.kind not in "iub":
        raise InputError(f"Labels must be integers, got {labels.dtype}.")
    smallest, largest = int(labels.min()), int(labels.max())
    if smallest < 0 or largest > np.iinfo(np.uint32).max:
        raise InputError(
            f"Labels must be from 0 to {np.iinfo(np.uint32).max:,}, got {smallest} to {largest}."
        )
    dtype = np.uint16 if largest <= np.iinfo(np.uint16).max else np.uint32
    return labels.astype(dtype, copy=False)


@contextmanager
def _written(
    path: Path, data: AnyArray, axes: str, pixel_size: Mapping[str, float], *, overwrite: bool
) -> Iterator[None]:
    """Write an ImageJ hyperstack, which is there when the context ends.

    The description is ours because tifffile refuses one for uint32 and for BigTIFF, both of which
    ImageJ or its Bio-Formats importer open.
    """
    import tifffile

    wanted = "".join(axis for axis in IMAGEJ_AXES if axis in axes)
    data = data.transpose([axes.index(axis) for axis in wanted])
    shape = tuple(data.shape[wanted.index(a)] if a in wanted else 1 for a in IMAGEJ_AXES)
    metadata: dict[str, Any] = {}
    resolution = None
    if {"Y", "X"} <= pixel_size.keys():
        resolution = (1 / pixel_size["X"], 1 / pixel_size["Y"])
        metadata["unit"] = "micron"
        if "Z" in pixel_size and "Z" in axes:
            metadata["spacing"] = float(pixel_size["Z"])
    with atomic_file(path, overwrite=overwrite) as file:
        tifffile.imwrite(
            file,
            data,
            photometric="minisblack",
            compression="zlib",
            description=tifffile.imagej_description(shape, axes=IMAGEJ_AXES, **metadata),
            metadata=None,
            resolution=resolution,
            resolutionunit="NONE",
            bigtiff=data.nbytes > 2**32 - 2**25,
            software=False,
        )
        file.flush()
        os.fsync(file.fileno())  # a full disk is known before what belongs to it is there alone
        yield
