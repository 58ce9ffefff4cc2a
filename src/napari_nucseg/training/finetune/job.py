"""The folder of one fine-tuning: what is asked for, checkpoints, preview, the new model."""

import shlex
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from napari_nucseg.errors import DatasetError, InputError
from napari_nucseg.finetune_params import FineTuneParams
from napari_nucseg.frozen import Frozen
from napari_nucseg.io.atomic import atomic_file
from napari_nucseg.io.writing import prepared_output

SPEC, CHECKPOINT, PREVIEW, LOG = "job.json", "checkpoint.npz", "preview.npz", "child.log"
DATA, CANDIDATE, LOCK = "data", "candidate", "lock"

USELESS = "useless"
"""File that names the checkpoint, by its time, that was found to be of no use."""

Save = Literal["if_better", "always", "never"]


class JobSpec(Frozen):
    """What is asked for; the `job.json` of a job folder.

    Attributes
    ----------
    params : FineTuneParams
    data : str
        Absolute path of the data folder; one inside the job folder is copied data.
    output : str
        Name among the user's models, or the absolute path of the folder to be written.
    save : {'if_better', 'always', 'never'}
        When the new model is saved; otherwise it stays in the job folder.
    """

    format: Literal[1] = 1
    params: FineTuneParams
    data: str
    output: str
    save: Save = "if_better"


def write_spec(job: Path, spec: JobSpec) -> None:
    """Create a job folder.

    Raises
    ------
    WriteError
        It cannot be written.
    """
    with prepared_output(job), atomic_file(job / SPEC, overwrite=True) as file:
        file.write(spec.model_dump_json(indent=1).encode() + b"\n")


def read_spec(job: Path) -> JobSpec:
    """Read what a job folder asks for.

    Raises
    ------
    DatasetError, InputError
        It is no job folder, or one of another version.
    """
    path = job / SPEC
    if not path.is_file():
        raise DatasetError(f"There is no fine-tuning to resume in {job} ({SPEC} missing).")
    try:
        return JobSpec.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(
            f"{path} is not a fine-tuning that this version knows: {place}: {first['msg']}."
        ) from error


def mark_useless(job: Path) -> None:
    """Note that the checkpoint of a job cannot be gone on with, so that nobody is offered to.

    It stays: what it was made from may come back, and the command line can then resume it.

    Raises
    ------
    OSError
    """
    (job / USELESS).write_text(_time(job / CHECKPOINT), encoding="ascii")


def is_useless(job: Path) -> bool:
    """Whether the checkpoint that a job has now was found to be of no use.

    Raises
    ------
    OSError
        There is no checkpoint, or it is out of reach.
    """
    time = _time(job / CHECKPOINT)
    try:
        return (job / USELESS).read_bytes() == time.encode()
    except FileNotFoundError:
        return False


def _time(path: Path) -> str:
    return str(path.stat().st_mtime_ns)


def command_line(spec: JobSpec) -> str:
    """Return the shell line that does what a job asks for; only what differs from defaults."""
    from_layers = Path(spec.data).name == DATA and (Path(spec.data).parent / SPEC).is_file()
    data = "DATA" if from_layers else spec.data  # a copy that goes with the job folder
    words = ["napari-nucseg", "finetune", "--data", data, "--output", spec.output]
    if spec.save == "always":
        words.append("--always")
    for name, info in FineTuneParams.model_fields.items():
        value = getattr(spec.params, name)
        if value != info.default:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(words)
