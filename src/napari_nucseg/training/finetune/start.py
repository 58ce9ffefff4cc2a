"""`finetune`: from rows or a folder to a saved model, for command line, widget and Python."""

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from napari_nucseg._types import CancelCheck
from napari_nucseg.errors import Cancelled, InputError, NucsegError, TrainingError
from napari_nucseg.finetune_params import FineTuneParams
from napari_nucseg.params import choose_params
from napari_nucseg.registry import changed
from napari_nucseg.training.finetune.folder import read_rows, write_rows
from napari_nucseg.training.finetune.job import (
    CANDIDATE,
    DATA,
    JobSpec,
    Save,
    read_spec,
    write_spec,
)
from napari_nucseg.training.finetune.lock import check_free, job_lock
from napari_nucseg.training.finetune.messages import Log, Message, Scores, Verdict
from napari_nucseg.training.finetune.plan import make_plan
from napari_nucseg.training.finetune.process import FineTuneProcess, Outcome, Status
from napari_nucseg.training.finetune.rows import Row, make_row
from napari_nucseg.training.finetune.target import (
    absolute_output,
    check_output,
    check_space,
    is_path,
    new_job_folder,
    remove_old_jobs,
    store_model,
)

Data = str | os.PathLike[str] | Sequence[Any]

_DATA = "a folder or a sequence of (image, labels) or (image, labels, reviewed)"

POLL_SECONDS = 0.1

STOPPING = (
    "Stopping after this batch; what was learnt is compared then. Ctrl-C again ends it at once; "
    "--resume then goes on."
)


@dataclass(frozen=True)
class FineTuneResult:
    """What came of a fine-tuning.

    Attributes
    ----------
    folder : Path or None
        The saved model; None if it was not saved, because it is not known to be better.
    verdict : Verdict
        ``"better"``: the new model scores higher on the held-out regions. ``"cannot be told"``: it
        does not, but by no more than chance explains. Else ``"not better"``.
    before, after : Scores
        Of base model and new model on the held-out regions.
    text : str
        The comparison in a few sentences.
    job : Path or None
        The job folder with the new model, if that was not saved; `save_candidate` saves it.
    """

    folder: Path | None
    verdict: Verdict
    before: Scores
    after: Scores
    text: str
    job: Path | None

    @property
    def better(self) -> bool:
        """Whether the new model scores higher on the held-out regions."""
        return self.verdict is Verdict.BETTER


def finetune(
    data: Data,
    output: str | os.PathLike[str],
    *,
    params: FineTuneParams | None = None,
    save: Save = "if_better",
    job: str | os.PathLike[str] | None = None,
    on_message: Callable[[Message], None] | None = None,
    cancelled: CancelCheck | None = None,
    **options: Any,
) -> FineTuneResult:
    """Fine-tune a model on corrected labels, in a child process.

    Parameters
    ----------
    data : path or sequence
        Folder with ``images/``, ``labels/`` and, where not everything was reviewed, ``reviewed/``
        (same stems); or a sequence of tuples (image, labels) or (image, labels, reviewed), of
        planes (Y, X), images also (Y, X, 3).
    output : str
        Name of the new model among the user's models; with a separator, the path of the folder.
    params : FineTuneParams, optional
        All parameters at once, instead of `options`.
    save : {'if_better', 'always', 'never'}
        When the new model is saved.
    job : path, optional
        Folder for checkpoints; by default a hidden one among the user's models. It is removed
        once the model is saved.
    on_message : callable, optional
        Given every message of the child (`training.finetune.messages`).
    cancelled : callable, optional
        Asked ten times a second or more; training then ends with the best weights so far.
    **options
        Fields of `FineTuneParams`: ``model``, ``epochs``, ``train``, ``learning_rate``,
        ``augmentation``, ``rehearsal``, ``seed``.

    Returns
    -------
    FineTuneResult

    Raises
    ------
    InputError, DatasetError, ModelError, WriteError
        Something cannot be used; said before anything starts.
    TrainingError
        The child failed, was killed or ran out of memory; nothing was changed.
    Cancelled
        Before the first epoch ended.

    What `on_message` or `cancelled` raises stops the child and is raised.

    Examples
    --------
    >>> from napari_nucseg import finetune
    >>> result = finetune([(image, corrected, reviewed)], "my-nuclei")
    >>> print(result.text)
    """
    params = choose_params(FineTuneParams, params, options)
    folder = create_job(data, _output(output), params, save=save, job=job)
    return run_process(folder, on_message, cancelled)


def create_job(
    data: Data,
    output: str,
    params: FineTuneParams,
    *,
    save: Save = "if_better",
    job: str | os.PathLike[str] | None = None,
) -> Path:
    """Check everything and write a job folder for `FineTuneProcess`.

    Raises
    ------
    InputError, DatasetError, ModelError, WriteError
        Something cannot be used; nothing was written.
    """
    output = absolute_output(output)
    check_output(output)
    rows = _rows(data)
    make_plan(rows, params)
    remove_old_jobs()
    folder = Path(job).absolute() if job is not None else new_job_folder(output)
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"The job folder {folder} is not empty; choose another one or resume it.")
    check_space(folder)
    if isinstance(data, (str, os.PathLike)):
        place = Path(os.path.expanduser(os.fspath(data))).absolute()
    else:
        place = folder / DATA
        write_rows(rows, place)
    write_spec(folder, JobSpec(params=params, data=str(place), output=output, save=save))
    return folder


