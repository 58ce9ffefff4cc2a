"""File > Open Sample: generated images, each with its true labels in a hidden layer."""

from typing import Any

from napari_nucseg.axes import CHANNEL_AXES
from napari_nucseg.sample_data import SAMPLES, Sample

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
        **_geometry(sample, shown),
    }
    labels = {
        "name": "true nuclei",
        "visible": False,
        **_geometry(sample, "".join(a for a in shown if a not in CHANNEL_AXES)),
    }
    return [(sample.image, image, "image"), (sample.labels, labels, "labels")]


def _geometry(sample: Sample, axes: str) -> dict[str, Any]:
    """Return scale, units and axis labels of a layer with these axes."""
    sizes = sample.pixel_size
    return {
        "scale": [sizes.get(axis, 1.0) for axis in axes],
        "units": ["micrometer" if axis in sizes else "pixel" for axis in axes],
        "axis_labels": list(axes.lower()),
    }
