"""Reading of image files."""

from pathlib import Path

import numpy as np

from napari_nucseg._types import AnyArray
from napari_nucseg.errors import ReadError
from napari_nucseg.io.loaded import LoadedImage
from napari_nucseg.io.signature import JPEG, PLANE_SIGNATURES, PNG, TIFF_SIGNATURES, first_bytes
from napari_nucseg.io.tiff import read_tiff

FORMATS = "TIFF, OME-TIFF, PNG, JPEG or BMP"
"""Formats that can be read, for messages."""

_PNG_COLOURS, _PNG_GREY_ALPHA = 25, 4
_LIMIT = "CV_IO_MAX_IMAGE"
"""What OpenCV's error names where an image is larger than it decodes."""

_JPEG_SCAN, _JPEG_END = b"\xff\xda", b"\xff\xd9"


def read_image(path: str | Path) -> LoadedImage:
    """Read an image file; its content decides about the format, not its name.

    Parameters
    ----------
    path : str or Path
        TIFF (plain, tiled, BigTIFF, ImageJ, OME; the first image at full resolution), PNG, JPEG or
        BMP. The EXIF orientation of photographs is ignored: pixels are returned as they are stored.

    Returns
    -------
    LoadedImage

    Raises
    ------
    ReadError
        If the file is missing, damaged, incomplete or not an image.
    """
    path = Path(path)
    start = first_bytes(path, FORMATS)
    if start.startswith(TIFF_SIGNATURES):
        return read_tiff(path)
    if start.startswith(PLANE_SIGNATURES):
        data = _read_raster(path)
        return LoadedImage(data, "YX" if data.ndim == 2 else "YXS", {}, path)
    raise ReadError(f"Cannot read {path}: it is not an image, expected {FORMATS}.")


def _read_raster(path: Path) -> AnyArray:
    """Read PNG, JPEG or BMP.

    Returns
    -------
    array of shape (Y, X) or (Y, X, S)
        uint8 or uint16; samples are RGB or RGBA. The transparency of a grey image is dropped.
    """
    from napari_nucseg._opencv import cv2

    damaged = f"Cannot read {path}: the image is damaged or incomplete; copy or export it again."
    try:
        # cv2.imread cannot open names outside the code page of Windows.
        encoded = np.fromfile(path, dtype=np.uint8)
        if not _is_complete(encoded.tobytes()):
            raise ReadError(damaged)
        data: AnyArray | None = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        if _LIMIT in str(error):
            raise ReadError(
                f"Cannot read {path}: an image of this format can have at most 1,073 million "
                "pixels, and a million along each axis; convert it to TIFF or OME-Zarr."
            ) from error
        raise ReadError(damaged) from error
    except OSError as error:
        raise ReadError(f"Cannot read {path}: {error.strerror or error}.") from error
    if data is None or data.size == 0:
        raise ReadError(damaged)
    if data.ndim == 2:
        return data
    if encoded[: len(PNG)].tobytes() == PNG and encoded[_PNG_COLOURS] == _PNG_GREY_ALPHA:
        return np.ascontiguousarray(data[..., 0])
    order = [2, 1, 0, 3][: data.shape[2]]
    return np.ascontiguousarray(data[..., order])


def _is_complete(encoded: bytes) -> bool:
    """Tell whether PNG or JPEG data has an end; some decoders fill up what is missing with grey."""
    if encoded.startswith(PNG):
        return b"IEND" in encoded
    if encoded.startswith(JPEG):
        return encoded.rfind(_JPEG_END) > encoded.rfind(_JPEG_SCAN) > 0
    return True
