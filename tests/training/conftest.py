"""A data folder, and random encoder weights."""

import keras
import pytest
from finetune_data import write_parent
from small_data import write_folder


@pytest.fixture
def data_folder(tmp_path):
    return write_folder(tmp_path / "data")


@pytest.fixture(scope="session")
def encoder_weights(tmp_path_factory):
    """Return a file of random MobileNetV2 weights."""
    keras.utils.set_random_seed(3)
    path = tmp_path_factory.mktemp("encoder") / "mobilenet.weights.h5"
    keras.applications.MobileNetV2(
        include_top=False, weights=None, input_shape=(None, None, 3)
    ).save_weights(path)
    return path


@pytest.fixture(scope="session")
def small_parent(tmp_path_factory):
    """Return a model folder with random weights, to fine-tune."""
    return write_parent(tmp_path_factory.mktemp("parent") / "little")
