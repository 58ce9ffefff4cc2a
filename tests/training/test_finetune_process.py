"""The parent's side of the child process, with stand-ins for the child."""

import os
import subprocess
import sys
import threading
from threading import Event

import pytest
from finetune_data import stub

from napari_nucseg.errors import TrainingError
from napari_nucseg.finetune_params import FineTuneParams
from napari_nucseg.model import folder
from napari_nucseg.model.folder import WEIGHTS
from napari_nucseg.registry import bundled_folder, models_folder, remove_model, save_model
from napari_nucseg.training.finetune import messages, process, start, target
from napari_nucseg.training.finetune.child import Line
from napari_nucseg.training.finetune.job import CHECKPOINT, LOG, USELESS, JobSpec, write_spec
from napari_nucseg.training.finetune.process import THREAD, FineTuneProcess, Status
from napari_nucseg.training.finetune.target import JOBS
from napari_nucseg.widgets._unfinished_jobs import unfinished_jobs

SCORES = messages.Scores(f1=0.5, ap=0.4, mean_ap=0.3, true_nuclei=9, predicted_nuclei=8)
FINISHED = messages.Finished(
    verdict="better", before=SCORES, after=SCORES, epochs=2, best_epoch=1, text="Better."
)
LONG = 60.0


def run(job, code, on_message=lambda message: None):
    """Run a stand-in to its end; return outcome and process."""
    child = FineTuneProcess(job, on_message, command=stub(code))
    child.start()
    outcome = child.wait(LONG)
    assert outcome is not None
    return outcome, child


def tell(message):
    """Return the code that writes a message."""
    return f"os.write(1, {messages.format_message(message)!r})\n"


@pytest.mark.parametrize(
    "message",
    [
        messages.Started(model="a", output="b"),
        messages.SplitTold(
            training_nuclei=5,
            held_out_nuclei=3,
            held_out=(messages.HeldOutArea(image="a", box=(0, 1, 2, 3), nuclei=3),),
        ),
        messages.Progress(step=1, total=2, epoch=1, loss=0.5),
        messages.Validation(
            epoch=1,
            step=10,
            training_loss=None,
            loss=0.25,
            now=SCORES,
            before=SCORES,
            best=SCORES,
            best_epoch=1,
        ),
        messages.Preview(path="p", epoch=1),
        messages.Stage(text="s"),
        messages.Log(text="line\nbreak"),
        FINISHED,
        messages.Failed(text="t"),
    ],
)
def test_a_message_is_one_line_and_reads_back_the_same(message):
    line = messages.format_message(message)

    assert line.count(b"\n") == 1
    assert messages.parse_message(line) == message


def test_better_is_the_ap_then_the_mean_ap():
    def scores(ap, mean_ap):
        return SCORES.model_copy(update={"ap": ap, "mean_ap": mean_ap})

    assert scores(0.5, 0.1).better_than(scores(0.4, 0.3))
    assert scores(0.4, 0.4).better_than(scores(0.4, 0.3))
    assert not scores(0.4, 0.3).better_than(scores(0.4, 0.3))
    assert not scores(0.3, 0.9).better_than(scores(0.4, 0.3))


def test_messages_arrive_in_order_and_the_last_one_is_the_outcome(tmp_path):
    got = []
    code = tell(messages.Log(text="one")) + tell(messages.Stage(text="two")) + tell(FINISHED)

    outcome, process = run(tmp_path, code, got.append)

    assert got == [messages.Log(text="one"), messages.Stage(text="two"), FINISHED]
    assert outcome.status is Status.FINISHED
    assert (outcome.text, outcome.finished) == ("Better.", FINISHED)
    assert not process.running


def test_no_zombie_is_left(tmp_path):
    _, process = run(tmp_path, "")

    with pytest.raises(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)


def test_what_libraries_print_is_no_message(tmp_path):
    got = []

    outcome, _ = run(tmp_path, "print('hello')\nprint('{\"type\": 1}', flush=True)\n", got.append)

    assert got == []
    assert outcome.status is Status.CRASHED


