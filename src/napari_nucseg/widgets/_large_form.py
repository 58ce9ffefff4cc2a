"""Where the labels of an image that is segmented in blocks go; shown only for such images."""

import os
import re
from pathlib import Path
from typing import Any
from weakref import ref

from magicgui.widgets import CheckBox, Container, FileEdit, Label
from napari.layers import Image

from napari_nucseg.correction.autosave import autosave_folder
from napari_nucseg.errors import InputError
from napari_nucseg.io.inputs import image_stem
from napari_nucseg.io.plate import is_zarr
from napari_nucseg.widgets._layers import source_path
from napari_nucseg.widgets._look import make_text

SUFFIX = ".ome.zarr"


class LargeForm(Container):
    """The target of a run in blocks.

    Attributes
    ----------
    target_field : FileEdit
    overwrite : CheckBox
    """

    def __init__(self) -> None:
        self._layer = lambda: None  # of what the target was proposed for
        self.target_field = FileEdit(
            label="Result",
            mode="w",
            tooltip="OME-Zarr folder to create for the labels, such as nuclei.ome.zarr.",
        )
        self.overwrite = CheckBox(
            text="Overwrite",
            tooltip="Replace the result, or an unfinished run that was asked for something else.",
        )
        self.why = Label(value="")
        place = Container(widgets=[self.target_field, self.overwrite])
        place.margins = (0, 0, 0, 0)
        super().__init__(widgets=[self.why, place], labels=False)
        self.margins = (0, 0, 0, 0)
        make_text(self.why)

    def offer(self, layer: Image | None, reason: str | None) -> None:
        """Show the form if there is a reason for blocks; propose a target for each image."""
        if layer is not None and reason is not None:
            self.why.value = f"Segmented in blocks, onto disk: {reason}."
            if self._layer() is not layer:
                self._layer = ref(layer)
                self.target_field.value = default_target(layer)
                self.overwrite.value = False
        self.visible = reason is not None

    def target(self) -> Path:
        """Return where the result goes; its name ends with ``.zarr``.

        Raises
        ------
        InputError
            No place was chosen.
        """
        path = Path(self.target_field.value).expanduser()
        if not path.name:
            raise InputError("Choose where the result goes first: an OME-Zarr folder to create.")
        return path if path.suffix == ".zarr" else path.with_name(path.name + SUFFIX)


def default_target(layer: Image) -> Path:
    """Propose a place: beside the image if that can be written to, else in the user's folder."""
    path = source_path(layer)
    name = _file_name(layer.name)
    if path is None or "://" in path:
        return _own_folder() / f"{name}_nuclei{SUFFIX}"
    source = Path(path)
    while is_zarr(source.parent):  # nothing is put into the image itself
        source = source.parent
    stem = image_stem(source)
    if not name.startswith(stem) and name != "image":  # one channel of several, each a layer
        stem = f"{stem}_{name}"
    folder = source.parent if os.access(source.parent, os.W_OK | os.X_OK) else _own_folder()
    return folder / f"{stem}_nuclei{SUFFIX}"


def _own_folder() -> Path:
    return autosave_folder().with_name("results")


def _file_name(name: Any) -> str:
    """Return a layer's name without what file names cannot have."""
    return re.sub(r"[^\w.+-]+", "_", str(name)).strip("._") or "image"
