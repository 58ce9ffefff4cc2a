"""Generated images that the tests of `segment` share."""

import pytest

from napari_nucseg.sample_data import fluorescence_field


@pytest.fixture(scope="session")
def field():
    """Return a generated fluorescence field."""
    return fluorescence_field((192, 224), seed=1)


@pytest.fixture(scope="session")
def coarse(field):
    """Return the field in 8 bits: percentiles of several copies are those of one."""
    image = field.image
    return (image.astype(float) / image.max() * 255).astype("uint8")