def change_job(job: Path, output: str | None = None, save: Save | None = None) -> None:
    """Change where, or when, the new model of a job folder is saved; None: as it was.

    Raises
    ------
    DatasetError, InputError, WriteError
        It is no job folder, a process is at work in it, or no model can be saved there.
    """
    if output is None and save is None:
        return
    spec = read_spec(job)
    check_free(job)
    if output is not None:
        spec = spec.model_copy(update={"output": absolute_output(output)})
        check_output(spec.output)
    if save is not None:
        spec = spec.model_copy(update={"save": save})
    write_spec(job, spec)


def run_process(
    job: Path,
    on_message: Callable[[Message], None] | None = None,
    cancelled: CancelCheck | None = None,
) -> FineTuneResult:
    """Run a job folder, new or to be resumed, to its end.

    Raises
    ------
    DatasetError
        It is no job folder.
    InputError
        Another process is at work in it.
    TrainingError, Cancelled
        See `finetune`. A KeyboardInterrupt cancels; a second one kills the child, whose checkpoint
        stays.
    """
    spec = read_spec(job)
    told: SimpleQueue[Message] = SimpleQueue()
    process = FineTuneProcess(job, told.put)
    process.start()
    try:
        outcome = _follow(process, told, on_message, cancelled)
    except BaseException:  # of a callback; nobody follows the child any more
        process.kill()
        ended = process.wait()
        with suppress(NucsegError):  # the callback's error is the one to tell
            if ended is not None:
                settle(job, spec, ended)
        raise
    return settle(job, spec, outcome)


def settle(job: Path, spec: JobSpec, outcome: Outcome) -> FineTuneResult:
    """Turn an outcome into a result or an error; the job folder of a saved model is removed."""
    done = outcome.finished
    if done is None:
        if outcome.status is Status.CANCELLED:
            if not outcome.resumable:  # nothing is worth keeping
                shutil.rmtree(job, ignore_errors=True)
            raise Cancelled(outcome.text)
        raise TrainingError(outcome.text)
    folder = Path(done.folder) if done.folder else None
    if folder is not None:
        shutil.rmtree(job, ignore_errors=True)
        if not is_path(spec.output):
            changed.emit("", spec.output)
    return FineTuneResult(
        folder=folder,
        verdict=done.verdict,
        before=done.before,
        after=done.after,
        text=done.text,
        job=None if folder else job,
    )


def save_candidate(job: Path, output: str | None = None) -> Path:
    """Save the new model of a job folder, whatever the verdict, or under another name.

    Returns
    -------
    Path
        The model folder. The job folder is removed.

    Raises
    ------
    InputError, NameTaken, ModelError, WriteError
        It cannot be saved; the job folder stays.
    """
    wanted = absolute_output(output or read_spec(job).output)
    with job_lock(job):
        folder = store_model(job / CANDIDATE, wanted)
    shutil.rmtree(job, ignore_errors=True)
    return folder


def remove_job(job: Path) -> None:
    """Delete a job folder, and with it the checkpoint and a new model that was not saved.

    Raises
    ------
    InputError
        A process is at work in it.
    """
    if job.exists():
        check_free(job)
        shutil.rmtree(job, ignore_errors=True)


def _follow(
    process: FineTuneProcess,
    told: SimpleQueue[Message],
    on_message: Callable[[Message], None] | None,
    cancelled: CancelCheck | None,
) -> Outcome:
    """Pass on what the child tells, in this thread, until it has ended."""
    asked = False
    while True:
        try:
            outcome = process.wait(0)  # first: what was told before the end is then in the queue
            message = _next(told, POLL_SECONDS if outcome is None else 0)
            if message is not None:
                if on_message is not None:
                    on_message(message)
            elif outcome is not None:
                return outcome
            if not asked and cancelled is not None and cancelled():
                asked = True
                process.cancel()
        except KeyboardInterrupt:
            if asked:
                process.kill()
                continue
            asked = True
            process.cancel()
            if on_message is not None:
                on_message(Log(text=STOPPING))


def _next(told: SimpleQueue[Message], seconds: float) -> Message | None:
    """Return the next message, or None if none comes in time."""
    try:
        return told.get(timeout=seconds)
    except Empty:
        return None


def _output(output: Any) -> str:
    """Return where the new model goes, as text."""
    if not isinstance(output, (str, os.PathLike)):
        raise InputError(
            "output must be the name of the new model or the path of a folder, got "
            f"{_received(output)}."
        )
    return os.fspath(output)


def _rows(data: Data) -> list[Row]:
    """Read a folder, or check arrays; rows of arrays are called image-1, image-2, ..."""
    if isinstance(data, (str, os.PathLike)):
        return read_rows(Path(os.path.expanduser(os.fspath(data))))
    return list(_checked(data))


def _checked(data: Any) -> Iterable[Row]:
    if not isinstance(data, Iterable):
        raise InputError(f"data must be {_DATA}, got {_received(data)}.")
    for number, row in enumerate(data, start=1):
        if isinstance(row, Row):
            yield row
            continue
        if not isinstance(row, (tuple, list)) or len(row) not in (2, 3):
            raise InputError(
                f"data must be {_DATA}; element {number} is {_received(row)}"
                f"{f' of length {len(row)}' if isinstance(row, (tuple, list)) else ''}."
            )
        yield make_row(f"image-{number:04d}", *row)


def _received(value: object) -> str:
    """Return of what kind a value is, for a sentence."""
    return "None" if value is None else f"a {type(value).__name__}"
