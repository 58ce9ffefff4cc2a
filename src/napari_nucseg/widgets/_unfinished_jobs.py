"""Trainings that a crash, a power cut or a closed window ended early."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from napari_nucseg.errors import NucsegError
from napari_nucseg.registry import models_folder
from napari_nucseg.training.finetune.job import CHECKPOINT, is_useless, read_spec
from napari_nucseg.training.finetune.lock import is_busy
from napari_nucseg.training.finetune.target import JOBS, is_stored
from napari_nucseg.widgets._training_run import TrainingRun


@dataclass(frozen=True)
class Unfinished:
    """A job folder that can be gone on with: name of its model, and when it was last at work."""

    job: Path
    output: str
    when: datetime


def unfinished_jobs() -> list[Unfinished]:
    """Return the job folders with a checkpoint on which no process is at work, last first.

    Without those whose checkpoint was found to be of no use: they stay, but cannot be gone on with.
    """
    active = [run.job for run in TrainingRun.active]
    found = []
    for checkpoint in (models_folder() / JOBS).glob(f"*/{CHECKPOINT}"):
        job = checkpoint.parent
        try:
            when = datetime.fromtimestamp(checkpoint.stat().st_mtime).astimezone()
            output = read_spec(job).output
            useless = is_useless(job)
        except (NucsegError, OSError):  # of another version, or just removed
            continue
        idle = job not in active and not is_busy(job)
        if idle and not useless and not is_stored(job, output):
            found.append(Unfinished(job, output, when))
    return sorted(found, key=lambda one: one.when, reverse=True)
