"""Messages name options in the shell; parameters, or fields, in Python, napari and files."""

import numpy as np
import pytest
import tifffile

import napari_nucseg
from napari_nucseg.cli._wording import ARGUMENTS, in_shell_words
from napari_nucseg.errors import InputError
from napari_nucseg.finetune_params import FineTuneParams
from napari_nucseg.params import SegmentParams, check_whole


@pytest.mark.parametrize(
    "name", [*SegmentParams.model_fields, *FineTuneParams.model_fields, *ARGUMENTS]
)
def test_every_parameter_has_an_option(run, name):
    option = "--" + name.replace("_", "-")
    help_text = "".join(run(command, "--help").stdout for command in ("segment", "finetune"))
    assert f"{option} " in help_text
    assert in_shell_words(f"{name}: expected more") == f"{option}: expected more"


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        (
            "engine='tensorflow' needs TensorFlow; install it or use engine='litert'.",
            "--engine tensorflow needs TensorFlow; install it or use --engine litert.",
        ),
        ("pixel_size must map axes", "--pixel-size must map axes"),
        ("If so, pass axes, such as 'ZYX'.", "If so, pass --axes, such as 'ZYX'."),
        (
            "made with others (axes YX, now as stated; version 1, now 2; min_size 0, now 9)",
            "made with others (--axes YX, now as stated; version 1, now 2; --min-size 0, now 9)",
        ),
        (
            "3 are smaller than Minimum size 9, 1 is less certain than Certainty 0.9; lower "
            "Minimum size, lower Certainty and turn off Drop border to keep them.",
            "3 are smaller than --min-size 9, 1 is less certain than --certainty 0.9; lower "
            "--min-size, lower --certainty and turn off --drop-border to keep them.",
        ),
        (
            "if theirs may be another, try Diameter 'auto'.",
            "if theirs may be another, try --diameter 'auto'.",
        ),
        (
            "try Diameter 'auto' or '19.3', which may find them better.",
            "try --diameter 'auto' or '19.3', which may find them better.",
        ),
        (
            "choose another Output, or Overwrite, which replaces it (Overwrite does both).",
            "choose another --output, or --overwrite, which replaces it (--overwrite does both).",
        ),
        (
            "give Channels, counted from 0, to use only the nuclear stain.",
            "give --channels, counted from 0, to use only the nuclear stain.",
        ),
        ("give Pixel size in Y and X", "give --pixel-size in Y and X"),
        ("Pixel size must be one number", "--pixel-size must be one number"),
        ("The pixel size in Y must be above 0.", None),
        ("/data/lower Certainty.tif is empty.", None),
        ("/data/scan (Channels 1, 2)/this or Model 3/a.tif is empty.", None),
        ("An image (axes ZYX, 3 planes), now and then; model and channels stay", None),
        ("the axes Y and X; model and channels stay", None),
        ("channels/a.tif is empty.", None),
        ("/data/second pass overlap.tif is empty.", None),
        ("model/link_depth: no such folder", None),
        ("--channels: expected a whole number", None),
        ("models: there are none", None),
    ],
)
def test_only_what_is_a_parameter_is_renamed(message, wanted):
    assert in_shell_words(message) == (wanted or message)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("channels", 3, "channels: the image has 1 (counted from 0), got 3."),
        ("diameter", "3000", "diameter '3000' is 3,000 px; expected"),
        ("link_time", True, "link_time needs an image with the axis T (time), got"),
    ],
)
def test_an_error_of_one_image(run, image, field, output, rows, name, value, message):
    with pytest.raises(InputError) as raised:
        napari_nucseg.segment(field, "YX", **{name: value})
    option = "--" + name.replace("_", "-")

    result = run("segment", image, "--output", output, option, *([] if value is True else [value]))

    assert result.exit_code == 1
    assert str(raised.value).startswith(message)
    assert rows()["nuclei.tif"]["message"] == str(raised.value)  # as napari and Python write it
    shown = option + message.removeprefix(name)
    assert f"nuclei.tif: failed: {shown}" in result.stderr


def test_an_error_of_a_whole_command(run, tmp_path, field):
    tifffile.imwrite(tmp_path / "x.tif", np.pad(field, 128), tile=(64, 64))
    output = tmp_path / "x.ome.zarr"
    result = run("segment", tmp_path / "x.tif", "--output", output, "--link-depth")
    assert result.exit_code == 1
    assert "\n--link-depth needs an image with the axis Z (depth), got" in result.stderr
    words = ("--diameter", 14, "--block", 32, "--overlap", 96)
    result = run("segment", tmp_path / "x.tif", "--output", output, *words)
    assert "\n--block must be at least the overlap, 96 pixels here, got 32." in result.stderr
    with pytest.raises(InputError, match="block must be a whole number of at least 1, got 0"):
        check_whole("block", 0, 1)
