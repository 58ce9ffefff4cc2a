"""Names that a user may give to a model: they become folders on any file system."""

import re

from napari_nucseg.errors import InputError
from napari_nucseg.model.config import ModelConfig

_PATTERN = next(
    rule.pattern for rule in ModelConfig.model_fields["name"].metadata if hasattr(rule, "pattern")
)

_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"{kind}{i}" for kind in ("com", "lpt") for i in range(10))]
)
"""Names that Windows keeps for devices, whatever follows a dot."""


def is_name(name: str) -> bool:
    """Tell whether a folder of this name can be a model at all."""
    return re.fullmatch(_PATTERN, name) is not None


def check_name(name: str) -> None:
    """Raise InputError unless `name` can be given to a model, on every system."""
    if not is_name(name) or name.endswith("."):
        raise InputError(
            "A model's name has 1 to 64 letters, digits, '.', '_' or '-', begins with a letter or "
            f"digit and does not end with '.'; got {name[:80]!r}."
        )
    if name.partition(".")[0].lower() in _DEVICES:
        raise InputError(f"Windows keeps the name '{name}' for a device; choose another name.")
