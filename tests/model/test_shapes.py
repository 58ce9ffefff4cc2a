"""What is known of weights without Keras is what Keras writes."""

import subprocess
import sys

import h5py
import pytest

from napari_nucseg.model.config import NetworkConfig
from napari_nucseg.model.network import build_network
from napari_nucseg.model.shapes import weight_shapes


def written(network, path):
    """Return the shape of each array in the weights file of a network."""
    network.save_weights(path)
    shapes = {}

    def look(name, item):
        if isinstance(item, h5py.Dataset):
            shapes[name] = item.shape

    with h5py.File(path) as file:
        file.visititems(look)
    return shapes


def test_the_shapes_are_those_of_both_recipes(recipe_network, tmp_path):
    recipe, network = recipe_network

    assert weight_shapes(recipe.model.network) == written(network, tmp_path / "model.weights.h5")


@pytest.mark.parametrize("decoder", ["separable", "transposed"])
@pytest.mark.parametrize("outputs", [("foreground",), ("foreground", "offset", "distance")])
def test_the_shapes_are_those_of_any_config(decoder, outputs, tmp_path):
    config = NetworkConfig(decoder=decoder, decoder_widths=(5, 7, 11, 13), outputs=outputs)

    network = build_network(config)
    assert weight_shapes(config) == written(network, tmp_path / "model.weights.h5")


def test_the_shapes_need_no_keras():
    code = "import napari_nucseg.model.shapes, sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {module.partition(".")[0] for module in done.stdout.split()}
    assert not loaded & {"tensorflow", "keras"}
