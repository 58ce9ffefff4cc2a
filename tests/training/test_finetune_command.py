"""From the shell and from Python, through real child processes: the same model."""

import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from finetune_data import write_data
from typer.testing import CliRunner

from napari_nucseg import finetune, segment
from napari_nucseg.cli import make_app
from napari_nucseg.errors import InputError
from napari_nucseg.evaluation import match
from napari_nucseg.finetune_params import FineTuneParams
from napari_nucseg.model.folder import open_model
from napari_nucseg.model.network import build_network
from napari_nucseg.registry import models_folder, remove_model
from napari_nucseg.registry.user_models import user_names
from napari_nucseg.training.finetune.folder import read_rows
from napari_nucseg.training.finetune.job import CHECKPOINT
from napari_nucseg.training.finetune.lock import check_free, job_lock
from napari_nucseg.training.finetune.process import FineTuneProcess, Status
from napari_nucseg.training.finetune.start import create_job, run_process
from napari_nucseg.training.finetune.tuner import STEPS

pytestmark = pytest.mark.slow

LONG = 600.0


@pytest.fixture(scope="module", autouse=True)
def own_models(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAPARI_NUCSEG_MODELS", str(tmp_path_factory.mktemp("models")))
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def from_shell(data, small_parent):
    """Return the model that the command makes in two epochs, and what it printed."""
    result = run(data, small_parent, "shell", "--always")
    assert result.exit_code == 0, result.stderr
    return models_folder() / "shell", result


def run(data, parent, output, *more):
    arguments = ["--data", str(data), "--output", output, "--model", str(parent), "--epochs", "2"]
    return CliRunner().invoke(make_app(), ["finetune", *arguments, *more])


def weights(folder):
    model = open_model(folder)
    network = build_network(model.config.network)
    network.load_weights(model.weights)
    return network.get_weights()


def test_the_command_saves_a_model_and_says_so(from_shell):
    folder, result = from_shell

    assert open_model(folder).name == "shell"
    assert "8 held-out nuclei: AP" in result.stdout
    assert f"Saved in {folder}." in result.stdout
    assert "40 nuclei to learn from, 8 held out for scoring: 'image0' rows" in result.stderr
    assert f"{2 * STEPS}/{2 * STEPS} epoch 2, loss" in result.stderr
    assert not list((models_folder() / ".jobs").iterdir())


def test_python_makes_the_same_model(from_shell, data, small_parent, tmp_path):
    rows = [(row.image[..., 0], row.labels, row.reviewed) for row in read_rows(data)]
    messages = []

    result = finetune(
        rows,
        tmp_path / "python",
        model=str(small_parent),
        epochs=2,
        save="always",
        on_message=messages.append,
    )

    assert result.folder == tmp_path / "python"
    assert messages[0].type == "stage"
    assert messages[-1].text == result.text
    # The order in which TensorFlow's threads add up decides about the last digits.
    for found, expected in zip(weights(result.folder), weights(from_shell[0]), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    image = rows[0][0]
    found, expected = (
        segment(image, model=str(folder), diameter=16, probabilities=True)
        for folder in (result.folder, from_shell[0])
    )
    # Those digits decide about the steps of eight bits, and these about single pixels.
    np.testing.assert_allclose(found.probabilities, expected.probabilities, rtol=0, atol=0.03)
    assert found.labels.max() == expected.labels.max()
    same = np.mean(found.labels == expected.labels)
    assert match(expected.labels, found.labels, 0.95).f1 == 1 or same > 0.999


def test_a_child_that_is_killed_leaves_all_as_it_was_and_can_be_resumed(
    from_shell, data, small_parent
):
    params = FineTuneParams(model=str(small_parent), epochs=2)
    job = create_job(data, "resumed", params, save="always")
    before = user_names()

    def kill_in_the_second_epoch(message):
        if message.type == "progress" and message.epoch == 2:
            os.kill(process.pid, signal.SIGKILL)

    process = FineTuneProcess(job, kill_in_the_second_epoch)
    process.start()
    outcome = process.wait(LONG)

    assert outcome.status is Status.KILLED
    assert outcome.resumable
    assert f"It can be resumed: napari-nucseg finetune --resume {job}" in outcome.text
    assert user_names() == before
    assert (job / CHECKPOINT).is_file()
    result = CliRunner().invoke(make_app(), ["finetune", "--resume", str(job)])
    assert result.exit_code == 0, result.stderr
    assert not job.exists()
    resumed = weights(models_folder() / "resumed")
    for found, wanted in zip(resumed, weights(from_shell[0]), strict=True):
        assert np.linalg.norm(found - wanted) <= 1e-3 * np.linalg.norm(wanted) + 1e-5


STAGES = ("Loading TensorFlow", "Exporting the new model", "Saving")


@pytest.fixture(scope="module")
def trained(data, small_parent):
    """Return a job folder whose training has ended, so that only exporting and saving are left."""
    params = FineTuneParams(model=str(small_parent), epochs=1)
    job = create_job(data, "killed", params, save="always")
    process = kill_at(job, "Exporting the new model")
    assert process.wait(LONG).status is Status.KILLED
    return job


def kill_at(job, stage):
    """Start a child and kill it (kill -9) when it tells that a stage begins."""

    def kill(message):
        if message.type == "stage" and message.text == stage:
            os.kill(process.pid, signal.SIGKILL)

    process = FineTuneProcess(job, kill)
    process.start()
    return process


def whole_models():
    """Return the names of the user's models; each of them must be complete."""
    for name in user_names():
        assert [w.shape for w in weights(models_folder() / name)]
        assert open_model(models_folder() / name).litert.stat().st_size > 0
    return set(user_names())


@pytest.mark.parametrize("stage", STAGES)
def test_a_child_that_is_killed_at_any_stage_leaves_whole_models(trained, stage, tmp_path):
    job = tmp_path / "job"
    shutil.copytree(trained, job)
    before = whole_models()

    outcome = kill_at(job, stage).wait(LONG)

    if outcome.status is Status.FINISHED:  # it was faster than the kill
        assert stage == STAGES[-1]
        assert outcome.finished.folder is not None
    else:
        assert outcome.status is Status.KILLED
        assert "Nothing of yours was changed." in outcome.text
    assert whole_models() - before <= ({"killed"} if stage == STAGES[-1] else set())
    if "killed" in user_names():
        remove_model("killed")
    else:
        assert outcome.resumable
        assert run_process(job).folder == models_folder() / "killed"
        assert "killed" in whole_models()
        remove_model("killed")


PARENT = """
import pathlib, sys
from napari_nucseg.training.finetune.lock import check_free, job_lock
from napari_nucseg.training.finetune.process import FineTuneProcess
job = pathlib.Path(sys.argv[1])
def tell(message):
    if message.type == "progress" and message.epoch == 2:
        print("training", flush=True)
FineTuneProcess(job, tell).start()
sys.stdin.read()
"""


def test_a_child_whose_parent_is_killed_ends_and_can_be_gone_on_with(data, small_parent):
    params = FineTuneParams(model=str(small_parent), epochs=500)
    job = create_job(data, "orphan", params)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", PARENT, str(job)], **pipes) as parent:
        assert parent.stdout.readline() == b"training\n"
        with pytest.raises(InputError, match="is at work in another process"):
            run_process(job)
        parent.kill()  # SIGKILL where there are signals

    with job_lock(job, LONG):  # the child lets go of it when it ends
        assert (job / CHECKPOINT).is_file()
    assert "orphan" not in user_names()
    check_free(job)
