import contextlib
import logging
import struct

import numpy as np
import pytest
import tifffile

from napari_nucseg.errors import InputError, ReadError
from napari_nucseg.io.lazy import open_lazily
from napari_nucseg.io.reading import read_image

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 60_000, (40, 50), dtype=np.uint16)
STACK = RNG.integers(0, 60_000, (6, 40, 50), dtype=np.uint16)
RGB = RNG.integers(0, 255, (40, 50, 3), dtype=np.uint8)


def write(path, data, **options):
    tifffile.imwrite(path, data, **options)
    return path


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "lzw"},
        {"compression": "lzw", "predictor": True},
        {"compression": "zlib"},
        {"compression": "zstd"},
        {"tile": (16, 16)},
        {"tile": (16, 32), "compression": "zlib", "predictor": True},
        {"bigtiff": True},
        {"byteorder": ">"},
        {"rowsperstrip": 7, "metadata": None},
    ],
    ids=str,
)
@pytest.mark.parametrize(("data", "axes"), [(GREY, "YX"), (STACK, "ZYX")], ids=["2D", "3D"])
def test_plain_flavours(tmp_path, data, axes, options):
    path = write(tmp_path / "a.tif", data, photometric="minisblack", **options)
    image = read_image(str(path))
    assert (image.axes, image.pixel_size, image.path) == (axes, {}, path)
    assert image.data.dtype == np.uint16
    assert image.data.dtype.isnative
    np.testing.assert_array_equal(image.data, data)


@pytest.mark.parametrize(
    "dtype", ["uint8", "int16", "uint32", "int32", "float16", "float32", "float64"]
)
def test_number_types_are_kept(tmp_path, dtype):
    data = (GREY // 300).astype(dtype)
    image = read_image(write(tmp_path / "a.tif", data))
    assert image.data.dtype == dtype
    np.testing.assert_array_equal(image.data, data)


def test_complex_numbers_are_refused(tmp_path):
    with pytest.raises(ReadError, match=r"a\.tif: complex pixels"):
        read_image(write(tmp_path / "a.tif", GREY.astype(np.complex64)))


@pytest.mark.parametrize("unit", ["um", "micron", "\\u00B5m", "nm", "mm"])
def test_imagej_hyperstack(tmp_path, unit):
    data = RNG.integers(0, 60_000, (2, 3, 4, 20, 30), dtype=np.uint16)
    factor = {"nm": 1000, "mm": 0.001}.get(unit, 1)
    path = write(
        tmp_path / "a.tif",
        data,
        imagej=True,
        resolution=(1 / (0.5 * factor), 1 / (0.25 * factor)),
        metadata={"axes": "TZCYX", "spacing": 2.0 * factor, "unit": unit},
    )
    image = read_image(path)
    assert image.axes == "TZCYX"
    assert image.pixel_size == pytest.approx({"Z": 2.0, "Y": 0.25, "X": 0.5})
    np.testing.assert_array_equal(image.data, data)


@pytest.mark.parametrize("axes", ["YX", "ZYX", "TYX", "CYX", "TZYX", "ZCYX", "YXS", "ZYXS"])
def test_imagej_axes(tmp_path, axes):
    sizes = {"T": 2, "Z": 3, "C": 4, "Y": 20, "X": 30, "S": 3}
    data = RNG.integers(0, 255, [sizes[axis] for axis in axes], dtype=np.uint8)
    image = read_image(write(tmp_path / "a.tif", data, imagej=True, metadata={"axes": axes}))
    assert (image.axes, image.pixel_size) == (axes, {})
    np.testing.assert_array_equal(image.data, data)


def test_ome_units(tmp_path):
    metadata = {
        "axes": "CZYX",
        "PhysicalSizeX": 250,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 0.5,
        "PhysicalSizeYUnit": "µm",
        "PhysicalSizeZ": 0.002,
        "PhysicalSizeZUnit": "mm",
    }
    data = RNG.integers(0, 60_000, (2, 3, 20, 30), dtype=np.uint16)
    image = read_image(write(tmp_path / "a.ome.tif", data, metadata=metadata))
    assert image.axes == "CZYX"
    assert image.pixel_size == pytest.approx({"Z": 2.0, "Y": 0.5, "X": 0.25})
    np.testing.assert_array_equal(image.data, data)


def test_ome_without_unit_is_micrometre_and_pixel_is_unknown(tmp_path):
    metadata = {
        "axes": "YX",
        "PhysicalSizeX": 0.3,
        "PhysicalSizeY": 1,
        "PhysicalSizeYUnit": "pixel",
        "PhysicalSizeZ": 4,
    }
    image = read_image(write(tmp_path / "a.ome.tif", GREY, metadata=metadata))
    assert image.pixel_size == {"X": 0.3}


@pytest.mark.parametrize(
    ("unit", "resolution", "pixel_size"),
    [
        ("CENTIMETER", (20_000, 40_000), {"X": 0.5, "Y": 0.25}),
        ("INCH", (50_800, 50_800), {"X": 0.5, "Y": 0.5}),
        ("INCH", (72, 72), {}),
        ("CENTIMETER", (118, 118), {}),
        ("NONE", (2, 2), {}),
    ],
)
def test_resolution_tags(tmp_path, unit, resolution, pixel_size):
    path = write(
        tmp_path / "a.tif", GREY, metadata=None, resolution=resolution, resolutionunit=unit
    )
    assert read_image(path).pixel_size == pytest.approx(pixel_size)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("|MPP = 0.25", {"Y": 0.25, "X": 0.25}),
        ("|MPP=0.4990|Left = 3", {"Y": 0.499, "X": 0.499}),
        ("", {"Y": 0.5, "X": 0.5}),  # from the tags
        ("|MPP = 0", {"Y": 0.5, "X": 0.5}),
        ("|MPP = 1.2.3", {"Y": 0.5, "X": 0.5}),
    ],
)
def test_aperio_slides(tmp_path, stated, expected):
    data = RNG.integers(0, 255, (64, 64, 3), dtype=np.uint8)
    text = f"Aperio Image Library v11.2.1 \r\n64x64 [0,0 64x64] (32x32)|AppMag = 20{stated}"
    options = {"resolution": (20_000, 20_000), "resolutionunit": "CENTIMETER"}
    options |= {"description": text, "metadata": None, "photometric": "rgb", "tile": (32, 32)}
    path = write(tmp_path / "a.svs", data, **options)
    image = read_image(path)
    assert (image.axes, image.pixel_size) == ("YXS", pytest.approx(expected))
    with contextlib.closing(open_lazily(path)) as lazy:
        assert lazy.placement.pixel_size == pytest.approx(expected)


