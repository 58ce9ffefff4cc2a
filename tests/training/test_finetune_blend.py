"""How far a fine-tuning goes from its base model, by how much there is to learn from."""

import pytest

from napari_nucseg.training.finetune.tuner import blend_for


@pytest.mark.parametrize(
    ("nuclei", "way"), [(5, 0.5), (90, 0.5), (120, 0.64), (150, 0.8), (1000, 0.8)]
)
def test_the_way_is_shorter_with_few_nuclei(nuclei, way):
    assert blend_for(nuclei) == pytest.approx(way)
