"""The user's own models: where they lie, and reading them."""

import os
from pathlib import Path

import platformdirs

from napari_nucseg.errors import ModelError
from napari_nucseg.model.folder import ModelFolder, open_model
from napari_nucseg.registry.names import is_name

VARIABLE = "NAPARI_NUCSEG_MODELS"
"""Environment variable that names another folder, such as one that a group shares."""


def models_folder() -> Path:
    """Return the folder of the user's models; it need not exist."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(os.path.expanduser(chosen)).absolute()
    return platformdirs.user_data_path("napari-nucseg", appauthor=False) / "models"


def user_names() -> list[str]:
    """Return the names of the folders among the user's models, sorted, whether usable or not.

    What is hidden (half written, or about to be deleted) and plain files do not count. A folder
    that cannot be read has no models; `folder_problem` says why.
    """
    try:
        with os.scandir(models_folder()) as entries:
            return sorted(entry.name for entry in entries if is_name(entry.name) and entry.is_dir())
    except OSError:
        return []


def folder_problem() -> str | None:
    """Say in one sentence why the folder of the user's models cannot be read, if it cannot."""
    folder = models_folder()
    try:
        with os.scandir(folder):
            return None
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"The folder of your models, {folder}, cannot be read: {error.strerror or error}."


def open_user_model(name: str) -> ModelFolder:
    """Open one of the user's models.

    Raises
    ------
    ModelError
        It is incomplete, corrupt, or its config has another name than its folder.
    """
    path = models_folder() / name
    try:
        model = open_model(path)
    except OSError as error:
        raise ModelError(
            f"Model folder {path} cannot be read: {error.strerror or error}."
        ) from error
    if model.name != name:
        raise ModelError(
            f"The folder {path} holds the model '{model.name}'; it must have the name that its "
            "config.json states."
        )
    return model
