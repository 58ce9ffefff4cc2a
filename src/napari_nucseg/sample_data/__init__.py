"""Generated images with true labels: napari's sample data, and data for tests."""

from collections.abc import Callable

from napari_nucseg.sample_data._sample import Sample
from napari_nucseg.sample_data.empty import empty_fields
from napari_nucseg.sample_data.fluorescence import fluorescence_field
from napari_nucseg.sample_data.histology import histology_field
from napari_nucseg.sample_data.movie import time_lapse
from napari_nucseg.sample_data.volume import z_stack

__all__ = [
    "SAMPLES",
    "Sample",
    "empty_fields",
    "fluorescence_field",
    "histology_field",
    "time_lapse",
    "z_stack",
]

SAMPLES: dict[str, Callable[[], Sample]] = {
    "fluorescence": fluorescence_field,
    "z-stack": z_stack,
    "time-lapse": time_lapse,
    "histology": histology_field,
}
