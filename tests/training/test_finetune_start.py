"""What is said before a fine-tuning starts; nothing is written where it cannot."""

import os
import queue
import shutil
from pathlib import Path

import numpy as np
import pytest
from finetune_data import disks, reviewed_row, stub, write_data
from typer.testing import CliRunner

from napari_nucseg import FineTuneParams, finetune
from napari_nucseg.cli import make_app
from napari_nucseg.cli.finetune import NOT_SAVED, Reporter
from napari_nucseg.errors import (
    Cancelled,
    DatasetError,
    InputError,
    ModelError,
    NameTaken,
    TrainingError,
    WriteError,
)
from napari_nucseg.finetune_params import make_finetune_params
from napari_nucseg.registry import models_folder, save_model
from napari_nucseg.training.finetune import messages, start, target
from napari_nucseg.training.finetune.folder import read_rows
from napari_nucseg.training.finetune.job import DATA, JobSpec, command_line, read_spec, write_spec
from napari_nucseg.training.finetune.messages import Scores, Verdict
from napari_nucseg.training.finetune.plan import make_plan, plan_job, problem
from napari_nucseg.training.finetune.process import FineTuneProcess, Outcome, Status
from napari_nucseg.training.finetune.rows import make_row
from napari_nucseg.training.finetune.start import change_job, create_job
from napari_nucseg.training.finetune.target import store_model

LABELS = disks(4, 6)
IMAGE = (LABELS > 0).astype(np.uint8) * 200


@pytest.fixture(autouse=True)
def own_models(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_NUCSEG_MODELS", str(tmp_path / "models"))


@pytest.fixture
def data(tmp_path):
    return write_data(tmp_path / "data")


@pytest.fixture
def params(small_parent):
    return FineTuneParams(model=str(small_parent))


def files():
    return [path for path in models_folder().rglob("*") if path.is_file()]


def test_defaults_need_no_change():
    params = FineTuneParams()

    assert (params.model, params.epochs, params.train, params.seed) == (
        "nuclei",
        0,
        "everything",
        0,
    )
    for info in FineTuneParams.model_fields.values():
        assert info.title
        assert info.description


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epoch": 3}, "unknown parameter 'epoch', known are model, epochs, train"),
        ({"epochs": -1}, "epochs: expected a whole number from 0 to 500, got -1"),
        ({"train": "all"}, "train: expected 'everything' or 'decoder', got 'all'"),
        ({"seed": 1, "rehearsal": 2}, "rehearsal: expected a number from 0.0 to 0.8, got 2"),
    ],
)
def test_parameters_out_of_bounds_are_named(options, message):
    with pytest.raises(InputError, match=message):
        make_finetune_params(options)


def test_the_options_of_the_command_are_the_parameters():
    shown = CliRunner().invoke(make_app(), ["finetune", "--help"]).stdout

    for name in ("--data", "--output", "--resume", *FineTuneParams.model_fields):
        assert name.replace("_", "-") in shown


def test_a_job_states_what_is_asked_for(data, params, tmp_path):
    job = create_job(data, "new", params, save="always")

    spec = read_spec(job)
    assert spec == JobSpec(params=params, data=str(data), output="new", save="always")
    assert job.parent == models_folder() / target.JOBS
    assert len(plan_job(spec).rows) == 2


def test_arrays_and_their_folder_give_the_same_job(params, tmp_path):
    rows = [(IMAGE, LABELS), (IMAGE[:, ::-1], LABELS[:, ::-1], np.ones(LABELS.shape))]

    job = create_job(rows, "new", params)

    assert read_spec(job).data == str(job / DATA)
    found = read_rows(job / DATA)
    assert [row.name for row in found] == ["image-0001", "image-0002"]
    np.testing.assert_array_equal(found[1].image[..., 0], IMAGE[:, ::-1])
    assert plan_job(read_spec(job)).fingerprint() == make_plan(found, params).fingerprint()


