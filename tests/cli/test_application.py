"""The application itself: version, help, the module, training's refusals."""

import signal
import subprocess
import sys

import pytest

import napari_nucseg
from napari_nucseg.batch.batch import Batch


def test_version(run):
    result = run("--version")
    assert result.exit_code == 0
    assert result.stdout == f"napari-nucseg {napari_nucseg.__version__}\n"


def test_commands(run):
    result = run("--help")
    assert result.exit_code == 0
    for command in ("segment", "train", "finetune", "evaluate", "demo", "doctor"):
        assert f"  {command} " in result.stdout
        assert run(command, "--help").exit_code == 0


def test_unknown_command(run):
    assert run("segmnt").exit_code == 2


def test_module_is_the_same(image, output):
    done = subprocess.run(
        [sys.executable, "-m", "napari_nucseg", "segment", str(image), "--output", str(output)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (output / "nuclei_labels.tif").is_file()
    assert len(done.stderr.splitlines()) == 2  # LiteRT's greeting is not shown


def test_a_library_that_cannot_be_loaded(run, image, output, monkeypatch):
    def plan(*args, **kwargs):
        raise ImportError("libGL.so.1: cannot open shared object file")

    monkeypatch.setattr(Batch, "plan", plan)
    result = run("segment", image, "--output", output)
    assert result.exit_code == 1
    assert "libGL.so.1" in result.stderr
    assert "napari-nucseg doctor" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--recipe", "best"], "--recipe must be 'baseline' or 'standard', not 'best'."),
        ([], "There is no data folder at nowhere."),
    ],
)
def test_training_that_cannot_start(run, output, arguments, message):
    result = run("train", "nowhere", "--output", output, *arguments)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == message
    assert not output.exists()


def test_training_under_a_name_that_no_model_can_have(run, tmp_path):
    result = run("train", tmp_path, "--output", tmp_path / "my model")
    assert result.exit_code == 1
    assert "got 'my model'; pass another --name." in result.stderr.splitlines()[-1]
    assert not (tmp_path / "my model").exists()


def test_training_that_is_there_already(run, tmp_path, output):
    (output / "checkpoints").mkdir(parents=True)
    from napari_nucseg.training.checkpoint import STATE

    (output / "checkpoints" / STATE).write_text("{}")
    result = run("train", tmp_path, "--output", output)
    assert result.exit_code == 1
    assert f"{output} already holds a training; pass --resume" in result.stderr


def test_training_that_is_stopped(run, tmp_path, output, monkeypatch):
    from napari_nucseg.training import run as training

    def stop(*args, **kwargs):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(training, "train", stop)
    result = run("train", tmp_path, "--output", output)
    assert result.exit_code == 130
    assert result.stderr == "Stopped; --resume goes on from the last finished epoch.\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["suggest", "x.tif", "--diameter", "big"], "--diameter: expected 'auto', "),
        (["finetune", "--learning-rate", "2"], "--learning-rate: expected a number from 1e-06 to "),
    ],
)
def test_parameters_are_called_as_their_options(run, arguments, message):
    result = run(*arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith(message)
