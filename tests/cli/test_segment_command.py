"""``napari-nucseg segment``: the same labels as in Python, from files to files."""

import cv2
import numpy as np
import pytest
import tifffile
import zarr

import napari_nucseg
from napari_nucseg.cli._wording import in_shell_words
from napari_nucseg.io.reading import read_image


def test_the_labels_are_those_of_python(run, image, output, rows, field):
    expected = napari_nucseg.segment(
        field, "YX", diameter="8 um", splitting=0.8, pixel_size={"Y": 0.4, "X": 0.4}
    )
    result = run("segment", image, "--output", output, "--diameter", "8 um", "--splitting", 0.8)
    assert result.exit_code == 0
    assert result.stdout == ""
    written = read_image(output / "nuclei_labels.tif")
    np.testing.assert_array_equal(written.data, expected.labels)
    assert written.data.dtype == np.uint16
    assert written.axes == "YX"
    assert written.pixel_size == pytest.approx({"Y": 0.4, "X": 0.4})
    assert expected.count > 5
    row = rows()["nuclei.tif"]
    assert row["file"] == str(image)
    assert row["nuclei"] == str(expected.count)
    assert float(row["seconds"]) > 0
    assert (row["status"], row["message"]) == ("ok", "")
    first, last = result.stderr.splitlines()
    assert first.startswith(f"[1/1] {image}: {expected.count} nuclei in ")
    summary = output / "summary.csv"
    assert last == f"1 of 1 file segmented ({expected.count} nuclei); see {summary}."


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("--certainty", 0.99, "all are less certain than Certainty 0.99; lower Certainty to"),
        ("--min-size", 9000, "all are smaller than Minimum size 9,000; lower Minimum size to"),
        ("--diameter", 300, "the given diameter; if theirs may be another, try Diameter 'auto'"),
    ],
)
def test_a_limit_that_leaves_nothing_is_told(run, image, output, rows, option, value, text):
    result = run("segment", image, "--output", output, option, value)
    row = rows()["nuclei.tif"]
    assert result.exit_code == 0
    assert row["nuclei"] == "0"
    assert text in row["message"]
    assert in_shell_words(row["message"]) in result.stderr
    assert f"{option} " in result.stderr


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("0.5", {"Y": 0.5, "X": 0.5}),
        ("Y=0.5,X=0.6", {"Y": 0.5, "X": 0.6}),
        ("X=0.6, Z=2", {"Y": 0.4, "X": 0.6}),  # Y as the file states; it has no Z
    ],
)
def test_the_pixel_size_stands_before_that_of_the_file(run, image, output, field, text, given):
    result = run("segment", image, "--output", output, "--diameter", "8 um", "--pixel-size", text)
    assert result.exit_code == 0
    expected = napari_nucseg.segment(field, "YX", diameter="8 um", pixel_size=given)
    written = read_image(output / "nuclei_labels.tif")
    np.testing.assert_array_equal(written.data, expected.labels)
    assert written.pixel_size == pytest.approx(given)


def test_other_pixels_are_other_parameters(run, image, output):
    arguments = ("segment", image, "--output", output, "--pixel-size", "0.5")
    run(*arguments)
    assert "other parameters" not in run(*arguments).stderr
    remark = "made with other parameters (--pixel-size Y=0.5,X=0.5, now as stated)"
    assert remark in run(*arguments[:-2]).stderr


def test_probabilities(run, image, output, field):
    result = run("segment", image, "--output", output, "--probabilities")
    assert result.exit_code == 0
    expected = napari_nucseg.segment(field, probabilities=True)
    written = read_image(output / "nuclei_probability.tif")
    np.testing.assert_array_equal(written.data, expected.probabilities)
    assert written.pixel_size == pytest.approx({"Y": 0.4, "X": 0.4})
    names = sorted(path.name for path in output.iterdir())
    results = ["nuclei_labels.tif", "nuclei_probability.tif"]
    assert names == [*results, "parameters.json", "summary.csv"]


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "lzw"},
        {"compression": "zlib", "predictor": True},
        {"tile": (64, 64)},
        {"bigtiff": True},
        {"ome": True},
    ],
    ids=lambda options: next(iter(options)),
)
def test_tiff_flavours(run, tmp_path, output, field, options):
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, field, **options)
    assert run("segment", path, "--output", output).exit_code == 0
    np.testing.assert_array_equal(
        tifffile.imread(output / "x_labels.tif"), napari_nucseg.segment(field).labels
    )


def test_imagej_stack(run, tmp_path, output, stack):
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "ZYX", "unit": "um", "spacing": 2})
    assert run("segment", path, "--output", output).exit_code == 0
    written = read_image(output / "x_labels.tif")
    assert written.axes == "ZYX"
    np.testing.assert_array_equal(written.data, napari_nucseg.segment(stack, "ZYX").labels)


def test_imagej_hyperstack_and_channels(run, tmp_path, output, stack):
    image = np.zeros((2, 3, 2, 128, 128), np.uint16)  # TZCYX
    image[0, :, 1], image[1, :, 1] = stack, stack[::-1]
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, image, imagej=True, metadata={"axes": "TZCYX"})
    assert run("segment", path, "--output", output, "--channels", 1).exit_code == 0
    written = read_image(output / "x_labels.tif")
    expected = napari_nucseg.segment(image, "TZCYX", channels=(1,))
    assert written.axes == expected.axes == "TZYX"
    np.testing.assert_array_equal(written.data, expected.labels)


