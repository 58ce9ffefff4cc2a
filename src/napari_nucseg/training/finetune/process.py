"""The parent's side of the child process that fine-tunes; no TensorFlow, no Qt."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from threading import Event, Lock, Thread
from typing import IO

from napari_nucseg.errors import NucsegError, WriteError
from napari_nucseg.io.writing import prepare_output
from napari_nucseg.training.finetune.job import CHECKPOINT, LOG, read_spec
from napari_nucseg.training.finetune.lock import check_free
from napari_nucseg.training.finetune.messages import Failed, Finished, Message, parse_message
from napari_nucseg.training.finetune.plan import base_model_problem
from napari_nucseg.training.finetune.target import is_stored

KILL_SIGNAL = 9

THREAD = "fine-tuning"
"""Name of the thread that listens to a child."""

MODULE = "napari_nucseg.training.finetune.child"


class Status(StrEnum):
    """How a child process ended."""

    FINISHED = "finished"
    CANCELLED = "cancelled"
    FAILED = "failed"
    OUT_OF_MEMORY = "out of memory"
    KILLED = "killed"
    CRASHED = "crashed"


@dataclass(frozen=True)
class Outcome:
    """How a fine-tuning ended.

    Attributes
    ----------
    status : Status
    text : str
        What to tell the user, one sentence or a few.
    finished : Finished or None
        The comparison, and where the model is; None unless there is a new model.
    resumable : bool
        A checkpoint lies in the job folder, and is not known to be useless.
    """

    status: Status
    text: str
    finished: Finished | None = None
    resumable: bool = False


class FineTuneProcess:
    """Runs one job folder in a child process that ends with its parent.

    Parameters
    ----------
    job : Path
        Folder with a `job.json`, see `start.create_job`.
    on_message : callable
        Given every message; called in a thread of its own.
    on_end : callable, optional
        Given the outcome, after the last message, in the same thread.
    command : sequence of str, optional
        Instead of the real child, for tests.
    """

    def __init__(
        self,
        job: Path,
        on_message: Callable[[Message], None],
        on_end: Callable[[Outcome], None] | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        self.job = job
        self._on_message, self._on_end = on_message, on_end
        self._command = list(command or (sys.executable, "-m", MODULE, str(job)))
        self._process: subprocess.Popen[bytes] | None = None
        self._writing = Lock()
        self._discarded = False
        self._last: Finished | Failed | None = None
        self._ended = Event()
        self._outcome: Outcome | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the child; None before it was started."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether the child was started and its outcome is not known yet."""
        return self._process is not None and not self._ended.is_set()

    def start(self) -> None:
        """Start the child.

        Raises
        ------
        InputError
            Another process is at work in the job folder.
        WriteError
            The job folder cannot be written.
        """
        prepare_output(self.job)
        check_free(self.job)  # the child holds the lock; this keeps another one's log
        try:
            with open(self.job / LOG, "wb") as log:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=_environment(),
                    # Ctrl-C in a terminal is for the parent, which then cancels.
                    start_new_session=True,
                    creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
                )
        except OSError as error:
            raise WriteError(
                f"The training process cannot be started from {self.job}: "
                f"{error.strerror or error}."
            ) from error
        Thread(target=self._read, name=THREAD, daemon=True).start()

    def cancel(self) -> None:
        """Have the child stop within one batch and go on with the best weights so far."""
        self._write(b"cancel\n")

    def stop(self) -> None:
        """Have the child stop within one batch; the checkpoint stays."""
        self._discarded = True
        self._close_stdin()

    def kill(self) -> None:
        """End the child at once; the last checkpoint stays."""
        self._discarded = True
        if self._process is not None:
            self._process.kill()

    def wait(self, timeout: float | None = None) -> Outcome | None:
        """Wait for the end; return the outcome, or None if the time was not enough."""
        self._ended.wait(timeout)
        return self._outcome

    def _write(self, line: bytes) -> None:
        with self._writing:
            stdin = self._process.stdin if self._process else None
            if stdin is not None and not stdin.closed:
                with contextlib.suppress(OSError):  # it has just ended
                    stdin.write(line)
                    stdin.flush()

    def _read(self) -> None:
        """Pass on messages until the child has ended, then settle the outcome."""
        process = self._process
        if process is None or process.stdout is None:
            return
        try:
            self._pass_on(process.stdout)
        except BaseException:  # of a callback; nobody would read the pipe any more
            self.kill()
            raise
        finally:
            code = process.wait()  # no zombie is left
            self._close_stdin()
            process.stdout.close()
            self._end(code)

    def _end(self, code: int) -> None:
        """Settle the outcome and tell it, whatever happens: others wait for it."""
        text = f"The training process has ended ({_how(code)}), but what it left in {self.job}"
        outcome = Outcome(Status.CRASHED, f"{text} cannot be told.")
        try:
            outcome = self._settle(code)
        except OSError as error:
            reason = error.strerror or error
            outcome = Outcome(Status.CRASHED, f"{text} cannot be read: {reason}.")
        finally:
            self._outcome = outcome
            self._ended.set()
            if self._on_end is not None:
                self._on_end(outcome)

    def _close_stdin(self) -> None:
        with self._writing:
            if self._process is not None and self._process.stdin is not None:
                with contextlib.suppress(OSError):
                    self._process.stdin.close()

    def _pass_on(self, stdout: IO[bytes]) -> None:
        for line in stdout:
            try:
                message = parse_message(line)
            except ValueError:  # half a line of a child that was killed
                continue
            if isinstance(message, (Finished, Failed)):
                self._last = message
            self._on_message(message)

    def _settle(self, code: int) -> Outcome:
        resumable = self._has_checkpoint()
        last = self._last
        if isinstance(last, Finished):
            status = Status.CANCELLED if last.cancelled else Status.FINISHED
            return Outcome(status, last.text, last, resumable)
        if self._discarded:
            text = "The training was stopped." + self._how_to_go_on(resumable)
            return Outcome(Status.CANCELLED, text, None, resumable)
        if isinstance(last, Failed):
            return self._failed(last, resumable)
        if self._is_stored():
            text = f"The training process was ended ({_how(code)}) when the new model was saved."
            return Outcome(Status.KILLED, text, None, False)
        if code == -KILL_SIGNAL:
            text = (
                "The training process was killed (signal 9): by the system, if memory ran out, or "
                "by somebody. Nothing of yours was changed."
            )
            return Outcome(Status.KILLED, text + self._how_to_go_on(resumable), None, resumable)
        text = (
            f"The training process crashed ({_how(code)}{_last_line(self.job / LOG)}); its "
            f"messages are in {self.job / LOG}. Nothing of yours was changed."
        )
        return Outcome(Status.CRASHED, text + self._how_to_go_on(resumable), None, resumable)

    def _has_checkpoint(self) -> bool:
        try:
            return (self.job / CHECKPOINT).is_file()
        except OSError:  # out of reach, but perhaps there: what is not resumable may be deleted
            return True

    def _failed(self, last: Failed, resumable: bool) -> Outcome:
        if last.kind == "useless":
            return Outcome(Status.FAILED, last.text)
        if last.kind == "cancelled":
            return Outcome(Status.CANCELLED, last.text, None, resumable)
        status = Status.OUT_OF_MEMORY if last.kind == "memory" else Status.FAILED
        return Outcome(status, last.text + self._how_to_go_on(resumable), None, resumable)

    def _is_stored(self) -> bool:
        """Whether the new model is saved, so that nothing is left to go on with."""
        try:
            return is_stored(self.job, read_spec(self.job).output)
        except (NucsegError, OSError):  # no job of ours, or out of reach
            return False

    def _how_to_go_on(self, resumable: bool) -> str:
        if not resumable:
            return ""
        command = f"napari-nucseg finetune --resume {self.job}"
        problem = base_model_problem(self.job)
        if problem is None:
            return f" It can be resumed: {command}"
        return (
            f" It cannot be resumed, as {problem} and then resume ({command}), or start anew from "
            "another one."
        )


def _how(code: int) -> str:
    """Return how a process ended."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _environment() -> dict[str, str]:
    return {**os.environ, "KERAS_BACKEND": "tensorflow", "PYTHONUNBUFFERED": "1"}


def _last_line(log: Path) -> str:
    """Return the last line of a log for a sentence, or ""."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    text = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f": {text[:200]}" if text else ""