def test_the_order_of_rows_does_not_matter(params):
    rows = [reviewed_row("b", seed=1), reviewed_row("a")]

    assert make_plan(rows, params).fingerprint() == make_plan(rows[::-1], params).fingerprint()


def test_the_fingerprint_knows_data_parameters_and_base_model(params, small_parent, tmp_path):
    rows = [reviewed_row("a")]
    copied = shutil.copytree(small_parent, tmp_path / "copy")
    fingerprint = make_plan(rows, params).fingerprint()

    def changed(**changes):
        return make_plan(rows, params.model_copy(update=changes)).fingerprint()

    assert changed(model=str(copied)) == fingerprint
    assert changed(seed=1) != fingerprint
    assert changed(model="nuclei") != fingerprint
    assert make_plan([reviewed_row("a", seed=1)], params).fingerprint() != fingerprint


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        ([(IMAGE, LABELS[1:])], DatasetError, "must be as large as its image"),
        ([(IMAGE, LABELS.astype(float))], DatasetError, "must be integers"),
        ([(IMAGE, -LABELS)], DatasetError, "positive for nuclei"),
        ([(IMAGE, LABELS, LABELS * 0)], DatasetError, "Nothing is marked as reviewed"),
        ([(IMAGE, (LABELS == 3) * 1)], DatasetError, "hold 1 nucleus"),
        ([(IMAGE, LABELS * 0)], DatasetError, "hold no nucleus"),
        ([], DatasetError, "There are no images to learn from"),
        ([IMAGE], InputError, "element 1 is a ndarray"),
        ([(IMAGE, LABELS), (IMAGE, LABELS)], DatasetError, "'image-0001' and 'image-0002' are the"),
        ([(IMAGE, LABELS), (IMAGE,)], InputError, "element 2 is a tuple of length 1"),
    ],
)
def test_data_that_cannot_be_used_is_said_before_anything_is_written(rows, error, message, params):
    with pytest.raises(error, match=message):
        finetune(rows, "new", params=params)

    assert not files()


@pytest.mark.parametrize(
    ("data", "output", "message"),
    [
        (
            None,
            "new",
            r"^data must be a folder or a sequence of \(image, labels\) or .*, got None\.$",
        ),
        (5, "new", r"^data must be .*, got a int\.$"),
        ([None], "new", r"^data must be .*; element 1 is None\.$"),
        ([(IMAGE, LABELS)], None, "^output must be the name of the new model or .*, got None\\.$"),
        ([(IMAGE, LABELS)], b"new", "^output must be .*, got a bytes\\.$"),
        ([(IMAGE, LABELS)], "", "^A model's name has 1 to 64 letters"),
    ],
)
def test_arguments_of_a_wrong_kind_are_said(data, output, message, params):
    with pytest.raises(InputError, match=message):
        finetune(data, output, params=params)

    assert not files()


def test_a_base_model_that_was_deleted_is_said(data, params, small_parent, tmp_path):
    gone = shutil.copytree(small_parent, tmp_path / "gone")
    job = create_job(data, "new", params.model_copy(update={"model": str(gone)}))
    (gone / "model.weights.h5").unlink()
    with pytest.raises(ModelError, match=r"has no model\.weights\.h5"):
        plan_job(read_spec(job))
    shutil.rmtree(gone)
    with pytest.raises(ModelError, match="There is no model"):
        plan_job(read_spec(job))


def test_a_base_model_of_fixed_size_is_refused(data, small_parent, tmp_path):
    path = shutil.copytree(small_parent, tmp_path / "fixed")
    config = (path / "config.json").read_text().replace('"fixed_size": null', '"fixed_size": 128')
    (path / "config.json").write_text(config)

    with pytest.raises(ModelError, match="squeezes images into 128 x 128 pixels"):
        finetune(data, "new", model=str(path))


