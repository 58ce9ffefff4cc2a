"""Models by name or path."""

import os
from dataclasses import dataclass
from pathlib import Path

from napari_nucseg.errors import ModelError
from napari_nucseg.model.folder import CONFIG, ModelFolder, open_model
from napari_nucseg.registry.bundled import bundled_folder
from napari_nucseg.registry.provenance import Provenance, read_provenance
from napari_nucseg.registry.user_models import models_folder, open_user_model, user_names

TRIES = 3
"""How often a model is read that another process may be renaming."""


@dataclass(frozen=True)
class Entry:
    """A line in a list of models.

    Attributes
    ----------
    name : str
    path : Path
        Its folder.
    bundled : bool
        Whether it came with the package.
    model : ModelFolder or None
        None if it cannot be used.
    provenance : Provenance or None
    problem : str or None
        What is wrong with it, in one sentence.
    """

    name: str
    path: Path
    bundled: bool
    model: ModelFolder | None
    provenance: Provenance | None
    problem: str | None


def bundled_names() -> list[str]:
    """Return the names of the bundled models, sorted."""
    return sorted(path.parent.name for path in bundled_folder().glob(f"*/{CONFIG}"))


def model_names() -> list[str]:
    """Return the names of the bundled models and of the user's that can be opened, each sorted."""
    bundled = bundled_names()
    return bundled + [name for name in user_names() if name not in bundled and _opens(name)]


def list_models() -> list[Entry]:
    """Return the bundled models and all of the user's, also those that cannot be used."""
    bundled = bundled_names()
    own = [_own_entry(models_folder() / name) for name in user_names()]
    there = [entry for entry in own if entry is not None]
    return [_entry(bundled_folder() / name, bundled=True) for name in bundled] + there


def find_model(name: str) -> ModelFolder:
    """Open a model by its name, or by the path of its folder.

    Raises
    ------
    ModelError
        There is none, or it is incomplete or corrupt. Never falls back to another model.
    """
    if name in bundled_names():
        return open_model(bundled_folder() / name)
    if name in user_names():
        return open_user_model(name)
    path = Path(os.path.expanduser(name))  # Path.expanduser raises for an unknown user
    if name.strip() and path.is_dir():  # an empty one would be the current folder
        return open_model(path)
    known = ", ".join(bundled_names()) or "none (the installation is incomplete)"
    own = ", ".join(user_names()) or "none"
    raise ModelError(
        f"There is no model '{name}'. Bundled models: {known}; yours: {own}; or pass the path of a "
        "folder."
    )


def find_entry(name: str) -> Entry:
    """Return the line of one model, by its name or the path of its folder.

    Raises
    ------
    ModelError
        There is no such model. One that cannot be used has a line that says why.
    """
    for entry in list_models():
        if entry.name == name:
            return entry
    model = find_model(name)
    return _entry(model.path, bundled=False)


def _opens(name: str) -> bool:
    try:
        open_user_model(name)
    except ModelError:
        return False
    return True


def _own_entry(path: Path) -> Entry | None:
    """Read a model of the user's; None if another process has taken it away meanwhile.

    One that is moved away and comes back while it is read is whole at the next try.
    """
    for _ in range(TRIES):
        entry = _entry(path, bundled=False)
        if entry.problem is None:
            break
        if not path.is_dir():
            return None
    return entry


def _entry(path: Path, *, bundled: bool) -> Entry:
    """Read what a list shows of a model; what is wrong becomes its `problem`."""
    own = path.parent == models_folder()
    model = provenance = problem = None
    try:
        model = open_user_model(path.name) if own else open_model(path)
        provenance = read_provenance(path)
    except ModelError as error:
        problem = str(error)
    except OSError as error:
        problem = f"{path} cannot be read: {error.strerror or error}."
    if own and path.name in bundled_names():
        model, problem = None, f"A bundled model is called '{path.name}' too; rename this one."
    name = path.name if own or bundled or model is None else model.name
    return Entry(name, path, bundled, model, provenance, problem)