def test_zeiss_lsm_states_metres(tmp_path):
    dimensions, voxel = (50, 40, 2, 1, 1, 1, 0, 0), (2.5e-7, 5e-7, 2e-6)  # from X on
    info = struct.pack("<Ii8i3d", 67127628, 296, *dimensions, *voxel).ljust(296, b"\0")
    options = {"photometric": "minisblack", "metadata": None}
    path = tmp_path / "a.lsm"
    with tifffile.TiffWriter(path, byteorder="<") as file:
        for plane in STACK[:2]:
            file.write(plane, extratags=[(34412, 1, len(info), info, True)], **options)
            file.write(plane[:8, :8], subfiletype=1, **options)  # its thumbnail
    image = read_image(path)
    assert image.axes == "ZYX"
    assert image.pixel_size == pytest.approx({"Z": 2.0, "Y": 0.5, "X": 0.25})


@pytest.mark.parametrize("samples", [3, 4])
def test_colours_contiguous_and_separate(tmp_path, samples):
    data = RNG.integers(0, 255, (40, 50, samples), dtype=np.uint8)
    extra = ["unassalpha"] * (samples - 3)
    options = {"photometric": "rgb", "extrasamples": extra, "compression": "zlib"}
    contiguous = write(tmp_path / "a.tif", data, **options)
    separate = write(
        tmp_path / "b.tif", np.moveaxis(data, -1, 0), planarconfig="separate", **options
    )
    for path in (contiguous, separate):
        image = read_image(path)
        assert image.axes == "YXS"
        np.testing.assert_array_equal(image.data, data)


