"""One training in a child process, told about in the main thread."""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from qtpy.QtCore import QObject, Signal

from napari_nucseg._types import AnyArray
from napari_nucseg.errors import InputError, NucsegError
from napari_nucseg.model.folder import CARD
from napari_nucseg.training.finetune.job import CANDIDATE, read_spec
from napari_nucseg.training.finetune.messages import Message, Preview
from napari_nucseg.training.finetune.process import FineTuneProcess, Outcome, Status
from napari_nucseg.training.finetune.start import FineTuneResult, settle
from napari_nucseg.widgets import _finetune_messages as messages
from napari_nucseg.widgets._held_out_picture import draw_picture

GRACE = 5.0
"""Seconds after which a child that was asked to stop is killed; what is lost is made again by a
resume."""


@dataclass(frozen=True)
class Ending:
    """How a training ended.

    Attributes
    ----------
    result : FineTuneResult or None
        The new model.
    error : str
        Why there is none.
    status : Status
    unsaved : Path or None
        The job folder, if a new model lies in it that was not saved.
    """

    result: FineTuneResult | None
    error: str
    status: Status
    unsaved: Path | None

    @property
    def cancelled(self) -> bool:
        """Whether the user wanted it to end."""
        return self.status is Status.CANCELLED


class _Relay(QObject):
    """Carries what the child tells from the listening thread to the main thread."""

    told = Signal(object, object)
    ended = Signal(object)


class TrainingRun:
    """Runs one job folder; at most one in this process, as each takes all processors.

    Parameters
    ----------
    job : Path
    told : callable
        Called in the main thread with each message and, of a preview, its picture.
    ended : callable
        Called in the main thread with the `Ending`.

    Attributes
    ----------
    active : list of TrainingRun
        Those under way in this process.
    output : str
        Name of the new model.
    """

    active: ClassVar[list["TrainingRun"]] = []

    def __init__(
        self,
        job: Path,
        told: Callable[[Message, AnyArray | None], None],
        ended: Callable[[Ending], None],
    ) -> None:
        self.job = job
        self.cancelled = False
        self._spec = read_spec(job)
        self.output = self._spec.output
        self._process = FineTuneProcess(job, self._pass_on, self._settle)
        self._relay = _Relay()
        self._relay.told.connect(told)
        self._relay.ended.connect(ended)

    @property
    def pid(self) -> int | None:
        """Process id of the child."""
        return self._process.pid

    def start(self) -> None:
        """Start the child.

        Raises
        ------
        InputError
            Another one is running.
        WriteError
            The job folder cannot be written.
        """
        if self.active:
            raise InputError(messages.BUSY)
        self.active.append(self)
        try:
            self._process.start()
        except NucsegError:
            self.active.remove(self)
            raise

    def cancel(self) -> None:
        """Have the child stop within one batch with the best weights so far."""
        self.cancelled = True
        self._process.cancel()

    def close(self) -> None:
        """Have the child stop within one batch; its checkpoint stays. A deaf one is killed."""
        self.cancelled = True
        self._process.stop()
        threading.Thread(target=self._make_sure, name="stopping", daemon=True).start()

    def _make_sure(self) -> None:
        if self._process.wait(GRACE) is None:
            self._process.kill()

    def _pass_on(self, message: Message) -> None:
        picture = draw_picture(Path(message.path)) if isinstance(message, Preview) else None
        self._relay.told.emit(message, picture)

    def _settle(self, outcome: Outcome) -> None:
        """Turn the outcome into an ending, in the thread that listened."""
        result, error = None, outcome.text
        try:
            result = settle(self.job, self._spec, outcome)
        except NucsegError as reason:
            error = str(reason)
        finally:
            self.active.remove(self)
            # Its card is written once it was compared: one that was not is made again by a resume.
            # os.path, as nothing may raise here: the widget waits for the end.
            unsaved = self.job if os.path.isfile(self.job / CANDIDATE / CARD) else None
            self._relay.ended.emit(Ending(result, error, outcome.status, unsaved))
