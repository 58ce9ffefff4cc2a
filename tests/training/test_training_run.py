"""Training from a data folder to a model folder that segments, stopped and resumed on the way."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from small_data import random_field, write_folder

from litert_steps import INT8, step_types, types_of
from napari_nucseg import segment
from napari_nucseg.errors import Cancelled, DatasetError, ModelError, WriteError
from napari_nucseg.model.config import NetworkConfig
from napari_nucseg.model.export import export_network
from napari_nucseg.model.folder import open_model
from napari_nucseg.model.network import build_network, encoder_layers
from napari_nucseg.training import generated, run
from napari_nucseg.training.checkpoint import STATE
from napari_nucseg.training.dataset import load_folder
from napari_nucseg.training.recipes import Recipe, make_recipe
from napari_nucseg.training.split import split_by_group
from napari_nucseg.training.trainer import Trainer

pytestmark = pytest.mark.slow

FILES = {
    "card.md",
    "checkpoints",
    "config.json",
    "curve.png",
    "hashes.json",
    "model.tflite",
    "model.weights.h5",
    "predictions.png",
    "reliability.png",
    "scores.md",
}
STEPS = 2


def _recipe() -> Recipe:
    """Return the standard recipe, made tiny: one epoch with a frozen encoder, two without."""
    recipe = make_recipe("standard", model_name="tiny", epochs=3, steps_per_epoch=STEPS, seed=4)
    network = NetworkConfig(decoder_widths=(8, 8, 8, 8, 8))
    model = recipe.model.model_copy(update={"network": network})
    changes = {"model": model, "size": 64, "batch_size": 2, "frozen_epochs": 1}
    return recipe.model_copy(update=changes)


def _stop_after(batches):
    """Return a cancel callback that is true once it was asked `batches` times."""
    asked = 0

    def cancelled():
        nonlocal asked
        asked += 1
        return asked > batches

    return cancelled


def _state(output):
    return json.loads((output / run.CHECKPOINTS / STATE).read_text())


@pytest.fixture(scope="module", autouse=True)
def little():
    """Fit eight bits to few small windows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generated, "SAMPLES", 4)
        patch.setattr(generated, "SIZE", 64)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("data") / "disks")


@pytest.fixture(scope="module")
def trained(data, encoder_weights, tmp_path_factory):
    """Return (model folder, progress calls) of an undisturbed training."""
    output = tmp_path_factory.mktemp("trained") / "tiny"
    calls = []
    run.train(
        data,
        output,
        _recipe(),
        encoder_weights=encoder_weights,
        progress=lambda *call: calls.append(call),
    )
    return output, calls


def test_a_training_leaves_a_complete_model_folder(trained):
    output, calls = trained

    assert {path.name for path in output.iterdir()} == FILES
    assert open_model(output).config == _recipe().model
    state = _state(output)
    assert state["epoch"] == len(state["history"]) == 3
    assert 0 <= state["best_epoch"] < 3
    for record in state["history"]:
        assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= set(record)
        assert np.isfinite(list(record.values())).all()
    assert [call[:2] for call in calls] == [(i, 3 * STEPS) for i in range(1, 3 * STEPS + 1)]
    assert not list(output.rglob("*.partial*"))


def test_the_model_folder_segments(trained):
    image, _ = random_field(77)

    result = segment(image, model=str(trained[0]), diameter=16, probabilities=True)

    assert result.labels.shape == image.shape
    assert result.record["model"] == "tiny"
    assert result.probabilities is not None
    assert np.isfinite(result.probabilities).all()


def test_the_model_folder_computes_in_eight_bits(trained):
    types = step_types(trained[0])

    assert types_of(types, "/decoder_") == {INT8}
    assert list(types.values()).count(INT8) > 0.8 * len(types)


def test_a_finished_training_is_not_overwritten(trained, data):
    with pytest.raises(WriteError, match="already holds a training; pass --resume"):
        run.train(data, trained[0], _recipe())


def test_another_recipe_is_not_resumed(trained, data):
    other = _recipe().model_copy(update={"learning_rate": 0.5})

    with pytest.raises(DatasetError, match="used other settings"):
        run.train(data, trained[0], other, resume=True)


def test_nothing_to_resume_is_said(data, tmp_path):
    with pytest.raises(DatasetError, match="no training to resume"):
        run.train(data, tmp_path / "new" / "nothing", _recipe(), resume=True)
    assert not list(tmp_path.iterdir())


def test_a_missing_data_folder_is_named(tmp_path):
    with pytest.raises(DatasetError, match=f"no data folder at {tmp_path / 'nowhere'}"):
        run.train(tmp_path / "nowhere", tmp_path / "out", _recipe())