def test_colour_stack_in_separate_planes(tmp_path):
    data = RNG.integers(0, 255, (5, 3, 40, 50), dtype=np.uint8)
    path = write(tmp_path / "a.tif", data, photometric="rgb", planarconfig="separate")
    image = read_image(path)
    assert image.axes == "ZYXS"
    np.testing.assert_array_equal(image.data, np.moveaxis(data, 1, -1))


def test_jpeg_compressed_colours(tmp_path):
    data = np.full((32, 32, 3), (200, 100, 50), np.uint8)
    path = write(tmp_path / "a.tif", data, photometric="rgb", compression="jpeg", tile=(16, 16))
    image = read_image(path)
    assert image.axes == "YXS"
    np.testing.assert_allclose(image.data, data, atol=3)


def test_other_numbers_of_samples_are_channels(tmp_path):
    data = RNG.integers(0, 255, (40, 50, 5), dtype=np.uint8)
    path = write(tmp_path / "a.tif", data, photometric="minisblack", planarconfig="contig")
    image = read_image(path)
    assert image.axes == "YXC"
    np.testing.assert_array_equal(image.data, data)


def test_transparency_of_a_grey_image_is_dropped(tmp_path):
    data = np.stack([GREY, np.full_like(GREY, 65535)], axis=-1)
    options = {"photometric": "minisblack", "extrasamples": ["unassalpha"]}
    image = read_image(write(tmp_path / "a.tif", data, planarconfig="contig", **options))
    assert image.axes == "YX"
    np.testing.assert_array_equal(image.data, GREY)


def test_pyramid_gives_the_full_resolution(tmp_path):
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path) as tif:
        metadata = {"axes": "YXS", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25}
        tif.write(RGB, subifds=2, tile=(16, 16), photometric="rgb", metadata=metadata)
        for step in (2, 4):
            tif.write(RGB[::step, ::step], subfiletype=1, tile=(16, 16), photometric="rgb")
    image = read_image(path)
    assert (image.axes, image.pixel_size) == ("YXS", {"Y": 0.25, "X": 0.25})
    np.testing.assert_array_equal(image.data, RGB)


def test_first_of_several_images(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tif:
        tif.write(GREY, metadata=None)
        tif.write(GREY[::2, ::2], metadata=None)
    image = read_image(path)
    np.testing.assert_array_equal(image.data, GREY)
    assert image.messages == ()  # a smaller one may be a level of a pyramid
    with tifffile.TiffWriter(path) as tif:
        for series in (GREY, GREY[:36], GREY[:, :48]):
            tif.write(series, metadata=None)
    for image in (read_image(path), open_lazily(path)):
        assert image.messages == ("The file has 3 images, of which the first was used.",)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((2, 3, 20, 30), "TZYX"), ((2, 3, 4, 20, 30), "TZCYX"), ((1, 1, 9, 8), "YX")],
)
def test_unknown_axes_are_guessed(tmp_path, shape, axes):
    data = RNG.integers(0, 255, shape, dtype=np.uint8)
    image = read_image(write(tmp_path / "a.tif", data, photometric="minisblack"))
    assert image.axes == axes
    np.testing.assert_array_equal(image.data, data.squeeze())


def test_unknown_axis_gets_a_free_letter(tmp_path):
    data = RNG.integers(0, 255, (2, 3, 20, 30), dtype=np.uint8)
    path = write(tmp_path / "a.tif", data, metadata={"axes": "ZQYX"}, photometric="minisblack")
    assert read_image(path).axes == "ZTYX"


def test_too_many_unknown_axes(tmp_path):
    data = np.zeros((2, 2, 2, 2, 8, 9), np.uint8)
    with pytest.raises(ReadError, match=r"a\.tif: the meaning of its axes 'QQQQYX'"):
        read_image(write(tmp_path / "a.tif", data, photometric="minisblack"))


def test_bilevel_becomes_0_and_255(tmp_path):
    data = GREY > 30_000
    for photometric, expected in (("minisblack", data), ("miniswhite", ~data)):
        image = read_image(write(tmp_path / "a.tif", data, photometric=photometric))
        assert image.data.dtype == np.uint8
        np.testing.assert_array_equal(image.data, expected * 255)


