"""Saving, renaming and removing the user's models.

A model is written into a hidden folder beside the others and gets its name by one rename, which
fails if the name exists: a model is there whole or not at all, whoever else writes, and whenever a
process is killed.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_nucseg.errors import ModelError, NameTaken, WriteError
from napari_nucseg.model.folder import (
    CARD,
    CONFIG,
    HASHES,
    LITERT,
    REPORT,
    WEIGHTS,
    ModelFolder,
    open_model,
    write_config,
)
from napari_nucseg.registry.catalog import bundled_names
from napari_nucseg.registry.events import changed
from napari_nucseg.registry.folders import (
    PARTIAL,
    copy_file,
    copy_folder,
    discard,
    flush,
    flush_folder,
    hidden_folder,
    sweep,
)
from napari_nucseg.registry.names import check_name, is_name
from napari_nucseg.registry.provenance import PROVENANCE, Provenance, write_provenance
from napari_nucseg.registry.user_models import models_folder, open_user_model, user_names

REQUIRED = (CONFIG, HASHES, LITERT, WEIGHTS, CARD)
OPTIONAL = (PROVENANCE, *REPORT)
FILES = (*REQUIRED, *OPTIONAL)
"""All that belongs to a model."""


def save_model(source: str | Path, name: str, provenance: Provenance | None = None) -> ModelFolder:
    """Copy a model folder, such as one that a training wrote, to the user's models.

    Parameters
    ----------
    source : str or Path
        Only the files of a model are copied, no checkpoints.
    name : str
        Its name; `config.json` of the copy states it.
    provenance : Provenance, optional
        Instead of the source's own.

    Raises
    ------
    InputError
        The name cannot be used.
    NameTaken
        There is a model of that name.
    ModelError
        The source is not a model.
    WriteError
        It cannot be written; nothing was changed.
    """
    source = Path(source)
    model = open_model(source)
    found = [model.weights, model.litert]  # their hashes are checked
    found += [source / file for file in (HASHES, CARD, *OPTIONAL) if (source / file).is_file()]
    with new_model(name) as folder:
        for path in found:
            copy_file(path, folder / path.name)
        write_config(folder, model.config.model_copy(update={"name": name}))
        if provenance is not None:
            write_provenance(folder, provenance)
    changed.emit("", name)
    return open_user_model(name)


def rename_model(old: str, new: str) -> ModelFolder:
    """Rename one of the user's models; the new one is complete before the old one goes.

    Raises
    ------
    InputError, NameTaken, ModelError, WriteError
        As for `save_model`; also if the model is bundled. The model is there under one name at
        least.
    """
    source = _own_folder(old, "renamed")
    model = open_user_model(old)
    identity = source.stat().st_ino
    with new_model(new) as folder:
        copy_folder(source, folder)
        write_config(folder, model.config.model_copy(update={"name": new}))
    kept = f"Model '{new}' was made, but '{old}' cannot be removed from {source.parent}"
    with _explained(kept), suppress(FileNotFoundError):  # someone else may have removed it
        discard(source, identity)
    changed.emit(old, new)
    return open_user_model(new)


def check_removable(name: str) -> None:
    """Raise ModelError or WriteError if `remove_model` would: no such model, or it is bundled."""
    _own_folder(name, "removed")


def remove_model(name: str) -> None:
    """Delete one of the user's models, also one that cannot be opened.

    Raises
    ------
    ModelError
        There is none of that name.
    WriteError
        It is bundled, or cannot be deleted.
    """
    source = _own_folder(name, "removed")
    with _explained(f"Model '{name}' cannot be removed from {source.parent}"):
        sweep(source.parent)
        try:
            discard(source)
        except FileNotFoundError as error:
            raise _unknown(name) from error
    changed.emit(name, "")


@contextmanager
def new_model(name: str) -> Iterator[Path]:
    """Give an empty hidden folder that becomes the user's model `name` when the block ends.

    If the block raises, nothing is left.

    Raises
    ------
    InputError, NameTaken, WriteError
    """
    check_name(name)
    root = models_folder()
    with _explained(f"Model '{name}' cannot be saved in {root}"):
        root.mkdir(parents=True, exist_ok=True)
        sweep(root)
        _check_free(name)
        partial = hidden_folder(root, name, PARTIAL)
        partial.mkdir()
        try:
            yield partial
            flush(partial)
            _publish(partial, root / name)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        with suppress(OSError):  # the model is in place; only a power cut could still undo it
            flush_folder(root)


def _publish(partial: Path, target: Path) -> None:
    """Give a complete folder its name."""
    try:
        os.rename(partial, target)
    except OSError as error:
        if os.path.lexists(target):  # another process was faster
            raise _taken(target.name) from error
        raise


def _check_free(name: str) -> None:
    if name in bundled_names():
        raise NameTaken(f"'{name}' is the name of a bundled model; choose another name.")
    for taken in (*os.listdir(models_folder()), *bundled_names()):
        if taken == name:
            raise _taken(name)
        if taken.casefold() == name.casefold():
            raise NameTaken(
                f"'{name}' differs from the name of the model '{taken}' only in upper and lower "
                "case; choose another name."
            )


def _taken(name: str) -> NameTaken:
    return NameTaken(
        f"A model named '{name}' exists already in {models_folder()}; choose another name, or "
        "rename or remove that one."
    )


def _unknown(name: str) -> ModelError:
    known = ", ".join(user_names()) or "none"
    return ModelError(f"There is no model '{name}' in {models_folder()}; yours: {known}.")


def _own_folder(name: str, done: str) -> Path:
    """Return the folder of one of the user's models, which need not be a good one."""
    root = models_folder()
    path = root / name
    if is_name(name) and (path.is_dir() or path.is_symlink()):
        return path
    if name in bundled_names():
        raise WriteError(
            f"'{name}' came with napari-nucseg and cannot be {done}; only models in {root} can."
        )
    raise _unknown(name)


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turn an error of the file system into one sentence."""
    try:
        yield
    except OSError as error:
        raise WriteError(f"{what}: {_reason(error)}.") from error


def _reason(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"nothing can be written there ({error.strerror})"
    if isinstance(error, FileExistsError | NotADirectoryError):
        return "it, or a part of its path, is a file, expected a folder"
    place = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror or error}{place}"
