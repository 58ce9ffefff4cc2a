import shlex

import pytest

from napari_nucseg.command_line import command_line
from napari_nucseg.params import SegmentParams, make_params


def read(line):
    """Read a line back: source, output, axes, parameters."""
    program, command, source, *words = shlex.split(line)
    assert (program, command) == ("napari-nucseg", "segment")
    options = {}
    while words:
        name = words.pop(0).removeprefix("--").replace("-", "_")
        if isinstance(getattr(SegmentParams(), name, None), bool):
            options[name] = True
        elif name == "channels":
            options.setdefault(name, []).append(int(words.pop(0)))
        else:
            options[name] = words.pop(0)
    return source, options.pop("output"), options.pop("axes"), make_params(options)


def test_defaults_are_left_out():
    line = command_line("cells.tif", "nuclei", "YX", SegmentParams())
    assert line == "napari-nucseg segment cells.tif --output nuclei --axes YX"


@pytest.mark.parametrize(
    "params",
    [
        SegmentParams(),
        SegmentParams(diameter="8 um", min_size=30, channels=(0, 2), drop_border=True),
        SegmentParams(foreground_threshold=0.35, splitting=0.8, probabilities=True),
        SegmentParams(model="/my models/liver", engine="tensorflow"),
    ],
)
def test_a_line_is_read_back(params):
    source, output = "/data/it's a cell.tif", "my nuclei"
    assert read(command_line(source, output, "CZYX", params)) == (source, output, "CZYX", params)
