"""Options of ``napari-nucseg segment`` are the fields of `SegmentParams`."""

import re
import shlex
import shutil

import pytest

from napari_nucseg.batch.batch import Batch
from napari_nucseg.command_line import command_line
from napari_nucseg.params import SegmentParams
from napari_nucseg.registry import bundled_folder

OTHER = {
    "model": "my model",
    "diameter": "8 um",
    "foreground_threshold": 0.35,
    "certainty": 0.6,
    "splitting": 0.7,
    "min_size": 12,
    "drop_border": True,
    "link_depth": True,
    "link_time": True,
    "link_overlap": 0.6,
    "link_gap": 2,
    "min_planes": 3,
    "anisotropy": 2.18,
    "channels": (0, 2),
    "engine": "litert",
    "probabilities": True,
}


@pytest.fixture
def received(monkeypatch):
    """The parameters and axes that the command passes on; nothing is segmented."""
    seen = []

    def plan(inputs, output, params, *, axes, pixel_size, overwrite):
        assert pixel_size is None
        seen.append((inputs, str(output), params, axes, overwrite))
        raise KeyError("enough")

    monkeypatch.setattr(Batch, "plan", plan)
    return seen


def test_every_field_is_tested():
    assert OTHER.keys() == SegmentParams.model_fields.keys()


@pytest.mark.parametrize("names", [[], *[[name] for name in OTHER], list(OTHER)])
def test_the_line_that_the_widget_copies_says_the_same(run, received, names):
    params = SegmentParams(**{name: OTHER[name] for name in names})
    program, *arguments = shlex.split(command_line("an image.tif", "out", "ZYX", params))
    assert program == "napari-nucseg"
    with pytest.raises(KeyError, match="enough"):
        run(*arguments)
    assert received == [(["an image.tif"], "out", params, "ZYX", False)]


def test_help_shows_every_field(run):
    result = run("segment", "--help")
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    for name, info in SegmentParams.model_fields.items():
        assert "--" + name.replace("_", "-") in text
        assert info.description in text
    assert "--foreground-threshold 0.05..0.95 " in text
    assert "--model TEXT " in text
    assert "--engine auto|litert|tensorflow " in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workers", "0"], "'--workers': expected a whole number of at least 1, got '0'."),
        (["--workers", "nan"], "'--workers': expected a whole number of at least 1, got 'nan'."),
        (["--block", "1.5"], "'--block': expected a whole number of at least 1, got '1.5'."),
        (["--overlap", "-1"], "'--overlap': expected a whole number of at least 0, got '-1'."),
        (["--no-such-option"], "--no-such-option"),
        (["--axes", "QQ"], "'--axes': Unknown axis Q; use letters of TZCYXS; got axes 'QQ'."),
    ],
)
def test_options_that_typer_refuses(run, image, output, arguments, message):
    result = run("segment", image, "--output", output, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not output.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--diameter", "big"], "--diameter: expected 'auto', pixels such as '19', or a length"),
        (["--diameter", "0"], "--diameter: must be above zero"),
        (["--channels", "-1"], "--channels: expected a whole number of at least 0, got '-1'."),
        (["--channels", "red"], "--channels: expected a whole number of at least 0, got 'red'."),
        (["--certainty", "nan"], "--certainty: expected a number from 0.0 to 1.0, got 'nan'."),
        (
            ["--engine", "steam"],
            "--engine: expected 'auto', 'litert' or 'tensorflow', got",
        ),
        (["--splitting", "2"], "--splitting: expected a number from 0.0 to 1.0, got '2'."),
        (
            ["--min-size", "-1"],
            "--min-size: expected a whole number from 0 to 1,000,000, got",
        ),
        (["--min-size", "many"], "whole number from 0 to 1,000,000, got 'many'."),
        *[
            (["--pixel-size", text], f"such as Z=2,Y=0.32,X=0.32; got '{text}'.")
            for text in ("", "0,32", "0.3,0.3", "0.3 um", "Y=0.3,Y=0.3", "y=0.3", "Y=", "T=1", "=1")
        ],
        (["--pixel-size", "0"], "The pixel size in Y must be a number of micrometres above 0"),
        (["--pixel-size", "Y=0.3,X=-1"], "The pixel size in X must be a number of micrometres"),
        (["--pixel-size", "nan"], "The pixel size in Y must be a number of micrometres above 0"),
        (["--model", "Nuclei2"], "There is no model 'Nuclei2'. Bundled models: "),
    ],
)
def test_values_that_cannot_be_used(run, image, output, arguments, message):
    result = run("segment", image, "--output", output, *arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not output.exists()


@pytest.fixture
def model(tmp_path):
    """A copy of a bundled model."""
    folder = tmp_path / "copy"
    shutil.copytree(bundled_folder() / "nuclei", folder)
    return folder


def test_model_folder(run, image, output, model):
    assert run("segment", image, "--output", output, "--model", model).exit_code == 0


@pytest.mark.parametrize("name", ["config.json", "hashes.json", "model.tflite"])
@pytest.mark.parametrize("harm", ["missing", "empty", "changed"])
def test_damaged_model_folder(run, image, output, model, name, harm):
    path = model / name
    content = path.read_bytes()
    if harm == "missing":
        path.unlink()
    elif harm == "empty":
        path.write_bytes(b"")
    elif name == "model.tflite":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    else:
        path.write_bytes(content.replace(b'": "', b'": "0'))
    result = run("segment", image, "--output", output, "--model", model)
    assert result.exit_code == 1
    assert str(model) in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not output.exists()


def test_files_of_two_models_mixed(run, image, output, model):
    """A LiteRT file with the right hash that is no LiteRT file."""
    import json

    from napari_nucseg.model.folder import sha256

    (model / "model.tflite").write_bytes(b"something else")
    hashes = json.loads((model / "hashes.json").read_text())
    hashes["model.tflite"] = sha256(model / "model.tflite")
    (model / "hashes.json").write_text(json.dumps(hashes))
    result = run("segment", image, "--output", output, "--model", model)
    assert result.exit_code == 1
    assert "is not a LiteRT model" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("segment", "IMAGE", "--output", ""),
        ("segment", "IMAGE", "--output", " "),
        ("segment", "", "--output", "out"),
        ("segment", "IMAGE", "", "--output", "out"),
        ("segment", "IMAGE", "--output", "out", "--model", ""),
        ("suggest", ""),
        ("models", "export", "nuclei", ""),
        ("train", "data", "--output", ""),
    ],
    ids=" ".join,
)
def test_empty_names(run, image, tmp_path, monkeypatch, words):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    result = run(*(image if word == "IMAGE" else word for word in words))
    assert result.exit_code != 0
    last = result.stderr.splitlines()[-1]
    assert re.search(r"(is empty \(' ?'\); expected|There is no model ''\.)", last)
    assert list(here.iterdir()) == []
