"""Which items the inputs of a batch stand for."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from napari_nucseg.batch.file_item import FileItem
from napari_nucseg.batch.items import Item
from napari_nucseg.batch.zarr_items import FieldItem, ZarrItem
from napari_nucseg.errors import ReadError
from napari_nucseg.io.inputs import find_inputs
from napari_nucseg.io.plate import is_damaged, is_ome_image, is_plate, list_fields
from napari_nucseg.io.stems import output_stems


def find_items(inputs: Sequence[str | Path], output: Path, named: Mapping[Path, str]) -> list[Item]:
    """Find what files, folders, patterns and plates stand for.

    Parameters
    ----------
    inputs : sequence of str or Path
    output : Path
        Folder of the results.
    named : mapping
        The stems of those that have results there, by absolute path.

    Raises
    ------
    ReadError
        An argument gives nothing.
    """
    sources = find_inputs(inputs)
    places = {source: Path(os.path.abspath(source)) for source in sources}
    kept = {source: named[place] for source, place in places.items() if place in named}
    stems = output_stems(sources, kept)
    items: list[Item] = []
    for source in sources:
        if source.is_file():
            items.append(FileItem(source, output, stems[source]))
        elif is_ome_image(source) or is_damaged(source):
            items.append(ZarrItem(source, output, stems[source]))
        elif is_plate(source):
            items += [FieldItem(field, output, stems[source]) for field in list_fields(source)]
        else:
            raise ReadError(f"{source} vanished.")
    return items
