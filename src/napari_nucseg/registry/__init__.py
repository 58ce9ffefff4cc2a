"""Finds models: the bundled ones and the user's by name, any other by the path of its folder.

Saves, renames, removes, exports and imports the user's.
"""

from napari_nucseg.registry.archive import export_model, import_model
from napari_nucseg.registry.bundled import bundled_folder
from napari_nucseg.registry.catalog import (
    Entry,
    bundled_names,
    find_entry,
    find_model,
    list_models,
    model_names,
)
from napari_nucseg.registry.description import (
    COLUMNS,
    describe_model,
    model_facts,
    model_row,
    summarise_model,
)
from napari_nucseg.registry.events import changed
from napari_nucseg.registry.names import check_name
from napari_nucseg.registry.provenance import Provenance, read_provenance
from napari_nucseg.registry.store import check_removable, remove_model, rename_model, save_model
from napari_nucseg.registry.text import plain_text
from napari_nucseg.registry.user_models import folder_problem, models_folder

__all__ = [
    "COLUMNS",
    "Entry",
    "Provenance",
    "bundled_folder",
    "bundled_names",
    "changed",
    "check_name",
    "check_removable",
    "describe_model",
    "export_model",
    "find_entry",
    "find_model",
    "folder_problem",
    "import_model",
    "list_models",
    "model_facts",
    "model_names",
    "model_row",
    "models_folder",
    "plain_text",
    "read_provenance",
    "remove_model",
    "rename_model",
    "save_model",
    "summarise_model",
]
