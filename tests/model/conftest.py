"""Networks with random weights, built once."""

import keras
import pytest

from napari_nucseg.model.config import ModelConfig, NetworkConfig
from napari_nucseg.model.export import export_network
from napari_nucseg.model.network import build_network
from napari_nucseg.training.recipes import make_recipe
from random_networks import random_network

SMALL = NetworkConfig(decoder_widths=(16, 16, 8, 8, 8))


@pytest.fixture(scope="session")
def small_config():
    return ModelConfig(name="small", network=SMALL, diameter=20.0, diameter_range=(10.0, 40.0))


@pytest.fixture(scope="session")
def small_network():
    """Return the standard architecture, narrow."""
    return random_network(SMALL)


@pytest.fixture(scope="session")
def exported(small_network, small_config, tmp_path_factory):
    """Return the folder of an exported network."""
    folder = tmp_path_factory.mktemp("exported") / "small"
    export_network(small_network, small_config, folder)
    return folder


@pytest.fixture(scope="session", params=["baseline", "standard"])
def recipe_network(request):
    """Return (recipe, network) of both recipes."""
    keras.utils.set_random_seed(0)
    recipe = make_recipe(request.param, model_name=request.param)
    return recipe, build_network(recipe.model.network, recipe.model.fixed_size)
