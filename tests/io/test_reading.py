import struct
import zlib

import cv2
import numpy as np
import pytest

from napari_nucseg.errors import ReadError
from napari_nucseg.io.reading import read_image

RNG = np.random.default_rng(0)


def write(path, data):
    """Write RGB(A) or grey by OpenCV, whose samples are BGR(A)."""
    if data.ndim == 3:
        data = data[..., [2, 1, 0, 3][: data.shape[2]]]
    path.write_bytes(cv2.imencode(path.suffix, data)[1].tobytes())
    return path


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("shape", "axes"), [((20, 30), "YX"), ((20, 30, 3), "YXS"), ((20, 30, 4), "YXS")]
)
def test_png(tmp_path, shape, axes, dtype):
    data = RNG.integers(0, np.iinfo(dtype).max, shape, dtype=dtype)
    image = read_image(write(tmp_path / "kern µ 核.png", data))
    assert (image.axes, image.data.dtype, image.pixel_size) == (axes, dtype, {})
    np.testing.assert_array_equal(image.data, data)


def chunk(kind, content):
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


@pytest.mark.parametrize(
    ("depth", "colours", "palette", "rows", "expected"),
    [
        (8, 4, b"", [b"\x07\xff\x09\x80"], [[7, 9]]),
        (1, 0, b"", [b"\x40"], [[0, 255]]),
        (8, 3, b"\x01\x02\x03\x04\x05\x06", [b"\x01\x00"], [[[4, 5, 6], [1, 2, 3]]]),
    ],
    ids=["grey and transparency", "bilevel", "palette"],
)
def test_rare_kinds_of_png(tmp_path, depth, colours, palette, rows, expected):
    path = tmp_path / "a.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, depth, colours, 0, 0, 0))
        + (chunk(b"PLTE", palette) if palette else b"")
        + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
        + chunk(b"IEND", b"")
    )
    np.testing.assert_array_equal(read_image(path).data, expected)


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 3)])
def test_bmp(tmp_path, shape):
    data = RNG.integers(0, 255, shape, dtype=np.uint8)
    image = read_image(write(tmp_path / "a.bmp", data))
    np.testing.assert_array_equal(image.data, data)


def test_jpeg(tmp_path):
    colour = read_image(write(tmp_path / "a.jpg", np.full((16, 24, 3), (200, 100, 50), np.uint8)))
    assert colour.axes == "YXS"
    np.testing.assert_allclose(colour.data, np.full((16, 24, 3), (200, 100, 50)), atol=3)
    grey = read_image(write(tmp_path / "b.jpg", np.full((16, 24), 77, np.uint8)))
    assert grey.axes == "YX"
    np.testing.assert_allclose(grey.data, np.full((16, 24), 77), atol=1)


def test_a_png_that_is_too_large_is_not_called_damaged(tmp_path):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.zeros((9, 9), np.uint8))
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">II", 40_000, 30_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path.write_bytes(content)
    with pytest.raises(ReadError, match=r"1,073 million pixels.* convert it to TIFF or OME-Zarr"):
        read_image(path)


def test_exif_orientation_is_ignored(tmp_path):
    data = np.zeros((16, 24), np.uint8)
    data[:, :8] = 255
    jpeg = write(tmp_path / "a.jpg", data).read_bytes()
    tag = b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"  # orientation 6: turn by 90 degrees
    exif = b"Exif\0\0MM\0*\x00\x00\x00\x08\x00\x01" + tag + b"\0\0\0\0"
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    path = tmp_path / "b.jpg"
    path.write_bytes(jpeg[:2] + segment + jpeg[2:])
    np.testing.assert_allclose(read_image(path).data, data, atol=3)


def test_content_decides_not_the_name(tmp_path):
    data = RNG.integers(0, 255, (20, 30), dtype=np.uint8)
    png = write(tmp_path / "a.png", data)
    np.testing.assert_array_equal(read_image(png.rename(tmp_path / "a.tif")).data, data)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
def test_truncated(tmp_path, suffix):
    data = RNG.integers(0, 255, (40, 50, 3), dtype=np.uint8)
    whole = write(tmp_path / f"a{suffix}", data).read_bytes()
    path = tmp_path / f"cut{suffix}"
    for n in (9, 60, len(whole) // 2, len(whole) - 20):
        path.write_bytes(whole[:n])
        with pytest.raises(ReadError, match=rf"cut\{suffix}.*damaged or incomplete"):
            read_image(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tif", b"hello", "not an image, expected TIFF"),
        ("a.png", b"\x00" * 100, "not an image"),
        ("a.tif", b"", "the file is empty"),
        ("a.tif", b"II*\0", "damaged or incomplete"),
    ],
)
def test_not_an_image(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ReadError, match=rf"a\.\w+: .*{message}"):
        read_image(path)


def test_folder_and_missing_file(tmp_path):
    with pytest.raises(ReadError, match=r"it is a folder, expected a file \(TIFF"):
        read_image(tmp_path)
    with pytest.raises(ReadError, match=r"no\.tif: there is no such file"):
        read_image(tmp_path / "no.tif")