def test_an_error_is_passed_on(tmp_path):
    outcome, _ = run(tmp_path, tell(messages.Failed(text="No nuclei.")) + "sys.exit(1)")

    assert (outcome.status, outcome.text) == (Status.FAILED, "No nuclei.")
    assert not outcome.resumable


def test_out_of_memory_is_said_with_the_way_to_go_on(tmp_path):
    (tmp_path / CHECKPOINT).touch()

    outcome, _ = run(tmp_path, tell(messages.Failed(kind="memory", text="No memory.")))

    assert outcome.status is Status.OUT_OF_MEMORY
    assert outcome.text == (
        f"No memory. It can be resumed: napari-nucseg finetune --resume {tmp_path}"
    )


def test_a_child_that_is_killed_is_said(tmp_path):
    outcome, _ = run(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)")

    assert outcome.status is Status.KILLED
    assert "killed (signal 9): by the system, if memory ran out" in outcome.text
    assert "Nothing of yours was changed." in outcome.text


@pytest.mark.parametrize(
    "code", ["os.kill(os.getpid(), signal.SIGKILL)", tell(messages.Failed(text="It broke."))]
)
@pytest.mark.parametrize("damage", [None, "removed", "damaged"])
def test_what_is_missing_to_resume_is_said(tmp_path, code, damage):
    base = save_model(bundled_folder() / "nuclei", "mine")
    job = tmp_path / "job"
    write_spec(job, JobSpec(params=FineTuneParams(model="mine"), data="data", output="new"))
    (job / CHECKPOINT).touch()
    if damage == "removed":
        remove_model("mine")
    elif damage == "damaged":
        (base.path / WEIGHTS).write_bytes(b"")

    outcome, _ = run(job, code)

    command = f"napari-nucseg finetune --resume {job}"
    if damage is None:
        assert outcome.text.endswith(f" It can be resumed: {command}")
    else:
        assert outcome.text.endswith(
            " It cannot be resumed, as its base model 'mine' is missing or damaged: import the "
            f"same model again and then resume ({command}), or start anew from another one."
        )
        assert "It can be resumed" not in outcome.text


def fail_to_read(*_):
    raise OSError(5, "Input/output error")


@pytest.mark.parametrize("code", ["os.kill(os.getpid(), signal.SIGKILL)", "sys.exit(3)"])
def test_a_base_model_on_a_drive_that_is_gone_is_said(tmp_path, monkeypatch, code):
    save_model(bundled_folder() / "nuclei", "mine")
    write_spec(tmp_path, JobSpec(params=FineTuneParams(model="mine"), data="data", output="new"))
    (tmp_path / CHECKPOINT).touch()
    monkeypatch.setattr(folder, "sha256", fail_to_read)

    outcome, _ = run(tmp_path, code)

    assert outcome.text.endswith(
        " It cannot be resumed, as its base model 'mine' cannot be read (Input/output error): make "
        f"it readable and then resume (napari-nucseg finetune --resume {tmp_path}), or start anew "
        "from another one."
    )
    assert outcome.resumable


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), KeyError("a bug")])
def test_the_end_is_told_whatever_goes_wrong(tmp_path, monkeypatch, error):
    """Others wait for the outcome: `finetune` asks for it again and again, the widget is busy."""
    hooked, told, ended = [], [], Event()
    monkeypatch.setattr(threading, "excepthook", lambda args: hooked.append(args.exc_value))

    def fail(*_):
        raise error

    def on_end(outcome):
        told.append(outcome)
        ended.set()

    monkeypatch.setattr(FineTuneProcess, "_settle", fail)
    child = FineTuneProcess(tmp_path, lambda message: None, on_end, command=stub("sys.exit(3)"))
    child.start()

    assert ended.wait(LONG)
    outcome = child.wait(LONG)
    assert told == [outcome]
    assert (outcome.status, child.running) == (Status.CRASHED, False)
    start_of = (
        f"The training process has ended (exit code 3), but what it left in {tmp_path} cannot"
    )
    how = "told" if isinstance(error, KeyError) else "read: Input/output error"
    assert outcome.text == f"{start_of} be {how}."
    for thread in threading.enumerate():
        if thread.name == THREAD:
            thread.join(LONG)
    assert hooked == ([error] if isinstance(error, KeyError) else [])


