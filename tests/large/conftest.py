import numpy as np
import pytest
from stores import write_ome

from napari_nucseg import segment
from napari_nucseg.sample_data import fluorescence_field


@pytest.fixture(scope="session")
def field():
    """A generated field, 288 x 336."""
    return fluorescence_field((288, 336), diameter=18, seed=4)


@pytest.fixture(scope="session")
def whole(field):
    """What `segment` finds in the field."""
    return segment(field.image, diameter=18)


@pytest.fixture
def source(tmp_path, field):
    """The field as OME-Zarr 0.4."""
    return write_ome(tmp_path / "image.ome.zarr", field.image)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "labels.ome.zarr"


@pytest.fixture
def dark():
    """Where a generated field has no nuclei."""
    return np.random.default_rng(0).poisson(100, (64, 64)).astype(np.uint16)
