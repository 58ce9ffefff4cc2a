"""Whatever is opened: one clear sentence, no layer, and the widget goes on."""

import numpy as np
import pytest

from napari_nucseg.registry import bundled_folder
from napari_nucseg.widgets._image_form import SHAPES

FIXED = {"contrast_limits": (0, 1)}


IMAGES = {
    "one row": (np.zeros((1, 32), np.uint8), "The image is 1 x 32 pixels in Y and X"),
    "one column": (np.zeros((32, 1), np.uint8), "The image is 32 x 1 pixels in Y and X"),
    "nan": (np.full((32, 32), np.nan), "Every pixel of the image is NaN or infinite"),
    "six dimensions": (np.zeros((2, 2, 2, 2, 32, 32), np.uint8), "has 6 dimensions; 2 to 5"),
}
REFUSED_BY_NAPARI = {
    "empty": (np.zeros((0, 16), np.uint8), "The image is empty: it has the shape 0 x 16."),
    "complex": (np.zeros((32, 32), complex), "Pixels must be real numbers"),
    "objects": (np.full((32, 32), None), "Pixels must be real numbers"),
}


@pytest.fixture
def bench(windowless_bench):
    return windowless_bench


def check(bench, notices, sentence):
    bench.run()
    assert len(bench.viewer.layers) == 1
    assert len(notices) == 1
    assert sentence in notices[0]
    assert bench.status == notices[0]


@pytest.mark.parametrize("case", IMAGES)
def test_images_that_cannot_be_segmented(bench, field, notices, case):
    data, sentence = IMAGES[case]
    bench.viewer.add_image(data, **FIXED)
    check(bench, notices, sentence)
    bench.viewer.add_image(field, name="good")
    assert bench.run().name == "good nuclei"


@pytest.mark.parametrize("case", REFUSED_BY_NAPARI)
def test_arrays_that_reach_a_layer_behind_naparis_back(bench, field, notices, monkeypatch, case):
    data, sentence = REFUSED_BY_NAPARI[case]
    bench.viewer.add_image(field)
    monkeypatch.setattr("napari_nucseg.widgets._image_form.full_resolution", lambda layer: data)
    check(bench, notices, sentence)


def test_no_layers(bench, notices):
    bench.run()
    assert notices == ["Open an image first, then press Run: there is no image layer to segment."]
    assert bench.status == notices[0]
    bench.widget.copy_command()
    assert len(notices) == 2


def test_labels_cannot_be_chosen(bench, field, notices):
    bench.viewer.add_labels(field.astype(int))
    assert bench.form.image.choices == ()
    bench.run()
    assert notices[0].startswith("Open an image first")


def test_constant_image(bench, notices):
    bench.viewer.add_image(np.full((64, 64), 7, np.uint8), **FIXED)
    labels = bench.run()
    assert not labels.data.any()
    assert bench.status.startswith("0 nuclei in ")
    assert bench.status.endswith("The image is constant (every pixel is 7), so it shows no nuclei.")
    assert notices == []


def test_length_without_pixel_size(bench, field, notices):
    layer = bench.viewer.add_image(field, name="cells")
    bench.set(diameter="8 um")
    bench.run()
    assert "'8 um' is a length, but 'cells' has no pixel size in Y and X" in notices[0]
    assert len(bench.viewer.layers) == 1
    assert "layer.scale = [0.32, 0.32]; layer.units = 'micrometer'" in notices[0]
    layer.scale = [0.32, 0.32]
    layer.units = "micrometer"
    assert bench.run().metadata["napari_nucseg"]["diameter_pixels"] == 8 / 0.32


def test_no_shapes_layer(bench, field, notices):
    bench.viewer.add_image(field)
    bench.form.what.value = SHAPES
    bench.run()
    assert notices == ["Add a shapes layer and draw a rectangle, an ellipse or a polygon in it."]


def test_empty_shapes_layer(bench, field, notices):
    bench.viewer.add_image(field)
    bench.viewer.add_shapes(name="mine")
    bench.form.what.value = SHAPES
    bench.run()
    assert notices[0].startswith("The shapes layer 'mine' has no rectangle")


def test_shapes_outside_the_image(bench, field, notices):
    bench.viewer.add_image(field)
    box = np.array([[500, 500], [500, 600], [600, 600], [600, 500]])
    bench.viewer.add_shapes([box], shape_type="rectangle")
    bench.form.what.value = SHAPES
    bench.run()
    assert notices == ["The region is empty: no pixel of the image lies in it."]


def test_channel_that_is_not_there(bench, stack, notices):
    bench.viewer.add_image(stack)
    bench.form.axes.value = "CYX"
    bench.set(channels="7")
    bench.run()
    assert notices == ["channels: the image has 3 (counted from 0), got 7."]


def test_model_that_is_gone(bench, field, notices, monkeypatch, tmp_path):
    assert "nuclei" in bench.widget.fields["model"].choices
    assert bundled_folder().is_dir()
    monkeypatch.setattr("napari_nucseg.registry.catalog.bundled_folder", lambda: tmp_path)
    bench.viewer.add_image(field)
    bench.run()
    assert len(notices) == 1
    assert "nuclei" in notices[0]
    assert len(bench.viewer.layers) == 1


def test_a_diameter_that_could_not_be_estimated_is_called_the_models_own(bench):
    bench.viewer.add_image(np.random.default_rng(0).poisson(100, (64, 64)).astype(np.uint16))
    bench.set(diameter="auto")
    bench.run()
    first, second = bench.status.splitlines()
    assert first.startswith("0 nuclei in ")
    assert first.endswith(", the model's own)")
    assert second.startswith("No nuclei were seen that could be measured")
