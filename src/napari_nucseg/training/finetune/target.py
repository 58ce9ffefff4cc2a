"""Where a new model goes: a name among the user's models, or the path of a folder."""

import os
import shutil
import time
import uuid
from contextlib import suppress
from pathlib import Path

from napari_nucseg.counted import counted
from napari_nucseg.errors import ModelError, NameTaken, WriteError
from napari_nucseg.io.writing import prepared_output
from napari_nucseg.model.config import ModelConfig
from napari_nucseg.model.folder import ModelFolder, open_model
from napari_nucseg.registry import Provenance, check_name, list_models, models_folder, save_model
from napari_nucseg.registry.provenance import write_provenance
from napari_nucseg.training.finetune.job import CANDIDATE
from napari_nucseg.training.finetune.lock import is_busy

JOBS = ".jobs"
"""Hidden folder among the user's models, in which job folders lie by default."""

OLDEST_DAYS = 30
"""A fine-tuning that was not gone on with for so long is deleted."""

NEEDED_BYTES = 200_000_000
"""Free space that a training needs for checkpoints and the new model."""


def is_path(output: str) -> bool:
    """Whether an output is a path, which holds a separator, or the name of a model."""
    return os.sep in output or "/" in output


def absolute_output(output: str) -> str:
    """Return a name as it is and a path as an absolute one."""
    return str(Path(os.path.expanduser(output)).absolute()) if is_path(output) else output


def model_name(output: str) -> str:
    """Return the name that a model at this output has."""
    return Path(output).name if is_path(output) else output


def check_output(output: str) -> None:
    """Check that a model can be saved there.

    Raises
    ------
    InputError
        It is no name of a model.
    NameTaken, WriteError
        It exists, or nothing can be written there.
    """
    check_name(model_name(output))
    if is_path(output):
        if os.path.lexists(output):
            raise WriteError(f"{output} exists already; choose another output.")
        _check_writable(Path(output))
        return
    for entry in list_models():
        if entry.name.casefold() == output.casefold():
            raise NameTaken(
                f"A model named '{entry.name}' exists already in {entry.path.parent}; choose "
                "another name, or rename or remove that one."
            )
    _check_writable(models_folder() / output)


def _check_writable(target: Path) -> None:
    """Raise WriteError unless a folder can be created there; nothing stays of the trial.

    It is tried because permissions do not tell: network drives refuse also what they allow.
    """
    trial = _partial(target)
    with prepared_output(target.parent):
        try:
            trial.mkdir()
            trial.rmdir()
        except OSError as error:
            raise WriteError(
                f"The new model cannot be written to {target}: {error.strerror or error}."
            ) from error


def _partial(target: Path) -> Path:
    """Return a hidden name beside a model folder that is to be written."""
    return target.with_name(f".{target.name}.{uuid.uuid4().hex}.partial")


def check_space(folder: Path) -> None:
    """Raise WriteError unless the disk of a folder has room for a training."""
    place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    if free < NEEDED_BYTES:
        raise WriteError(
            f"The disk of {folder} has {free / 1e6:,.0f} MB left; a fine-tuning needs "
            f"{NEEDED_BYTES / 1e6:,.0f} MB for checkpoints and the new model."
        )


def new_job_folder(output: str) -> Path:
    """Return where a new job folder for this output may be created."""
    return models_folder() / JOBS / f"{model_name(output)}-{uuid.uuid4().hex[:8]}"


def remove_old_jobs() -> None:
    """Delete job folders in which nothing has happened for `OLDEST_DAYS`."""
    oldest = time.time() - OLDEST_DAYS * 24 * 3600
    for job in (models_folder() / JOBS).glob("*"):
        with suppress(OSError):  # another process may be faster
            last = max(path.stat().st_mtime for path in (job, *job.iterdir()))
            if last < oldest and not is_busy(job):
                shutil.rmtree(job, ignore_errors=True)


def store_model(source: Path, output: str, provenance: Provenance | None = None) -> Path:
    """Save a model folder under a name or at a path, whole or not at all.

    Parameters
    ----------
    source : Path
        A complete model folder.
    output : str
        Name among the user's models, or a path, which must not exist.
    provenance : Provenance, optional
        Instead of the source's own.

    Raises
    ------
    InputError, NameTaken, ModelError, WriteError
    """
    if not is_path(output):
        return save_model(source, output, provenance).path
    check_output(output)
    target = Path(output)
    partial = _partial(target)
    with prepared_output(target.parent):
        try:
            _check_whole(open_model(source))
            shutil.copytree(source, partial)
            if provenance is not None:
                write_provenance(partial, provenance)
            os.rename(partial, target)
        except OSError as error:
            raise WriteError(f"Cannot write {target}: {error.strerror or error}.") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return target


def is_stored(job: Path, output: str) -> bool:
    """Whether the new model of a job was saved, though a kill left its checkpoint there."""
    place = Path(output) if is_path(output) else models_folder() / output
    try:
        return open_model(job / CANDIDATE).hashes == open_model(place).hashes
    except (ModelError, OSError):  # one of them is missing, or out of reach
        return False


def new_config(parent: ModelConfig, output: str, nuclei: int) -> ModelConfig:
    """Return the config of a model fine-tuned on so many nuclei."""
    what = counted(nuclei, "corrected nucleus")
    return parent.model_copy(
        update={
            "name": model_name(output),
            "description": f"'{parent.name}', fine-tuned on {what}.",
        }
    )


def _check_whole(model: ModelFolder) -> None:
    """Check the hashes of a model's files."""
    _ = model.weights, model.litert
