"""A model on disk: a folder of config, weights, LiteRT file, card and hashes.

Loading one executes no code from it: the config is data that `ModelConfig` checks, the weights are
arrays for a network that this package builds, and the `.tflite` holds built-in operations only.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from napari_nucseg.errors import ModelError
from napari_nucseg.frozen import first_problem
from napari_nucseg.model.config import ModelConfig

CONFIG, WEIGHTS, LITERT, CARD, HASHES = (
    "config.json",
    "model.weights.h5",
    "model.tflite",
    "card.md",
    "hashes.json",
)

SCORES, CURVE, PREDICTIONS, RELIABILITY = REPORT = (
    "scores.md",
    "curve.png",
    "predictions.png",
    "reliability.png",
)
"""What a training adds, if it reports: the model can be used without."""


@dataclass(frozen=True)
class ModelFolder:
    """A model folder whose config and hashes were checked.

    Attributes
    ----------
    path : Path
        The folder.
    config : ModelConfig
        Its `config.json`.
    hashes : dict
        File name to sha256, as `hashes.json` states.
    """

    path: Path
    config: ModelConfig
    hashes: dict[str, str]

    @property
    def name(self) -> str:
        """The model's name."""
        return self.config.name

    @cached_property
    def weights(self) -> Path:
        """Path of the Keras weights, hash checked on first use."""
        return self._checked(WEIGHTS)

    @cached_property
    def litert(self) -> Path:
        """Path of the `.tflite` file, hash checked on first use."""
        return self._checked(LITERT)

    def difference(self, name: str) -> str:
        """Return how a file differs from what the hashes state, ``""`` if it does not.

        Parameters
        ----------
        name : str
            `WEIGHTS` or `LITERT`.

        Raises
        ------
        ModelError
            It is not there.
        """
        path = self.path / name
        if not path.is_file():
            raise ModelError(f"Model folder {self.path} has no {name}; it needs {_needed()}.")
        stated, found = self.hashes[name], sha256(path)
        if found == stated:
            return ""
        return f"{HASHES} states sha256 {stated[:12]}..., the file has {found[:12]}..."

    def _checked(self, name: str) -> Path:
        path = self.path / name
        if difference := self.difference(name):
            raise ModelError(
                f"{path} is corrupt or was replaced: {difference} Install the model again."
            )
        return path


def open_model(path: Path) -> ModelFolder:
    """Read and check a model folder.

    Raises
    ------
    ModelError
        The folder or one of its files is missing, or config or hashes are not what they must be.
    """
    if not path.is_dir():
        raise ModelError(f"There is no model folder at {path}.")
    for name in (CONFIG, HASHES, LITERT):
        if not (path / name).is_file():
            raise ModelError(f"Model folder {path} has no {name}; it needs {_needed()}.")
    try:
        config = ModelConfig.model_validate_json((path / CONFIG).read_bytes())
    except ValidationError as error:
        place, problem = first_problem(error)
        raise ModelError(
            f"{path / CONFIG} is not a model config that this version knows: {place}: {problem}."
        ) from error
    return ModelFolder(path, config, _read_hashes(path / HASHES))


def write_hashes(path: Path) -> dict[str, str]:
    """Write `hashes.json` for the weights and the `.tflite` file in a model folder."""
    hashes = {name: sha256(path / name) for name in (WEIGHTS, LITERT)}
    write_text(path / HASHES, json.dumps(hashes, indent=2) + "\n")
    return hashes


def write_config(path: Path, config: ModelConfig) -> None:
    """Write `config.json` into a model folder."""
    write_text(path / CONFIG, config.model_dump_json(indent=2) + "\n")


def sha256(path: Path) -> str:
    """Return a file's sha256 as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def _read_hashes(path: Path) -> dict[str, str]:
    try:
        hashes = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not valid JSON: {error}.") from error
    if not isinstance(hashes, dict) or not all(isinstance(v, str) for v in hashes.values()):
        raise ModelError(f"{path} must map file names to sha256 digits.")
    missing = [name for name in (WEIGHTS, LITERT) if name not in hashes]
    if missing:
        raise ModelError(f"{path} states no sha256 of {' and '.join(missing)}.")
    return hashes


def _needed() -> str:
    return f"{CONFIG}, {WEIGHTS}, {LITERT}, {CARD} and {HASHES}"