def test_a_fine_tuning_whose_job_cannot_be_read_ends(tmp_path, monkeypatch):
    write_spec(tmp_path, JobSpec(params=FineTuneParams(), data="data", output="new"))
    (tmp_path / CHECKPOINT).touch()
    monkeypatch.setattr(process, "is_stored", fail_to_read)
    monkeypatch.setattr(process, "base_model_problem", fail_to_read)
    monkeypatch.setattr(
        start,
        "FineTuneProcess",
        lambda job, told: FineTuneProcess(job, told, command=stub("sys.exit(3)")),
    )

    errors = []

    def follow():
        try:
            start.run_process(tmp_path)
        except TrainingError as error:
            errors.append(str(error))

    thread = threading.Thread(target=follow, daemon=True)  # it may never end
    thread.start()
    thread.join(LONG)
    assert len(errors) == 1
    assert errors[0].endswith("cannot be read: Input/output error.")


REAL_CHILD = """
import pathlib, sys, types
from napari_nucseg import errors
from napari_nucseg.training.finetune import child
run = types.ModuleType("run")
def run_job(*_):
    raise errors.{error}("It is damaged; start anew.")
run.run_job = run_job
sys.modules["napari_nucseg.training.finetune.run"] = run
sys.exit(child.main(pathlib.Path({job!r})))
"""


@pytest.mark.parametrize(
    ("error", "more"),
    [("CheckpointError", ""), ("DatasetError", " It can be resumed: napari-nucseg finetune --")],
)
def test_a_checkpoint_that_cannot_be_gone_on_with_is_not_to_be_resumed(error, more):
    job = models_folder() / JOBS / "new-1"
    write_spec(job, JobSpec(params=FineTuneParams(), data="data", output="new"))
    (job / CHECKPOINT).touch()
    assert [one.job for one in unfinished_jobs()] == [job]

    outcome, _ = run(job, REAL_CHILD.format(error=error, job=str(job)))

    assert outcome.status is Status.FAILED
    assert outcome.text.removesuffix(f"resume {job}") == f"It is damaged; start anew.{more}"
    assert outcome.resumable is bool(more)
    assert [one.job for one in unfinished_jobs()] == ([job] if more else [])
    assert (job / CHECKPOINT).is_file()  # nothing is deleted

    os.utime(job / CHECKPOINT, ns=(1, 1))  # another one, after it was resumed from the shell
    assert [one.job for one in unfinished_jobs()] == [job]


def test_a_checkpoint_that_cannot_be_marked_is_refused_all_the_same(tmp_path):
    write_spec(tmp_path, JobSpec(params=FineTuneParams(), data="data", output="new"))
    (tmp_path / CHECKPOINT).touch()
    (tmp_path / USELESS).mkdir()  # cannot be written to

    outcome, _ = run(tmp_path, REAL_CHILD.format(error="CheckpointError", job=str(tmp_path)))

    assert (outcome.status, outcome.resumable) == (Status.FAILED, False)
    assert outcome.text == "It is damaged; start anew."


def test_unreadable_models_do_not_keep_unfinished_jobs_from_being_found(monkeypatch):
    job = models_folder() / JOBS / "new-1"
    write_spec(job, JobSpec(params=FineTuneParams(), data="data", output="new"))
    (job / CHECKPOINT).touch()
    monkeypatch.setattr(target, "open_model", fail_to_read)

    assert [one.job for one in unfinished_jobs()] == [job]


def test_a_child_that_is_killed_after_saving_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "is_stored", lambda job, output: True)
    write_spec(tmp_path, JobSpec(params=FineTuneParams(), data="data", output="new"))
    (tmp_path / CHECKPOINT).touch()

    outcome, _ = run(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)")

    assert (outcome.status, outcome.resumable) == (Status.KILLED, False)
    assert outcome.text == (
        "The training process was ended (signal 9) when the new model was saved."
    )


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("raise KeyError('oh')", "exit code 1: KeyError: 'oh'"),
        ("os.kill(os.getpid(), signal.SIGTERM)", "signal 15"),
        ("sys.exit(3)", "exit code 3"),
    ],
)
def test_a_crash_is_said_with_its_last_words(tmp_path, code, how):
    outcome, _ = run(tmp_path, code)

    assert outcome.status is Status.CRASHED
    assert f"crashed ({how})" in outcome.text
    assert str(tmp_path / LOG) in outcome.text