def test_a_training_that_fails_early_leaves_no_folder(data, encoder_weights, tmp_path):
    (tmp_path / "mine").mkdir()
    for output in (tmp_path / "new", tmp_path / "mine"):
        with pytest.raises(Cancelled):  # before the first checkpoint
            run.train(
                data,
                output,
                _recipe(),
                encoder_weights=encoder_weights,
                cancelled=_stop_after(0),
            )
    assert [path.name for path in tmp_path.rglob("*")] == ["mine"]


def test_a_training_that_was_stopped_ends_like_an_undisturbed_one(
    trained, data, encoder_weights, tmp_path
):
    output = tmp_path / "tiny"
    with pytest.raises(Cancelled, match="epoch 2"):  # the first batch of the second phase
        run.train(
            data,
            output,
            _recipe(),
            encoder_weights=encoder_weights,
            cancelled=_stop_after(STEPS),
        )
    assert _state(output)["epoch"] == 1
    assert not (output / "model.tflite").exists()
    trainer = _trainer(data, output)

    trainer.resume()
    trainer.run()

    expected = _state(trained[0])["history"]
    assert len(trainer.state.history) == len(expected)
    for record, wanted in zip(trainer.state.history, expected, strict=True):
        assert record == pytest.approx(wanted, rel=1e-3)
    ended = [
        _load(trainer.network, folder / run.CHECKPOINTS / trainer.state.last)
        for folder in (output, trained[0])
    ]
    for found, wanted in zip(*ended, strict=True):
        assert np.linalg.norm(found - wanted) <= 1e-3 * np.linalg.norm(wanted) + 1e-5


def test_resuming_restores_the_optimizer(trained, data):
    trainer = _trainer(data, trained[0])

    trainer.resume()

    optimizer = trainer.network.optimizer
    assert int(optimizer.iterations) == 2 * STEPS  # two epochs in the second phase
    momenta = [np.abs(np.asarray(variable)).max() for variable in optimizer.variables[2:]]
    assert np.mean(np.array(momenta) > 0) > 0.9


def test_the_split_is_that_of_its_own_seed(data, tmp_path, monkeypatch):
    made = {"model_name": "tiny", "epochs": 1, "steps_per_epoch": 1}
    data = shutil.copytree(data, tmp_path / "data")
    (data / "index.csv").unlink(missing_ok=True)  # each image is a group
    seen = []

    class Stopped(Exception):
        pass

    def look(training, validation, recipe, _checkpoints):
        seen.append({item.name for item in validation})
        raise Stopped

    monkeypatch.setattr(run, "Trainer", look)
    fraction = make_recipe("standard", **made).validation_fraction
    held_out = [
        {item.name for item in split_by_group(load_folder(data), fraction, seed)[1]}
        for seed in range(10)
    ]
    other = next(seed for seed in range(10) if held_out[seed] != held_out[0])
    for seed, split_seed, expected in ((0, None, 0), (0, other, other), (other, 0, 0)):
        recipe = make_recipe("standard", **made, seed=seed, split_seed=split_seed)
        with pytest.raises(Stopped):
            run.train(data, tmp_path / "model", recipe)
        assert seen[-1] == held_out[expected]


def _trainer(data, output):
    recipe = _recipe()
    sides = split_by_group(load_folder(data), recipe.validation_fraction, recipe.seed)
    return Trainer(*sides, recipe, output / run.CHECKPOINTS)


def _load(network: keras.Model, path: Path) -> list[np.ndarray]:
    network.load_weights(path)
    return [np.array(weight) for weight in network.get_weights()]


def test_the_baseline_trains_its_decoder_alone(data, encoder_weights, tmp_path):
    recipe = make_recipe("baseline", model_name="b", epochs=1)
    narrow = recipe.model.network.model_copy(update={"decoder_widths": (16, 16, 8, 8, 8)})
    model = recipe.model.model_copy(update={"network": narrow})
    recipe = recipe.model_copy(update={"model": model})
    source = keras.applications.MobileNetV2(
        include_top=False, weights=None, input_shape=(None, None, 3)
    )
    source.load_weights(encoder_weights)

    run.train(data, tmp_path / "b", recipe, encoder_weights=encoder_weights)

    trainer = Trainer(
        *split_by_group(load_folder(data), recipe.validation_fraction, 0),
        recipe,
        tmp_path / "b" / run.CHECKPOINTS,
    )
    keras.utils.set_random_seed(recipe.seed)  # as the training did
    untrained = build_network(recipe.model.network, recipe.model.fixed_size)
    start = untrained.get_layer("decoder_4_transpose").get_weights()[0]
    trainer.network.load_weights(next(trainer.folder.glob("best-*.weights.h5")))
    for layer in encoder_layers(trainer.network):
        for found, expected in zip(
            layer.get_weights(),
            source.get_layer(layer.name).get_weights() if layer.weights else [],
            strict=True,
        ):
            np.testing.assert_array_equal(found, expected)
    ended = trainer.network.get_layer("decoder_4_transpose").get_weights()[0]
    assert 0 < np.abs(start - ended).max() < 0.01  # one step of Adam at a rate of 0.001
    assert {path.name for path in (tmp_path / "b").iterdir()} == FILES
    image, _ = random_field(78, (80, 100))
    result = segment(image, model=str(tmp_path / "b"), diameter=16)
    assert result.labels.shape == image.shape


