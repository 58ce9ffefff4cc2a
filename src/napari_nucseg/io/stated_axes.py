"""What the axes of an image on disk are, by its metadata."""

from pathlib import Path

from napari_nucseg.io.ngff import read_multiscale
from napari_nucseg.io.plate import array_shape, image_group, is_zarr, read_ome
from napari_nucseg.io.signature import TIFF_SIGNATURES, first_bytes
from napari_nucseg.io.tiff import read_tiff_axes


def stated_axes(path: Path, shape: tuple[int, ...]) -> str | None:
    """Return the axes of an image on disk, without reading its pixels.

    Parameters
    ----------
    path : Path
        TIFF file or OME-Zarr.
    shape : tuple of int

    Returns
    -------
    str or None
        One letter per axis; without C if the shape is that of one channel. None if it is neither,
        or has another shape: a reader has dropped or moved axes.

    Raises
    ------
    ReadError
        Its metadata cannot be read.
    """
    if is_zarr(path):
        group = image_group(path)
        multiscale = read_multiscale(read_ome(group), str(group))
        axes = "".join(axis.letter for axis in multiscale.axes)
        found = array_shape(group / multiscale.datasets[0].path)
    elif first_bytes(path, "TIFF or OME-Zarr").startswith(TIFF_SIGNATURES):
        axes, found = read_tiff_axes(path)
    else:
        return None
    if found != shape and "C" in axes:  # a layer for each channel, as readers make them
        channel = axes.index("C")
        found, axes = found[:channel] + found[channel + 1 :], axes.replace("C", "")
    return axes if found == shape else None