def test_cancelling_reaches_the_child(tmp_path):
    cancelled = FINISHED.model_copy(update={"cancelled": True})
    ready = Event()
    code = (
        tell(messages.Log(text="ready"))
        + "assert sys.stdin.readline() == 'cancel\\n'\n"
        + tell(cancelled)
    )
    process = FineTuneProcess(tmp_path, lambda message: ready.set(), command=stub(code))
    process.start()
    assert ready.wait(LONG)
    assert process.running

    process.cancel()

    outcome = process.wait(LONG)
    assert (outcome.status, outcome.finished) == (Status.CANCELLED, cancelled)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_stopping_ends_the_child_and_is_no_crash(tmp_path, how):
    (tmp_path / CHECKPOINT).touch()
    ready = Event()
    code = tell(messages.Log(text="ready")) + "sys.stdin.read()\nsys.exit(1)\n"
    process = FineTuneProcess(tmp_path, lambda message: ready.set(), command=stub(code))
    process.start()
    assert ready.wait(LONG)

    getattr(process, how)()

    outcome = process.wait(LONG)
    assert outcome.status is Status.CANCELLED
    assert outcome.text.startswith("The training was stopped. It can be resumed")


def test_a_child_that_has_ended_can_be_cancelled_and_stopped(tmp_path):
    _, process = run(tmp_path, tell(FINISHED))

    process.cancel()
    process.stop()
    process.kill()

    assert process.wait(LONG).status is Status.FINISHED


def test_a_callback_that_fails_leaves_no_child(tmp_path, monkeypatch):
    errors = []
    monkeypatch.setattr(threading, "excepthook", lambda args: errors.append(args.exc_value))

    def fail(message):
        raise RuntimeError("of the widget")

    code = tell(messages.Log(text="ready")) + "sys.stdin.read()\n"
    outcome, process = run(tmp_path, code, fail)
    for thread in threading.enumerate():
        if thread.name == THREAD:
            thread.join(LONG)

    assert (outcome.status, outcome.text) == (Status.CANCELLED, "The training was stopped.")
    assert [str(error) for error in errors] == ["of the widget"]
    with pytest.raises(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)


def test_the_end_is_told_once(tmp_path):
    ends = []
    ended = Event()

    def on_end(outcome):
        ends.append(outcome)
        ended.set()

    process = FineTuneProcess(tmp_path, lambda m: None, on_end, command=stub(tell(FINISHED)))
    process.start()

    assert ended.wait(LONG)
    assert ends == [process.wait(0)]


def test_the_child_hears_cancel_and_notices_that_the_parent_is_gone():
    (read, parents_end), (childs_end, write) = os.pipe(), os.pipe()
    line = Line(read, write)
    line.listen()

    os.write(parents_end, b"some")
    os.write(parents_end, b"thing\ncan")
    os.write(parents_end, b"cel\n")
    assert line.cancelled.wait(LONG)
    assert not line.abandoned.is_set()
    os.close(parents_end)
    assert line.abandoned.wait(LONG)
    os.close(childs_end)


def test_a_child_whose_parent_died_stops():
    childs_end, write = os.pipe()
    os.close(childs_end)
    line = Line(0, write)

    line.tell(messages.Log(text="nobody listens"))

    assert line.abandoned.is_set()


def test_the_parents_side_loads_no_tensorflow():
    modules = ("start", "process", "messages", "plan", "split", "folder", "examination", "windows")
    code = "\n".join(f"import napari_nucseg.training.finetune.{name}" for name in modules)
    code += "\nimport sys\nprint(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    loaded = {module.partition(".")[0] for module in done.stdout.split()}
    assert not loaded & {"tensorflow", "keras", "napari", "qtpy", "matplotlib"}
