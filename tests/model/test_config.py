"""The `config.json` of a model."""

import pytest
from pydantic import ValidationError

from napari_nucseg.model.config import ModelConfig, NetworkConfig
from napari_nucseg.training.recipes import make_recipe


@pytest.mark.parametrize("name", ["baseline", "standard"])
def test_configs_survive_json(name):
    config = make_recipe(name, model_name="mine").model

    assert ModelConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("outputs", "channels"),
    [(("foreground",), 1), (("foreground", "distance"), 2), (("foreground", "offset"), 3)],
)
def test_channels_are_those_of_the_outputs(outputs, channels):
    assert NetworkConfig(outputs=outputs).channels == channels


def test_outputs_begin_behind_the_channels_of_those_before():
    config = NetworkConfig(outputs=("foreground", "offset", "distance"))

    assert [config.first_channel(name) for name in config.outputs] == [0, 1, 3]


@pytest.mark.parametrize(
    "change",
    [
        {"surprise": 1},
        {"format": 2},
        {"name": "../escape"},
        {"name": ""},
        {"diameter": 0},
        {"fixed_size": 100},
        {"network": {"decoder": "other"}},
        {"network": {"outputs": ["distance", "foreground"]}},
        {"network": {"outputs": ["foreground", "foreground"]}},
        {"network": {"outputs": []}},
        {"network": {"decoder_widths": [8, 8, 8]}},
        {"network": {"decoder_widths": [8, 8, 8, 8, 2000]}},
        {"network": {"surprise": 1}},
        {"input": {"normalization": "other"}},
    ],
)
def test_unknown_keys_and_impossible_values_are_refused(change):
    valid = {"name": "a", "network": {}, "diameter": 20.0, "diameter_range": [10, 40]}
    ModelConfig.model_validate(valid)

    with pytest.raises(ValidationError):
        ModelConfig.model_validate({**valid, **change})


def test_the_baseline_is_the_original_system():
    recipe = make_recipe("baseline", model_name="b")

    assert recipe.model.network.outputs == ("foreground",)
    assert recipe.model.network.decoder == "transposed"
    assert recipe.model.fixed_size == recipe.size == 128
    assert recipe.model.input.normalization == "unit"
    assert (recipe.batch_size, recipe.epochs) == (8, 10)
    assert recipe.frozen_until() == recipe.epochs  # the encoder is never trained


def test_the_standard_recipe_trains_the_encoder_in_a_second_phase():
    recipe = make_recipe("standard", model_name="s")

    assert 0 < recipe.frozen_until() < recipe.epochs
    assert 0 < recipe.encoder_rate < 1
    assert recipe.model.fixed_size is None


def test_a_recipe_can_be_shortened():
    recipe = make_recipe("standard", model_name="s", epochs=1, steps_per_epoch=3, seed=5)

    assert (recipe.epochs, recipe.steps_per_epoch, recipe.seed) == (1, 3, 5)
    assert recipe.frozen_until() == 1


@pytest.mark.parametrize(
    ("diameter", "scale"),
    [
        (12.0, 1.0),
        (44.0, 1.0),
        (88.0, 0.25),
        (11.0, 2.0),
        (3.5, 6.4),
        (2.0, 6.4),
        (0.0, 1.0),
    ],
)
def test_nuclei_beyond_the_range_are_rescaled_to_the_training_diameter(diameter, scale):
    model = make_recipe("standard", model_name="m").model
    assert (model.diameter, model.diameter_range) == (22.0, (12.0, 44.0))

    assert model.scale_for(diameter) == scale
    assert model.model_copy(update={"fixed_size": 128}).scale_for(diameter) == 1.0
