"""A data folder for fine-tuning: `images/`, `labels/` and `reviewed/`."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from napari_nucseg._types import AnyArray
from napari_nucseg.errors import DatasetError, ReadError
from napari_nucseg.io.atomic import atomic_file
from napari_nucseg.io.reading import read_image
from napari_nucseg.io.writing import prepare_output
from napari_nucseg.training.dataset import files_by_stem
from napari_nucseg.training.finetune.rows import Row, make_row

IMAGES, LABELS, REVIEWED = "images", "labels", "reviewed"

SUFFIXES = (".png", ".tif", ".tiff", ".npy")


def read_rows(folder: Path) -> list[Row]:
    """Read `folder/images`, `folder/labels` and, where it exists, `folder/reviewed`.

    Files belong together by their stem: PNG, TIFF or NumPy. Non-zero pixels of a file in
    ``reviewed`` were reviewed; an image without such a file was reviewed everywhere.

    Raises
    ------
    DatasetError
        A folder is missing or empty, files do not belong together, or one of them cannot be used.
    """
    if not folder.is_dir():
        raise DatasetError(f"There is no data folder at {folder}.")
    images, labels = _files(folder / IMAGES), _files(folder / LABELS)
    reviewed = _files(folder / REVIEWED) if (folder / REVIEWED).is_dir() else {}
    for stem in images:
        if stem not in labels:
            raise DatasetError(
                f"{images[stem]} has no labels: expected a file '{stem}' in {folder / LABELS}."
            )
    strange = sorted(set(reviewed) - set(images))
    if strange:
        raise DatasetError(
            f"{reviewed[strange[0]]} belongs to no image: expected a file '{strange[0]}' in "
            f"{folder / IMAGES}."
        )
    return [
        make_row(
            stem,
            _read(path),
            _read(labels[stem]),
            _read(reviewed[stem]) if stem in reviewed else None,
        )
        for stem, path in images.items()
    ]


def write_rows(rows: Iterable[Row], folder: Path) -> None:
    """Write rows as a data folder that `read_rows` reads back unchanged, uncompressed.

    Raises
    ------
    DatasetError
        Two rows have the same name.
    WriteError
        The folder cannot be written.
    """
    stems: set[str] = set()
    for row in rows:
        stem = _plain(row.name)
        if stem in stems:
            raise DatasetError(f"Each image needs a name of its own, got '{stem}' twice.")
        stems.add(stem)
        image = row.image[..., 0] if row.image.shape[-1] == 1 else row.image
        for part, array in ((IMAGES, image), (LABELS, row.labels), (REVIEWED, row.reviewed)):
            path = prepare_output(folder / part) / f"{stem}.npy"
            with atomic_file(path, overwrite=True) as file:
                np.save(file, array)


def _plain(name: str) -> str:
    """Return a layer's name without what the name of a file must not hold."""
    plain = "".join(c if c.isalnum() or c in " ._-()[]" else "_" for c in name)
    return plain[:100].strip(" .") or "image"


def _files(folder: Path) -> dict[str, Path]:
    """Return the files of a folder by stem, sorted by it."""
    holds = f"'{IMAGES}', '{LABELS}' and, if not everything was reviewed, '{REVIEWED}'"
    found = files_by_stem(folder, SUFFIXES, holds, may_be_empty=folder.name == REVIEWED)
    return dict(sorted(found.items()))


def _read(path: Path) -> AnyArray:
    try:
        if path.suffix.lower() == ".npy":
            return np.asarray(np.load(path, allow_pickle=False))
        return read_image(path).data
    except (ReadError, OSError) as error:
        raise DatasetError(str(error)) from error
    except ValueError as error:
        raise DatasetError(f"Cannot read {path}: it is not a NumPy array ({error}).") from error
