"""Records: of parameters, and in the JSON files that models and runs keep."""

from pydantic import BaseModel, ConfigDict, ValidationError


class Frozen(BaseModel):
    """Base of all records: unknown keys are refused, values cannot change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def first_problem(error: ValidationError) -> tuple[str, str]:
    """Return where in a JSON file the first problem lies, and what it is."""
    first = error.errors()[0]
    return ".".join(map(str, first["loc"])) or "the file", first["msg"]