def test_white_is_zero_is_inverted(tmp_path):
    image = read_image(write(tmp_path / "a.tif", GREY, photometric="miniswhite"))
    np.testing.assert_array_equal(image.data, 65535 - GREY)


def test_display_colour_map_keeps_the_intensities(tmp_path):
    green = np.zeros((3, 256), np.uint16)
    green[1] = np.arange(256) * 257
    data = RNG.integers(0, 255, (40, 50), dtype=np.uint8)
    path = write(tmp_path / "a.tif", data, photometric="palette", colormap=green)
    image = read_image(path)
    assert image.axes == "YX"
    np.testing.assert_array_equal(image.data, data)


def test_indexed_colours_become_rgb(tmp_path):
    colours = RNG.integers(0, 256, (3, 256)).astype(np.uint16)
    data = RNG.integers(0, 255, (40, 50), dtype=np.uint8)
    path = write(tmp_path / "a.tif", data, photometric="palette", colormap=colours * 257)
    image = read_image(path)
    assert image.axes == "YXS"
    np.testing.assert_array_equal(image.data, colours.T[data])


def test_grey_colour_map_is_applied(tmp_path):
    inverted = np.tile(np.arange(256, dtype=np.uint16)[::-1] * 257, (3, 1))
    data = RNG.integers(0, 255, (40, 50), dtype=np.uint8)
    path = write(tmp_path / "a.tif", data, photometric="palette", colormap=inverted)
    image = read_image(path)
    assert image.axes == "YX"
    np.testing.assert_array_equal(image.data, 255 - data)


def test_imagej_keeps_the_values_behind_any_colour_map(tmp_path):
    fire = RNG.integers(0, 65535, (3, 256), dtype=np.uint16)
    data = RNG.integers(0, 255, (4, 40, 50), dtype=np.uint8)
    path = write(tmp_path / "a.tif", data, imagej=True, colormap=fire, metadata={"axes": "ZYX"})
    image = read_image(path)
    assert image.axes == "ZYX"
    np.testing.assert_array_equal(image.data, data)


def test_cmyk_is_refused(tmp_path):
    data = RNG.integers(0, 255, (40, 50, 4), dtype=np.uint8)
    path = write(tmp_path / "a.tif", data, photometric="separated")
    with pytest.raises(ReadError, match=r"a\.tif.*grey or RGB pixels, got CMYK"):
        read_image(path)


FLAVOURS = {
    "plain": {"photometric": "minisblack"},
    "pages": {"metadata": None, "photometric": "minisblack"},
    "deflate": {"compression": "zlib", "photometric": "minisblack"},
    "lzw": {"compression": "lzw", "metadata": None, "photometric": "minisblack"},
    "tiled": {"tile": (16, 16), "compression": "zlib", "photometric": "minisblack"},
    "imagej": {"imagej": True, "metadata": {"axes": "ZYX"}},
    "ome": {"ome": True, "metadata": {"axes": "ZYX"}},
    "bigtiff": {"bigtiff": True, "photometric": "minisblack"},
}


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_truncated_file_is_never_read_in_part(tmp_path, flavour):
    whole = write(tmp_path / "whole.tif", STACK, **FLAVOURS[flavour]).read_bytes()
    path = tmp_path / "cut.tif"
    messages = []
    for n in [4, 7, 9, 30, 150, *np.linspace(200, len(whole) - 1, 40, dtype=int)]:
        path.write_bytes(whole[:n])
        try:
            image = read_image(path)
        except ReadError as error:
            messages.append(str(error))
        else:  # only what follows the pixels is missing
            np.testing.assert_array_equal(image.data, STACK)
    assert len(messages) >= 40
    assert all(f"{path}: the TIFF file is damaged" in message for message in messages)
    assert not any("\n" in message for message in messages)
    assert logging.getLogger("tifffile").handlers == []


