"""Where a model comes from: the `provenance.json` of a model folder."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, JsonValue, ValidationError

from napari_nucseg.errors import ModelError
from napari_nucseg.frozen import Frozen, first_problem
from napari_nucseg.model.folder import write_text

PROVENANCE = "provenance.json"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


class Provenance(Frozen):
    """What a model was made from, how, and how good it was.

    It is what the maker of the model states; nothing in it is proved.
    """

    format: Literal[1] = 1
    parent: str | None = None
    """Name of the model that the training started from."""
    parent_sha256: Sha256 | None = None
    """sha256 of the parent's `model.weights.h5`."""
    data: dict[str, Sha256] = Field(default_factory=dict)
    """Image or label file to its sha256."""
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    """Library to its version."""
    scores: dict[str, JsonValue] = Field(default_factory=dict)
    """The first number is the one that lists of models show."""
    created: AwareDatetime = Field(default_factory=_now)
    command: str = ""
    """The shell line that makes the same model."""

    def headline(self) -> str:
        """Return the first number among the scores, such as ``f1 0.912``, or ""."""
        return next((f"{name} {number:.3g}" for name, number in _numbers(self.scores)), "")


def read_provenance(folder: Path) -> Provenance | None:
    """Read the provenance of a model folder; None if it has none.

    Raises
    ------
    ModelError
        It is not a provenance that this version knows, or cannot be read.
    """
    path = folder / PROVENANCE
    try:
        return Provenance.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValidationError as error:
        place, problem = first_problem(error)
        raise ModelError(
            f"{path} is not a provenance that this version knows: {place}: {problem}."
        ) from error


def write_provenance(folder: Path, provenance: Provenance) -> None:
    """Write `provenance.json` into a model folder."""
    write_text(folder / PROVENANCE, provenance.model_dump_json(indent=2) + "\n")


def _numbers(scores: dict[str, JsonValue]) -> Iterator[tuple[str, float]]:
    for name, value in scores.items():
        if isinstance(value, dict):
            yield from _numbers(value)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield name, float(value)
