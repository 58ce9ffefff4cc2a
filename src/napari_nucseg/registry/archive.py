"""One file to share a model by: a zip of its folder.

Importing runs nothing from the zip and writes only to a new folder of the user's models. The hashes
prove that a model arrived as it was sent, not who made it: import models of people you trust.
"""

import stat
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from napari_nucseg._types import CancelCheck
from napari_nucseg.cancelling import check_cancelled
from napari_nucseg.errors import ModelError
from napari_nucseg.frozen import first_problem
from napari_nucseg.io.atomic import atomic_file
from napari_nucseg.io.place import given_place
from napari_nucseg.model.config import ModelConfig
from napari_nucseg.model.folder import (
    CARD,
    CONFIG,
    LITERT,
    WEIGHTS,
    ModelFolder,
    open_model,
    write_config,
)
from napari_nucseg.registry.catalog import find_model
from napari_nucseg.registry.events import changed
from napari_nucseg.registry.folders import CHUNK
from napari_nucseg.registry.probe import check_runs
from napari_nucseg.registry.provenance import read_provenance
from napari_nucseg.registry.store import FILES, new_model
from napari_nucseg.registry.text import plain_text
from napari_nucseg.registry.unpacking import UntrustedZip
from napari_nucseg.registry.user_models import open_user_model

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The date of all files in a zip, so that a model always gives the same zip."""


def export_model(
    name: str,
    path: str | Path | None = None,
    *,
    overwrite: bool = False,
    cancelled: CancelCheck | None = None,
) -> Path:
    """Write a model to a zip file, after checking its hashes.

    Parameters
    ----------
    name : str
        Name, or path of a folder; bundled models too.
    path : str or Path, optional
        The file, or a folder for it. By default ``<name>.zip`` in the current folder.
    overwrite : bool
        Whether an existing file may be replaced.
    cancelled : callable, optional

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ModelError
        There is no such model, it is damaged, or has no card.
    WriteError
        The file exists, or cannot be written.
    Cancelled
    """
    model = find_model(name)
    target = Path() if path is None else given_place(path, "path", "a file, or a folder for it")
    if target.is_dir():
        target = target / f"{model.name}.zip"
    _ = model.weights, model.litert  # their hashes are checked
    if not (model.path / CARD).is_file():
        raise ModelError(
            f"Model '{name}' in {model.path} has no {CARD}, without which nobody can import it; "
            "write there what it was made from and how good it is."
        )
    with ExitStack() as opened:
        sources = _open_files(name, model.path, opened)
        with (
            atomic_file(target, overwrite=overwrite) as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,  # weights do not compress
        ):
            for source in sources:
                _add(archive, f"{model.name}/{Path(source.name).name}", source, cancelled)
    return target


def import_model(
    path: str | Path, name: str | None = None, *, cancelled: CancelCheck | None = None
) -> ModelFolder:
    """Add the model in a zip file to the user's models.

    Parameters
    ----------
    path : str or Path
        Written by `export_model`, perhaps by someone else; it is not trusted.
    name : str, optional
        Instead of the model's own.
    cancelled : callable, optional

    Raises
    ------
    ModelError
        It is not a model that can be run here, is damaged, or holds anything but a model.
    InputError
        The name cannot be used.
    NameTaken
        There is a model of that name.
    WriteError
        It cannot be written.
    Cancelled

    Any of them leaves the user's models as they were.
    """
    path = Path(path)
    with UntrustedZip(path) as archive:
        config = _read_config(archive)
        name = config.name if name is None else name
        with new_model(name) as folder:
            archive.unpack(folder, cancelled)
            try:
                _check(folder)
            except ModelError as error:
                reason = plain_text(str(error)).replace(str(folder), path.name)
                raise ModelError(f"{path} was not imported: {reason}") from error
            write_config(folder, config.model_copy(update={"name": name}))
    changed.emit("", name)
    return open_user_model(name)


def _read_config(archive: UntrustedZip) -> ModelConfig:
    try:
        return ModelConfig.model_validate_json(archive.read(CONFIG))
    except ValidationError as error:
        place, problem = first_problem(error)
        raise ModelError(
            f"{archive.path} was not imported: its {CONFIG} is not one that this version knows: "
            f"{plain_text(place[:80])}: {problem}."
        ) from error


def _check(folder: Path) -> None:
    """Raise ModelError unless the model in a folder is whole and runs."""
    model = open_model(folder)
    for name in (WEIGHTS, LITERT):
        if difference := model.difference(name):
            raise ModelError(
                f"its {name} was changed or damaged since the model was exported ({difference}); "
                "ask for the zip file again."
            )
    read_provenance(folder)
    check_runs(folder)


def _open_files(name: str, folder: Path, opened: ExitStack) -> list[BinaryIO]:
    """Open all files of a model before anything is read: another process may remove the model."""
    try:
        return [
            opened.enter_context((folder / file).open("rb"))
            for file in FILES
            if (folder / file).is_file()
        ]
    except OSError as error:
        raise ModelError(
            f"Model '{name}' in {folder} cannot be read: {error.strerror or error}."
        ) from error


def _add(
    archive: zipfile.ZipFile, name: str, source: BinaryIO, cancelled: CancelCheck | None
) -> None:
    """Add an open file to a zip."""
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    with archive.open(entry, "w", force_zip64=True) as target:
        while chunk := source.read(CHUNK):
            check_cancelled(cancelled, "Exporting the model was cancelled; nothing was written.")
            target.write(chunk)
