"""File > Open Sample: generated images, each with its true labels in a hidden layer."""

from typing import Any

from napari_nucseg.axes import CHANNEL_AXES
from napari_nucseg.sample_data import SAMPLES, Sample
from napari_nucseg.widgets._layers import axes_geometry

LayerTuple = tuple[Any, dict[str, Any], str]


def fluorescence() -> list[LayerTuple]:
    """Return a field of fluorescent nuclei."""
    return sample_layers(SAMPLES["fluorescence"]())


def z_stack() -> list[LayerTuple]:
    """Return a z stack of fluorescent nuclei."""
    return sample_layers(SAMPLES["z-stack"]())


def time_lapse() -> list[LayerTuple]:
    """Return a movie with divisions."""
    return sample_layers(SAMPLES["time-lapse"]())


def histology() -> list[LayerTuple]:
    """Return a colour image of stained tissue."""
    return sample_layers(SAMPLES["histology"]())


def sample_layers(sample: Sample) -> list[LayerTuple]:
    """Return an image layer and a hidden layer with the true labels, in micrometres."""
    shown = sample.axes.removesuffix("S")
    image = {
        "name": sample.name,
        "rgb": "S" in sample.axes,
        "metadata": dict(sample.metadata),
        **axes_geometry(shown, sample.pixel_size),
    }
    labels = {
        "name": "true nuclei",
        "visible": False,
        **axes_geometry("".join(a for a in shown if a not in CHANNEL_AXES), sample.pixel_size),
    }
    return [(sample.image, image, "image"), (sample.labels, labels, "labels")]