def test_a_name_that_exists_is_refused_before_the_training(data, params, small_parent):
    save_model(small_parent, "mine")

    for name in ("mine", "MINE", "nuclei"):
        with pytest.raises(NameTaken, match="exists already"):
            create_job(data, name, params)
    with pytest.raises(InputError, match="A model's name has 1 to 64 letters"):
        create_job(data, "my model", params)


def test_a_path_that_exists_is_refused(data, params, tmp_path):
    with pytest.raises(WriteError, match="exists already"):
        create_job(data, str(data), params)


@pytest.mark.parametrize("output", ["a/b/new", "new"])
def test_an_output_that_can_be_written_is_tried_without_a_trace(output, tmp_path):
    before = sorted(tmp_path.rglob("*"))

    target.check_output(target.absolute_output(str(tmp_path / output) if "/" in output else output))

    assert sorted(tmp_path.rglob("*")) == before


@pytest.fixture
def root_only(tmp_path, monkeypatch):
    """Return a folder in which nothing can be created, whoever runs the tests."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    mkdir = Path.mkdir

    def refuse(path, *args, **options):
        if folder in path.parents and not path.exists():
            raise PermissionError(13, "Permission denied")
        mkdir(path, *args, **options)

    monkeypatch.setattr(Path, "mkdir", refuse)
    return folder


@pytest.mark.parametrize("place", ["new", "deep/er/new"])
def test_an_output_that_cannot_be_written_is_said_before_the_training(
    root_only, place, data, small_parent, tmp_path, monkeypatch
):
    monkeypatch.setattr(start, "run_process", lambda *args: pytest.fail("not to be run"))
    before = sorted(tmp_path.rglob("*"))
    output = root_only / place

    with pytest.raises(WriteError, match=r"theirs/.*: Permission denied\."):
        finetune(data, output, model=str(small_parent))
    arguments = ["--data", str(data), "--output", str(output), "--model", str(small_parent)]
    run = CliRunner().invoke(make_app(), ["finetune", *arguments])

    assert run.exit_code == 1
    assert run.stderr.endswith("Permission denied.\n")
    assert sorted(tmp_path.rglob("*")) == before


def test_an_output_below_a_file_is_said_before_the_training(data, params, tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(WriteError, match="it, or a part of its path, is a file"):
        create_job(data, str(tmp_path / "file" / "deep" / "new"), params)

    assert not files()


def test_models_that_cannot_be_written_are_said_wherever_the_job_lies(data, params, tmp_path):
    models_folder().write_text("")

    with pytest.raises(WriteError, match="it, or a part of its path, is a file"):
        create_job(data, "new", params, job=tmp_path / "job")

    assert not (tmp_path / "job").exists()


def test_a_full_disk_is_said_before_anything_is_written(data, params, monkeypatch):
    usage = shutil.disk_usage(data)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=5_000_000))

    with pytest.raises(WriteError, match=r"has 5 MB left; a fine-tuning needs 200 MB"):
        create_job(data, "new", params)

    assert not files()


def test_a_job_folder_that_is_in_use_is_refused(data, params):
    with pytest.raises(InputError, match="is not empty"):
        create_job(data, "new", params, job=data)


def test_the_problem_is_one_sentence_or_none(params):
    assert problem([reviewed_row("a")], params, "new") is None
    assert "hold 4 nuclei" in problem([reviewed_row("a", 2, 2)], params, "new")
    assert "exists already" in problem([reviewed_row("a")], params, "nuclei")


def test_in_the_shell_another_name_is_given_by_output(data):
    arguments = ["finetune", "--data", str(data), "--output", "nuclei"]
    run = CliRunner().invoke(make_app(), arguments)
    assert run.exit_code == 1
    assert "exists already in" in run.stderr
    assert "; choose another --output, or" in run.stderr


def test_no_job_is_no_training(tmp_path):
    with pytest.raises(DatasetError, match="no fine-tuning to resume in"):
        start.run_process(tmp_path)
    (tmp_path / "job.json").write_text('{"format": 2}')
    with pytest.raises(InputError, match="not a fine-tuning that this version knows"):
        start.run_process(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "finetune needs --data DIR and --output NAME, or --resume JOB."),
        (["--data", "x"], "finetune needs --data DIR and --output NAME"),
        (["--data", "x", "--resume", "y"], "--resume goes on with what was asked for"),
        (["--data", "nowhere", "--output", "new"], "There is no data folder at nowhere."),
        (["--data", "x", "--output", "nuclei"], "A model named 'nuclei' exists already"),
        (["--data", "x", "--output", "new", "--rehearsal", "0.9"], "rehearsal"),
        (["--resume", "y", "--epochs", "3"], "--resume goes on with what was asked for"),
        (["--resume", "nowhere"], "There is no fine-tuning to resume in"),
    ],
)
def test_the_command_says_what_is_wrong(arguments, message):
    result = CliRunner().invoke(make_app(), ["finetune", *arguments])

    assert result.exit_code in (1, 2)
    assert message in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("verdict", [Verdict.NOT_BETTER, Verdict.UNTOLD])
def test_a_model_that_is_not_saved_has_an_exit_code(
    verdict, data, small_parent, tmp_path, monkeypatch
):
    scores = Scores(f1=0.5, ap=0.4, mean_ap=0.3, true_nuclei=9, predicted_nuclei=8)
    text = f"It {verdict}."
    result = start.FineTuneResult(None, verdict, scores, scores, text, tmp_path / "job")
    monkeypatch.setattr(start, "run_process", lambda job, on_message: result)

    arguments = ["--data", str(data), "--output", "new", "--model", str(small_parent)]
    run = CliRunner().invoke(make_app(), ["finetune", *arguments])

    assert run.exit_code == NOT_SAVED == 3
    assert run.stdout == f"{text}\n"
    assert f"The new model lies in {tmp_path / 'job'}; to save it: " in run.stderr
    assert f"napari-nucseg finetune --resume {tmp_path / 'job'} --always" in run.stderr


def test_one_image_may_be_reviewed_at_two_places(params):
    left = np.zeros(IMAGE.shape, bool)
    left[:, : IMAGE.shape[1] // 2] = True
    rows = [make_row(name, IMAGE, LABELS, where) for name, where in (("a", left), ("b", ~left))]

    assert len(make_plan(rows, params).rows) == 2
    with pytest.raises(DatasetError, match="'a' and 'c' are the same image"):
        make_plan([*rows, make_row("c", IMAGE, LABELS, left)], params)


def test_a_job_that_is_resumed_may_be_saved_elsewhere_or_always(data, params, monkeypatch):
    job = create_job(data, "new", params)
    monkeypatch.setattr(start, "run_process", lambda job, on_message: pytest.fail("not to be run"))
    command = ["finetune", "--resume", str(job)]

    taken = CliRunner().invoke(make_app(), [*command, "--output", "nuclei"])
    assert "A model named 'nuclei' exists already" in taken.stderr
    assert read_spec(job).output == "new"

    change_job(job, "other", "always")
    before = JobSpec(params=params, data=str(data), output="new")
    assert read_spec(job) == before.model_copy(update={"output": "other", "save": "always"})
    change_job(job)
    assert read_spec(job).output == "other"


def test_ctrl_c_in_the_command_ends_as_shells_expect(data, small_parent, monkeypatch):
    def cancelled(job, on_message):
        raise Cancelled("Cancelled before the first epoch was finished, so nothing was made.")

    monkeypatch.setattr(start, "run_process", cancelled)

    arguments = ["--data", str(data), "--output", "new", "--model", str(small_parent)]
    run = CliRunner().invoke(make_app(), ["finetune", *arguments])

    assert run.exit_code == 130
    assert "nothing was made" in run.stderr


def test_a_job_that_was_cancelled_with_nothing_to_keep_is_removed(data, params, monkeypatch):
    job = create_job(data, "new", params)

    with pytest.raises(Cancelled):
        start.settle(job, read_spec(job), Outcome(Status.CANCELLED, "Cancelled."))

    assert not job.exists()


@pytest.mark.parametrize("status", [Status.FAILED, Status.KILLED, Status.CRASHED])
def test_what_went_wrong_is_an_error_and_the_job_stays(status, data, params):
    job = create_job(data, "new", params)

    with pytest.raises(TrainingError, match="It broke"):
        start.settle(job, read_spec(job), Outcome(status, "It broke.", resumable=True))

    assert job.is_dir()


def test_jobs_that_nobody_goes_on_with_are_removed(data, params):
    old, young = create_job(data, "old", params), create_job(data, "young", params)
    for path in (*old.iterdir(), old):
        os.utime(path, (0, 0))

    create_job(data, "new", params)

    assert not old.exists()
    assert young.is_dir()


def test_the_command_line_of_a_job_states_what_differs(tmp_path):
    params = FineTuneParams(model="mine", learning_rate=0.001)
    spec = JobSpec(params=params, data="/my data", output="new", save="always")

    assert command_line(spec) == (
        "napari-nucseg finetune --data '/my data' --output new --always --model mine "
        "--learning-rate 0.001"
    )


def test_the_command_tells_how_it_goes(capsys):
    scores = Scores(f1=0.5, ap=0.4, mean_ap=0.3, true_nuclei=9, predicted_nuclei=8)
    later = scores.model_copy(update={"f1": 0.75, "ap": 0.625})
    area = messages.HeldOutArea(image="a", box=(0, 8, 20, 32), nuclei=3)
    calls = []
    reporter = Reporter(lambda *call: calls.append(call))

    reporter(messages.SplitTold(training_nuclei=5, held_out_nuclei=3, held_out=(area,)))
    reporter(messages.Log(level="warning", text="A remark."))
    reporter(messages.Progress(step=1, total=9, epoch=1, loss=0.5))
    reporter(messages.Progress(step=2, total=9, epoch=1, loss=0.25, seconds_left=61.2))
    reporter(
        messages.Validation(
            epoch=1,
            step=10,
            training_loss=0.5,
            loss=0.125,
            now=later,
            before=scores,
            best=later,
            best_epoch=1,
        )
    )
    reporter(messages.Preview(path="p", epoch=1))

    assert calls == [
        (1, 9, "epoch 1, loss 0.5000"),
        (2, 9, "epoch 1, loss 0.2500, 61 s left"),
    ]
    assert capsys.readouterr().err.splitlines() == [
        "5 nuclei to learn from, 3 held out for scoring: 'a' rows 0 to 19, columns 8 to 31 "
        "(3 nuclei).",
        "A remark.",
        "epoch 1: held-out loss 0.1250, F1 0.750, AP 0.625 (before 0.400, best 0.625)",
    ]


class Child:
    """A child that ends as soon as it is asked to; Ctrl-C comes while it is waited for."""

    def __init__(self, job, on_message):
        self.asked = []

    def start(self):
        pass

    def wait(self, timeout):
        if "kill" in self.asked:
            return Outcome(Status.CANCELLED, "The training was stopped.")
        raise KeyboardInterrupt

    def cancel(self):
        self.asked.append("cancel")

    def kill(self):
        self.asked.append("kill")


def test_ctrl_c_cancels_and_says_so_and_the_second_one_ends_it(data, params, monkeypatch):
    children, told = [], []
    monkeypatch.setattr(
        start, "FineTuneProcess", lambda *args: children.append(Child(*args)) or children[0]
    )

    with pytest.raises(Cancelled, match="was stopped"):
        finetune(data, "new", params=params, on_message=told.append)

    assert children[0].asked == ["cancel", "kill"]
    assert [message.text for message in told if message.type == "log"] == [start.STOPPING]


@pytest.fixture
def child(monkeypatch):
    """Return a function that sets what child processes do; it returns the list of them."""

    def set_code(code):
        def make(job, *callbacks):
            process = FineTuneProcess(job, *callbacks, command=stub(code))
            made.append(process)
            return process

        monkeypatch.setattr(start, "FineTuneProcess", make)
        return made

    made = []
    return set_code


def say(*told):
    """Return the code of a child that writes messages."""
    return "".join(f"os.write(1, {messages.format_message(one)!r})\n" for one in told)


HELLO = messages.Log(text="hello")
FOR_EVER = "sys.stdin.read()\n"


@pytest.mark.parametrize("callback", ["on_message", "cancelled"])
@pytest.mark.parametrize("error", [RuntimeError("of the caller"), SystemExit(7), queue.Empty()])
def test_what_a_callback_raises_reaches_the_caller_when_the_child_has_ended(
    callback, error, data, params, child
):
    children = child(say(HELLO) + FOR_EVER)

    def fail(*_):
        raise error

    with pytest.raises(type(error)) as caught:
        finetune(data, "new", params=params, **{callback: fail})

    assert caught.value is error
    assert not children[0].running
    with pytest.raises(ChildProcessError):
        os.waitpid(children[0].pid, os.WNOHANG)
    assert not files()  # not even a job that nobody can go on with


def test_a_callback_that_fails_at_last_does_not_undo_what_was_saved(data, params, child, tmp_path):
    scores = Scores(f1=0.5, ap=0.4, mean_ap=0.3, true_nuclei=9, predicted_nuclei=8)
    done = messages.Finished(
        verdict="better",
        before=scores,
        after=scores,
        epochs=1,
        best_epoch=1,
        folder=str(tmp_path / "saved"),
        text="Better.",
    )
    child(f"os.mkdir({str(tmp_path / 'saved')!r})\n" + say(HELLO, done))
    got = []

    def fail_at_last(message):
        got.append(message)
        if message == done:
            raise RuntimeError("of the caller")

    with pytest.raises(RuntimeError, match="of the caller"):
        finetune(data, "new", params=params, on_message=fail_at_last)

    assert got == [HELLO, done]
    assert (tmp_path / "saved").is_dir()
    assert not files()


@pytest.mark.parametrize("verdict", ["better", "not better", "cannot be told"])
def test_the_verdict_reaches_the_caller(verdict, data, params, child):
    scores = Scores(f1=0.5, ap=0.4, mean_ap=0.3, true_nuclei=9, predicted_nuclei=8)
    done = messages.Finished(
        verdict=verdict, before=scores, after=scores, epochs=1, best_epoch=1, text="Done."
    )
    child(say(done))

    result = finetune(data, "new", params=params)

    assert result.verdict == verdict
    assert result.better is (verdict == "better")


def test_all_that_was_told_arrives_before_the_end(data, params, child):
    told = [messages.Log(text=str(i)) for i in range(200)]
    child(say(*told, messages.Failed(text="That is all.")))
    got = []

    with pytest.raises(TrainingError, match="That is all"):
        finetune(data, "new", params=params, on_message=got.append)

    assert got[:-1] == told


def test_a_model_is_stored_at_a_path_whole_or_not_at_all(small_parent, tmp_path, monkeypatch):
    stored = store_model(small_parent, str(tmp_path / "deep" / "new"))
    assert {path.name for path in stored.iterdir()} == {p.name for p in small_parent.iterdir()}

    def full(source, partial):
        Path(partial).mkdir()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copytree", full)
    for folder in ("deep", "not yet there"):
        with pytest.raises(WriteError, match=r"Cannot write .*other: No space left on device"):
            store_model(small_parent, str(tmp_path / folder / "other"))
    assert os.listdir(tmp_path) == ["deep"]
    assert os.listdir(tmp_path / "deep") == ["new"]


def test_a_job_that_cannot_be_written_is_said(tmp_path, params):
    spec = JobSpec(params=params, data="d", output="o")
    (tmp_path / "file").touch()

    with pytest.raises(WriteError, match="is a file"):
        write_spec(tmp_path / "file" / "job", spec)