def test_a_training_starts_from_all_weights_of_its_parent(trained, data, tmp_path):
    parent = open_model(trained[0])
    recipe = _recipe().model_copy(update={"epochs": 1, "frozen_epochs": 0, "learning_rate": 1e-9})

    run.train(data, tmp_path / "child", recipe, parent=parent)

    network, expected = (build_network(recipe.model.network) for _ in range(2))
    network.load_weights(tmp_path / "child" / "model.weights.h5")
    expected.load_weights(parent.weights)
    for got, wanted in zip(network.trainable_weights, expected.trainable_weights, strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-6)
    card = (tmp_path / "child" / "card.md").read_text()
    assert parent.hashes["model.weights.h5"] in card
    assert "--parent tiny" in card


def test_kept_weights_lie_between_the_parent_s_and_the_trained_ones(trained, data, tmp_path):
    parent = open_model(trained[0])
    changes = {"epochs": 1, "frozen_epochs": 0, "average": 0.0, "calibrated": False}
    recipe = _recipe().model_copy(update={**changes, "include_test_groups": True})
    data = shutil.copytree(data, tmp_path / "data")
    (data / "index.csv").write_text("id,shares_group_with_test\nimage0,1\n")

    run.train(data, tmp_path / "trained", recipe, parent=parent)
    shutil.copytree(tmp_path / "trained", tmp_path / "blended")
    state = tmp_path / "blended" / run.CHECKPOINTS / STATE
    saved = json.loads(state.read_text())
    state.write_text(json.dumps({**saved, "recipe": {**saved["recipe"], "blend": 0.25}}))
    blended = recipe.model_copy(update={"blend": 0.25})
    run.train(data, tmp_path / "blended", blended, parent=parent, resume=True)

    network = build_network(recipe.model.network)
    old, new, between = (
        _load(network, folder / "model.weights.h5")
        for folder in (parent.path, tmp_path / "trained", tmp_path / "blended")
    )
    assert max(np.abs(b - a).max() for a, b in zip(old, new, strict=True)) > 1e-3
    for start, end, got in zip(old, new, between, strict=True):
        np.testing.assert_allclose(got, start + 0.25 * (end - start), rtol=1e-5, atol=1e-6)
    card = (tmp_path / "blended" / "card.md").read_text()
    assert "blended with the parent's (0.25 of the way)" in card
    assert "--blend 0.25 --include-test-groups" in card
    assert "1 of the training images shares a field of view with withheld" in card


def test_another_parent_is_not_resumed(trained, data, tmp_path):
    first, second = open_model(trained[0]), tmp_path / "second"
    network = build_network(_recipe().model.network)  # random weights
    export_network(network, _recipe().model.model_copy(update={"name": "second"}), second)
    recipe = _recipe().model_copy(update={"epochs": 1})
    run.train(data, tmp_path / "child", recipe, parent=first)
    hashes = [model.hashes["model.weights.h5"][:12] for model in (first, open_model(second))]
    for parent, given in (
        (open_model(second), f"got the parent 'second' (weights of sha256 {hashes[1]})"),
        (None, "got no parent"),
    ):
        with pytest.raises(DatasetError, match="started from the parent 'tiny'") as caught:
            run.train(data, tmp_path / "child", recipe, parent=parent, resume=True)
        assert f"(weights of sha256 {hashes[0]})" in str(caught.value)
        assert given in str(caught.value)
    with pytest.raises(DatasetError, match=r"from no parent; .* got the parent 'tiny'"):
        run.train(data, trained[0], _recipe(), parent=first, resume=True)


def test_a_parent_with_another_network_is_refused(trained, data, tmp_path):
    other = make_recipe("standard", model_name="big", epochs=1, steps_per_epoch=1)

    with pytest.raises(ModelError, match="cannot start from model 'tiny': its network"):
        run.train(data, tmp_path / "child", other, parent=open_model(trained[0]))
