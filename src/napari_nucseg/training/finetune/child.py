"""The child process: ``python -m napari_nucseg.training.finetune.child JOB``.

Standard output carries one JSON object per line (see `messages`), nothing else. A line ``cancel``
on standard input ends the training with the best weights so far. The end of standard input, which
comes when the parent dies, stops the training and leaves its checkpoint.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

from napari_nucseg.errors import Cancelled, CheckpointError, NucsegError
from napari_nucseg.training.finetune.job import mark_useless
from napari_nucseg.training.finetune.lock import job_lock
from napari_nucseg.training.finetune.messages import Failed, Message, Stage, format_message

CANCEL = b"cancel"

LOCK_SECONDS = 2.0
"""Others look for a moment whether a job folder is busy; longer means that it is."""

OUT_OF_MEMORY = (
    "The memory of this machine does not suffice for the training; close other programs and resume."
)


class Line:
    """The two directions of the pipe to the parent.

    Parameters
    ----------
    read, write : int
        File descriptors.
    """

    def __init__(self, read: int, write: int) -> None:
        self._read, self._write = read, write
        self.cancelled, self.abandoned = Event(), Event()

    def listen(self) -> None:
        """Start to listen to the parent."""
        # os.read, as a thread that waits inside sys.stdin disturbs the end of the process.
        Thread(target=self._listen, name="parent", daemon=True).start()

    def tell(self, message: Message) -> None:
        """Send one message; without a parent, stop."""
        try:
            os.write(self._write, format_message(message))
        except OSError:  # the parent is gone
            self.abandoned.set()

    def _listen(self) -> None:
        waiting = b""
        while received := os.read(self._read, 4096):
            *lines, waiting = (waiting + received).split(b"\n")
            if CANCEL in (line.strip() for line in lines):
                self.cancelled.set()
        self.abandoned.set()


def main(job: Path) -> int:
    """Run one job; return the exit code."""
    line = Line(os.dup(0), os.dup(1))
    os.dup2(2, 1)  # what libraries print goes to the log
    line.listen()
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    line.tell(Stage(text="Loading TensorFlow"))
    try:
        with job_lock(job, LOCK_SECONDS):
            from napari_nucseg.training.finetune.run import run_job

            finished = run_job(job, line.tell, line.cancelled.is_set, line.abandoned.is_set)
        line.tell(finished)
    except Cancelled as error:
        line.tell(Failed(kind="cancelled", text=str(error)))
        return 1
    except CheckpointError as error:
        with suppress(OSError):  # then it is offered again, and refused again
            mark_useless(job)
        line.tell(Failed(kind="useless", text=str(error)))
        return 1
    except NucsegError as error:
        line.tell(Failed(text=str(error)))
        return 1
    except MemoryError:
        line.tell(Failed(kind="memory", text=OUT_OF_MEMORY))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
