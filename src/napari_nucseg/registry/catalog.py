"""Models by name or path."""

import os
from pathlib import Path

from napari_nucseg.errors import ModelError
from napari_nucseg.model.folder import CONFIG, ModelFolder, open_model
from napari_nucseg.registry.bundled import bundled_folder


def model_names() -> list[str]:
    """Return the names of the bundled models, sorted."""
    return sorted(path.parent.name for path in bundled_folder().glob(f"*/{CONFIG}"))


def find_model(name: str) -> ModelFolder:
    """Open a model by its name, or by the path of its folder.

    Raises
    ------
    ModelError
        There is none, or it is incomplete or corrupt. Never falls back to another model.
    """
    if name in model_names():
        return open_model(bundled_folder() / name)
    path = Path(os.path.expanduser(name))  # Path.expanduser raises for an unknown user
    if path.is_dir():
        return open_model(path)
    known = ", ".join(model_names()) or "none (the installation is incomplete)"
    raise ModelError(
        f"There is no model '{name}'. Bundled models: {known}; or pass the path of a folder."
    )
