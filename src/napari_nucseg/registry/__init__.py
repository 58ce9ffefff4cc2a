"""Finds models: the bundled ones by name, any other by the path of its folder."""

from napari_nucseg.registry.bundled import bundled_folder
from napari_nucseg.registry.catalog import find_model, model_names

__all__ = ["bundled_folder", "find_model", "model_names"]
