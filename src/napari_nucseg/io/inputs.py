"""Which files and plates a command works on; our own results are not among them."""

import glob
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from napari_nucseg.errors import ReadError
from napari_nucseg.io.plate import is_damaged, is_ome_image, is_plate, is_zarr

IMAGE_SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp")
"""Suffixes of image files, in lower case."""

IMAGES = "images"
"""What folders of images are usually called in data sets."""

LABELS_SUFFIX, PROBABILITY_SUFFIX = "_labels.tif", "_probability.tif"
"""Ends of the names of our own results."""

ZARR_LABELS_SUFFIX, ZARR_PROBABILITY_SUFFIX = "_labels.ome.zarr", "_probability.ome.zarr"
"""The same for OME-Zarr images."""
TRACKS_SUFFIX = "_tracks.txt"
"""Ends the name of the tracks of a movie, beside its labels."""

PLATE_LABELS_SUFFIX, PLATE_PROBABILITY_SUFFIX = "_labels.zarr", "_probability.zarr"
"""The same for plates."""

_RESULTS = (
    *(LABELS_SUFFIX, LABELS_SUFFIX + "f", PROBABILITY_SUFFIX, PROBABILITY_SUFFIX + "f"),
    *(PLATE_LABELS_SUFFIX, PLATE_PROBABILITY_SUFFIX),
    *(ZARR_LABELS_SUFFIX, ZARR_PROBABILITY_SUFFIX),
)

_OME_SUFFIXES = (".ome.tif", ".ome.tiff", ".ome.zarr")


def find_inputs(arguments: Sequence[str | Path]) -> list[Path]:
    """Find image files, OME-Zarr images and plates, also those whose metadata are damaged.

    Parameters
    ----------
    arguments : sequence of str or Path
        Files, OME-Zarr images and plates, which are taken as they are; folders, of which those
        directly inside are taken; patterns with ``*``, ``?``, ``[]`` or ``**``. Of folders and
        patterns, hidden files, files without a known suffix and our own results
        (``*_labels.tif``, ``*_probability.zarr``) are left out.

    Returns
    -------
    list of Path
        Without duplicates, in the order of the arguments, sorted by name within each.

    Raises
    ------
    ReadError
        If an argument is empty or gives nothing.
    """
    if not arguments:
        raise ReadError("No images were given; pass files, folders or patterns such as '*.tif'.")
    found: dict[Path, Path] = {}
    for argument in arguments:
        if isinstance(argument, str) and not argument.strip():
            raise ReadError(
                f"An input is empty ({argument!r}); expected a file, folder or pattern; '.' is the "
                "current folder."
            )
        for path in _expand(Path(os.path.expanduser(argument))):
            found.setdefault(path.resolve(), path)
    return list(found.values())


def _expand(path: Path) -> list[Path]:
    """Return the image files that one argument stands for."""
    suffixes = ", ".join(IMAGE_SUFFIXES)
    if path.is_file() or (is_zarr(path) and _is_ome(path)):
        return [path]
    if path.is_dir():
        if is_zarr(path):
            raise ReadError(
                f"{path} is a Zarr store without the metadata of an OME-Zarr image or plate; "
                "expected one, image files or folders of them."
            )
        content = _list(path)
        inside = _only_images(content)
        if not inside:
            raise ReadError(
                f"No images in the folder {path}; looked for {suffixes} directly inside, except "
                f"hidden files and results (*{LABELS_SUFFIX}).{_hint_at_folder(content)}"
            )
        return inside
    if not glob.has_magic(str(path)):
        raise ReadError(f"There is no file or folder {path} (in {Path.cwd()}).")
    matches = _only_images(Path(name) for name in glob.glob(str(path), recursive=True))
    if not matches:
        raise ReadError(
            f"No images match {path} (in {Path.cwd()}); looked for {suffixes}, except hidden files "
            f"and results (*{LABELS_SUFFIX})."
        )
    return matches


def _only_images(paths: Iterable[Path]) -> list[Path]:
    """Return the image files among `paths`, sorted."""
    return sorted(
        path
        for path in paths
        if not path.name.startswith(".")
        and not path.name.lower().endswith(_RESULTS)
        and (_is_image(path) or (path.suffix.lower() == ".zarr" and _is_ome(path)))
    )


def _hint_at_folder(content: Iterable[Path]) -> str:
    """Return where images are one folder deeper, ``""`` if there are none."""
    folders = [path for path in sorted(content) if path.is_dir() and path.name[0] != "."]
    # Beside labels, which may be images like any other.
    folders.sort(key=lambda path: path.name.lower() != IMAGES)
    nearest = next((path for path in folders if _only_images(path.glob("*"))), None)
    return f" There are some in {nearest}." if nearest else ""


def _list(folder: Path) -> list[Path]:
    """Return what lies in a folder."""
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise ReadError(f"Cannot read the folder {folder}: {error.strerror or error}.") from error


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()


def _is_ome(path: Path) -> bool:
    """Tell whether a folder is an OME-Zarr image or plate, or may have been one."""
    return is_plate(path) or is_ome_image(path) or is_damaged(path)


def image_stem(path: Path) -> str:
    """Return the name of a file without its suffix, where ``.ome.tif`` counts as one."""
    for suffix in _OME_SUFFIXES:
        if path.name.lower().endswith(suffix) and len(path.name) > len(suffix):
            return path.name[: -len(suffix)]
    return path.stem
