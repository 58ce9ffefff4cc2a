"""The bundled model on generated images: honest floors, and nothing where there is nothing.

The floors lie about 0.1 below what the first bundled model reached; the generated images were never
trained on, and are not tuned to the model.
"""

from statistics import fmean

import cv2
import numpy as np
import pytest

from napari_nucseg import evaluate, segment
from napari_nucseg.sample_data import empty_fields, fluorescence_field, histology_field, z_stack

SEEDS = (0, 1, 2)


def _precision(samples):
    """Return AP at IoU 0.5, the mean over the samples, and the worst error of the diameter."""
    scores, errors = [], []
    for sample in samples:
        found = segment(sample.image, sample.axes)
        true, predicted = (
            list(labels) if labels.ndim == 3 else [labels]
            for labels in (sample.labels, found.labels)
        )
        summary = evaluate(true, predicted, thresholds=[0.5])
        scores.append(summary.average_precision[0].per_image)
        errors.append(abs(np.log(found.diameter / sample.metadata["diameter"])))
    return fmean(scores), max(errors)


@pytest.mark.parametrize(
    ("shape", "diameter", "floor"),
    [((384, 384), 20.0, 0.86), ((256, 256), 12.0, 0.87), ((512, 512), 40.0, 0.87)],
)
def test_fluorescence(shape, diameter, floor):
    precision, error = _precision(fluorescence_field(shape, diameter, seed=s) for s in SEEDS)

    assert precision >= floor
    assert error < np.log(1.35)


def test_histology():
    precision, error = _precision(histology_field((384, 384), seed=s) for s in SEEDS)

    assert precision >= 0.69
    assert error < np.log(1.5)


def test_z_stack():
    precision, error = _precision(z_stack((8, 192, 192), seed=s) for s in SEEDS)

    assert precision >= 0.57
    assert error < np.log(1.5)


EMPTY = empty_fields((256, 256))


@pytest.mark.parametrize("kind", EMPTY)
@pytest.mark.parametrize("diameter", ["auto", "20"])
def test_nothing_is_found_where_there_is_nothing(kind, diameter):
    found = segment(EMPTY[kind], diameter=diameter)

    assert found.count <= 1
    if diameter != "auto":  # seen from far away, a smooth shade may pass for one huge nucleus
        assert (found.labels > 0).mean() < 0.01


@pytest.mark.parametrize("scale", [0.25, 0.5, 2.0, 4.0])
def test_a_rescaled_image_has_as_many_nuclei(scale):
    image = fluorescence_field((320, 320), 24.0, seed=5).image
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    rescaled = cv2.resize(image, None, fx=scale, fy=scale, interpolation=way)

    own, found = segment(image), segment(rescaled)

    assert found.count == pytest.approx(own.count, rel=0.06)
    assert found.diameter / own.diameter == pytest.approx(scale, rel=0.2)
