"""Everything that is checked before a fine-tuning starts; nothing of it needs TensorFlow."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_nucseg.errors import DatasetError, ModelError, NucsegError
from napari_nucseg.finetune_params import FineTuneParams
from napari_nucseg.model.folder import WEIGHTS, ModelFolder
from napari_nucseg.registry import find_model
from napari_nucseg.training.finetune.folder import read_rows
from napari_nucseg.training.finetune.job import JobSpec, read_spec
from napari_nucseg.training.finetune.rows import Row
from napari_nucseg.training.finetune.split import Split, plan_split
from napari_nucseg.training.finetune.target import check_output

GLANCE = 16
"""Every so many pixels are compared first: images differ nearly always there already."""


@dataclass(frozen=True, eq=False)
class Plan:
    """What will be done.

    Attributes
    ----------
    rows : list of Row
    split : Split
    parent : ModelFolder
        The base model.
    params : FineTuneParams
    """

    rows: list[Row]
    split: Split
    parent: ModelFolder
    params: FineTuneParams

    def data(self) -> dict[str, str]:
        """Return the hash of each row by its name."""
        return {row.name: row.sha256() for row in self.rows}

    def fingerprint(self) -> str:
        """Return a hash of data, parameters and base model."""
        params = self.params.model_dump(mode="json", exclude={"model"})
        everything = [self.data(), params, self.parent.hashes[WEIGHTS]]
        return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()


def make_plan(rows: Sequence[Row], params: FineTuneParams) -> Plan:
    """Check base model and rows, and choose what is held out.

    Raises
    ------
    ModelError
        The base model is missing, corrupt, or of a kind that cannot be fine-tuned.
    DatasetError
        Too little was reviewed, or the same place twice.
    """
    parent = base_model(params)
    # In the order of their names: from layers and from a folder the result is the same.
    ordered = sorted(rows, key=lambda row: row.name)
    _check_twins(ordered)
    return Plan(ordered, plan_split(ordered), parent, params)


def base_model(params: FineTuneParams) -> ModelFolder:
    """Return the base model.

    Raises
    ------
    ModelError
        It is missing, corrupt, or of a kind that cannot be fine-tuned.
    """
    parent = find_model(params.model)
    _ = parent.weights  # there, and what the hash says
    if parent.config.fixed_size:
        raise ModelError(
            f"Model '{parent.name}' squeezes images into {parent.config.fixed_size} x "
            f"{parent.config.fixed_size} pixels and cannot be fine-tuned; start from another one."
        )
    return parent


def base_model_problem(job: Path) -> str | None:
    """Say why the base model of a job folder cannot be used and what to do, as part of a sentence.

    None if it can be used, or if the job cannot be read.
    """
    try:
        params = read_spec(job).params
    except (NucsegError, OSError):  # no job of ours, or out of reach
        return None
    try:
        base_model(params)
    except ModelError:
        return f"its base model '{params.model}' is missing or damaged: import the same model again"
    except OSError as error:  # of a drive, or of permissions
        return (
            f"its base model '{params.model}' cannot be read ({error.strerror or error}): make it "
            "readable"
        )
    return None


def _check_twins(rows: Sequence[Row]) -> None:
    """Raise DatasetError if one image is reviewed twice at one place: it could not be held out."""
    alike: dict[tuple[tuple[int, ...], bytes], list[Row]] = defaultdict(list)
    for row in rows:
        glance = row.image[::GLANCE, ::GLANCE].astype(np.float64)  # equal whatever the dtype
        others = alike[row.image.shape, glance.tobytes()]
        for other in others:
            both = other.reviewed & row.reviewed
            if both.any() and np.array_equal(other.image, row.image):
                raise DatasetError(
                    f"'{other.name}' and '{row.name}' are the same image, reviewed at the same "
                    "place: what is held out of one would be learnt from the other. Leave one out."
                )
        others.append(row)


def plan_job(spec: JobSpec) -> Plan:
    """Read the data of a job and check everything, see `make_plan`."""
    return make_plan(read_rows(Path(spec.data)), spec.params)


def problem(rows: Sequence[Row], params: FineTuneParams, output: str) -> str | None:
    """Say in one sentence why a fine-tuning cannot start, or return None."""
    try:
        check_output(output)
        make_plan(rows, params)
    except NucsegError as error:
        return str(error)
    return None
