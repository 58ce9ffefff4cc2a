"""What stands in for data where eight bits are fitted: always the same, and of many looks."""

import numpy as np
import pytest

from napari_nucseg.model.config import ModelConfig, NetworkConfig
from napari_nucseg.training.finetune.saving import WINDOWS
from napari_nucseg.training.generated import SAMPLES, SIZE, generated_samples

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def config():
    return ModelConfig(
        name="any", network=NetworkConfig(), diameter=20.0, diameter_range=(10.0, 40.0)
    )


@pytest.fixture(scope="module")
def samples(config):
    return generated_samples(config, SAMPLES)


def test_samples_are_always_the_same(samples, config):
    np.testing.assert_array_equal(generated_samples(config, SAMPLES), samples)


def test_fewer_samples_are_the_first_of_all(samples, config):
    np.testing.assert_array_equal(generated_samples(config, 3), samples[:3])


def test_samples_are_normalised_windows(samples, config):
    assert samples.shape == (SAMPLES, SIZE, SIZE, 3)
    assert samples.dtype == np.float32
    # Cubic interpolation goes beyond what it enlarges, as it does where images are segmented.
    assert np.abs(samples).max() < 1.2 * config.input.clip
    assert np.mean(np.abs(samples) > config.input.clip) < 1e-3
    assert samples.std(axis=(1, 2, 3)).min() > 0.05  # none shows nothing


@pytest.mark.parametrize(("count", "few"), [(SAMPLES, 4), (WINDOWS, 2)])
def test_samples_show_fluorescence_light_ground_and_tissue(samples, count, few):
    samples = samples[:count]
    coloured = np.ptp(samples, axis=-1).max(axis=(1, 2)) > 0.1
    ground = np.median(samples, axis=(1, 2, 3))

    assert coloured.sum() >= few
    assert (~coloured & (ground < -0.3)).sum() >= few
    assert (~coloured & (ground > 0.2)).sum() >= 2
    assert len({window.tobytes() for window in samples}) == count
