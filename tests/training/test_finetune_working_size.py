"""The size at which a fine-tuned model sees nuclei: that of those it has learnt from."""

import pytest
from finetune_data import reviewed_row

from napari_nucseg.model.config import ModelConfig, NetworkConfig
from napari_nucseg.training.finetune.working_size import ENLARGED_BELOW, adapt_config

DIAMETER = reviewed_row().diameter
"""Of the disks in the rows: 16 pixels."""


def config(low, high=40.0, diameter=20.0):
    return ModelConfig(
        name="m", network=NetworkConfig(), diameter=diameter, diameter_range=(low, high)
    )


def test_smaller_nuclei_come_to_the_reviewed_size():
    adapted = adapt_config([reviewed_row(), reviewed_row("b")], config(low=8.0))

    assert adapted.diameter == DIAMETER
    assert adapted.diameter_range == (ENLARGED_BELOW * DIAMETER, 40.0)
    assert adapted.scale_for(DIAMETER) == adapted.scale_for(1.5 * DIAMETER) == 1.0
    assert adapted.scale_for(DIAMETER / 2) == pytest.approx(2.0, rel=0.1)
    assert adapted.model_dump(exclude={"diameter", "diameter_range"}) == config(8.0).model_dump(
        exclude={"diameter", "diameter_range"}
    )


@pytest.mark.parametrize(
    "parent",
    [
        config(low=ENLARGED_BELOW * DIAMETER + 0.1),  # sees them so already
        config(low=DIAMETER + 1),  # enlarges them itself
        config(low=4.0, high=DIAMETER - 1, diameter=10.0),  # shrinks them itself
    ],
)
def test_a_base_model_that_brings_them_to_a_size_stays_as_it_is(parent):
    assert adapt_config([reviewed_row()], parent) is parent