def test_axes_that_the_user_states(run, tmp_path, output, stack):
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "ZYX"})
    assert run("segment", path, "--output", output, "--axes", "CYX").exit_code == 0
    written = read_image(output / "x_labels.tif")
    assert written.axes == "YX"
    np.testing.assert_array_equal(written.data, napari_nucseg.segment(stack, "CYX").labels)


def test_axes_that_do_not_fit(run, image, output, rows):
    result = run("segment", image, "--output", output, "--axes", "ZYX")
    assert result.exit_code == 1
    message = "One letter per axis is needed, 2 for this image; got axes 'ZYX'"
    assert message in rows()["nuclei.tif"]["message"]


def test_png_and_jpeg(run, tmp_path, output, field):
    grey = (field / field.max() * 255).astype(np.uint8)
    colour = np.dstack([grey, grey // 2, 255 - grey])
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    cv2.imwrite(str(tmp_path / "colour.jpg"), colour)
    assert run("segment", tmp_path, "--output", output).exit_code == 0
    for name, axes in (("grey.png", "YX"), ("colour.jpg", "YXS")):
        data = read_image(tmp_path / name).data
        labels = tifffile.imread(output / f"{name[:-4]}_labels.tif")
        np.testing.assert_array_equal(labels, napari_nucseg.segment(data, axes).labels)


def test_folders_patterns_and_files(run, tmp_path, output, rows, field):
    for name in ("one/a.tif", "one/b.tif", "two/c.tif", "two/notes.txt", "d.tif"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        tifffile.imwrite(path, field[:64, :64])
    result = run(
        "segment",
        tmp_path / "one",
        tmp_path / "t*" / "*.tif",
        tmp_path / "d.tif",
        tmp_path / "one" / "a.tif",
        "--output",
        output,
    )
    assert result.exit_code == 0
    assert list(rows()) == ["a.tif", "b.tif", "c.tif", "d.tif"]
    assert "4 of 4 files segmented" in result.stderr


def test_results_beside_the_images_are_not_segmented_later(run, image):
    folder = image.parent
    assert run("segment", folder, "--output", folder, "--probabilities").exit_code == 0
    before = sorted(folder.iterdir())
    result = run("segment", folder, "--output", folder, "--probabilities", "--overwrite")
    assert result.exit_code == 0
    assert "1 of 1 file segmented" in result.stderr
    assert sorted(folder.iterdir()) == before


def test_same_stems_from_two_folders(run, tmp_path, output, field):
    for folder, data in (("a", field), ("b", field.T)):
        (tmp_path / folder).mkdir()
        tifffile.imwrite(tmp_path / folder / "x.tif", data)
    assert run("segment", tmp_path / "a", tmp_path / "b", "--output", output).exit_code == 0
    for folder, data in (("a", field), ("b", field.T)):
        np.testing.assert_array_equal(
            tifffile.imread(output / f"{folder}_x_labels.tif"), napari_nucseg.segment(data).labels
        )


def test_remarks_go_to_summary_and_stderr(run, tmp_path, output, rows):
    tifffile.imwrite(tmp_path / "flat.tif", np.full((64, 64), 7, np.uint8))
    result = run("segment", tmp_path / "flat.tif", "--output", output)
    assert result.exit_code == 0
    row = rows()["flat.tif"]
    assert row["nuclei"] == "0"
    assert row["message"].startswith("The image is constant (every pixel is 7)")
    assert row["message"] in result.stderr


def test_an_image_without_nuclei_says_at_which_diameter_they_were_searched(run, output, tmp_path):
    noise = np.random.default_rng(0).poisson(100, (64, 64)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "noise.tif", noise)
    result = run("segment", tmp_path / "noise.tif", "--output", output)
    assert result.exit_code == 0
    assert "No nuclei were seen that could be measured, so they were searched for at" in (
        result.stderr
    )


@pytest.fixture
def planar(tmp_path, stack):
    """A file of three planes of bytes, which tifffile stores as the colours of one plane."""
    path = tmp_path / "planar.tif"
    tifffile.imwrite(path, as_bytes(stack), photometric="rgb", planarconfig="separate")
    return path


def as_bytes(stack):
    return (stack // (stack.max() // 255 + 1)).astype(np.uint8)


@pytest.mark.parametrize(
    ("stated", "axes"), [("ZYX", "ZYX"), ("cyx", "CYX"), ("SYX", "YXS"), ("YXS", "YXS"), ("", "")]
)
@pytest.mark.parametrize("target", ["folder", "labels.ome.zarr"])
def test_axes_stated_of_colours_in_planes(run, planar, tmp_path, stack, stated, axes, target):
    output = tmp_path / target
    words = ("--axes", stated) if stated else ()
    result = run("segment", planar, "--output", output, "--diameter", 14, *words)
    assert result.exit_code == 0, result.stderr
    image = as_bytes(stack)
    if axes in ("YXS", ""):
        image, axes = np.moveaxis(image, 0, -1), "YXS"
    expected = napari_nucseg.segment(image, axes, diameter=14)
    if target == "folder":
        written = read_image(output / "planar_labels.tif").data
    else:
        written = zarr.open_group(output, mode="r")["0"][:]
    np.testing.assert_array_equal(written > 0, expected.labels > 0)
    assert written.max() == expected.count


def test_samples_that_are_stated_where_they_are_not_stored(run, image, planar, output, rows):
    result = run("segment", image, "--output", output, "--axes", "SYX")
    assert result.exit_code == 1
    assert "One letter per axis is needed" in rows()["nuclei.tif"]["message"]
    assert run("segment", planar, "--output", output, "--axes", "YSX").exit_code == 1
    message = "S (samples of a colour image) must be the last axis"
    assert message in rows()["planar.tif"]["message"]