@pytest.mark.parametrize("flavour", ["pages", "lzw", "tiled", "imagej", "ome"])
def test_truncated_file_is_never_opened_in_part(tmp_path, flavour):
    whole = write(tmp_path / "whole.tif", STACK, **FLAVOURS[flavour]).read_bytes()
    path = tmp_path / "cut.tif"
    refused = []
    for n in np.linspace(200, len(whole) - 1, 20, dtype=int):
        path.write_bytes(whole[:n])
        try:
            image = open_lazily(path)
        except ReadError as error:
            refused.append(str(error))
            continue
        assert image.array.shape == STACK.shape  # and not of the planes only that are there
        image.close()
    assert refused
    assert all("the TIFF file is damaged" in message for message in refused)
    assert logging.getLogger("tifffile").handlers == []


SET = """<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{own}">
<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="50"
 SizeY="40" SizeZ="2" SizeC="1" SizeT="1"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>
<TiffData FirstZ="0" PlaneCount="1"><UUID FileName="z0.ome.tif">urn:uuid:0</UUID></TiffData>
<TiffData FirstZ="1" PlaneCount="1"><UUID FileName="z1.ome.tif">urn:uuid:1</UUID></TiffData>
</Pixels></Image></OME>"""


@pytest.mark.parametrize("read", [read_image, open_lazily])
def test_planes_of_a_missing_file_are_empty_and_mentioned(tmp_path, read):
    first, second = (
        write(
            tmp_path / f"z{i}.ome.tif",
            STACK[i],
            photometric="minisblack",
            metadata=None,
            description=SET.format(own=i),
        )
        for i in (0, 1)
    )
    whole = read(first)
    assert whole.axes == "ZYX"
    assert whole.messages == ()
    second.unlink()
    (message,) = read(first).messages
    assert message.startswith(
        "1 of 2 planes of the image are not stored and were taken as 0 (OME series failed to read "
        "'z1.ome.tif'"
    )


@pytest.mark.parametrize("read", [read_image, open_lazily])
def test_planes_that_a_stopped_acquisition_did_not_write_are_mentioned(tmp_path, read):
    whole = write(tmp_path / "whole.ome.tif", STACK, metadata={"axes": "ZYX"})
    with tifffile.TiffFile(whole) as tif:
        description = tif.ome_metadata
    stopped = tmp_path / "stopped.ome.tif"
    with tifffile.TiffWriter(stopped) as tif:
        tif.write(STACK[0], photometric="minisblack", metadata=None, description=description)
    image = read(stopped)
    assert image.axes == "ZYX"
    (message,) = image.messages
    missing = len(STACK) - 1
    assert message.startswith(f"{missing} of {len(STACK)} planes of the image are not stored")


@pytest.mark.parametrize("colours", [[0, 65535] * 3, [65535, 0, 0, 65535, 0, 0]], ids=str)
def test_two_indexed_colours_take_one_bit(tmp_path, colours):
    data = GREY > 30_000
    tag = (320, "H", 6, colours, True)
    path = write(tmp_path / "a.tif", data, photometric="minisblack", extratags=[tag])
    with tifffile.TiffFile(path, mode="r+") as tif:
        tif.pages[0].tags["PhotometricInterpretation"].overwrite(3)
    image = read_image(path)
    shown = np.array(colours, np.uint16).reshape(3, 2).T[data.astype(int)] >> 8
    expected = shown[..., 0] if image.axes == "YX" else shown
    assert image.axes == ("YX" if colours[0] == 0 else "YXS")
    np.testing.assert_array_equal(image.data, expected)


def test_another_format_is_not_called_a_damaged_tiff(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n")
    with pytest.raises(ReadError, match=r"a\.png in blocks: it is no TIFF file; expected TIFF or"):
        open_lazily(path)


def test_an_empty_file_is_said_alike_by_both_readers(tmp_path):
    path = tmp_path / "a.tif"
    path.touch()
    for read in (read_image, open_lazily):
        with pytest.raises(ReadError, match=r"a\.tif: the file is empty, expected TIFF"):
            read(path)


def test_levels_of_a_pyramid_are_no_array():
    with pytest.raises(InputError, match="Of the levels of a pyramid, pass the first"):
        open_lazily([STACK[0], STACK[0, ::2, ::2]])
