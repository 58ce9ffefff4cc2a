"""What a training leaves beside its model, without training one."""

from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from small_data import make_item, write_folder

from napari_nucseg.model.config import NetworkConfig
from napari_nucseg.training.recipes import make_recipe
from napari_nucseg.training.report import (
    score_training,
    score_validation,
    spread_over_kinds,
    write_report,
)
from napari_nucseg.training.trainer import Trainer

HISTORY = [
    {"loss": 2.0, "accuracy": 0.8, "val_loss": 1.5, "val_accuracy": 0.85},
    {"loss": 1.0, "accuracy": 0.9, "val_loss": 0.9, "val_accuracy": 0.95},
    {"loss": 0.9, "accuracy": 0.91, "val_loss": 1.1, "val_accuracy": 0.94},
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return (trainer, training, validation) as after three epochs, the second of them best."""
    keras.utils.set_random_seed(0)
    recipe = make_recipe("standard", model_name="little", epochs=3)
    network = NetworkConfig(decoder_widths=(8, 8, 8, 8, 8))
    model = recipe.model.model_copy(update={"network": network})
    recipe = recipe.model_copy(update={"model": model, "size": 64})
    training = [make_item(s, name=f"t{s}", group=f"t{s // 2}", kind="a") for s in range(9)]
    validation = [make_item(50 + s, name=f"v{s}", group="v", kind="ab"[s]) for s in range(2)]
    trainer = Trainer(training, validation, recipe, tmp_path_factory.mktemp("checkpoints"))
    trainer._compile()
    trainer.state.history, trainer.state.best_epoch = HISTORY, 1
    return trainer, training, validation


@pytest.fixture(scope="module")
def report(trained, tmp_path_factory):
    """Return the folder of a written report."""
    trainer, training, validation = trained
    data = write_folder(tmp_path_factory.mktemp("source") / "nuclei-data")
    (data / "README.md").write_text("CC0")
    (data / "index.csv").write_text(
        "label_source,id,group,shares_group_with_test\n"
        "fixed,a,g,1\noriginal_rejected,b,g,0\nfixed,c,g,1\n",
        encoding="utf-8-sig",  # as spreadsheets save it
    )
    output = tmp_path_factory.mktemp("report")
    write_report(
        trainer,
        training,
        validation,
        {"model.weights.h5": "abc123", "model.tflite": "def456"},
        output,
        data=data,
        encoder_weights=Path("/weights/start.weights.h5"),
    )
    return output


def test_the_scores_are_a_table_of_loss_and_accuracy(trained, report):
    trainer, training, _ = trained
    text = (report / "scores.md").read_text()

    sides = {"training": score_training(trainer, training), "validation": score_validation(trainer)}
    for name, score in sides.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| {name}"))
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells == [name, f"{score.loss:.4f}", f"{100 * score.accuracy:.2f} %"]
    assert "epoch 2 of 3" in text
    assert "Training: 9 images in 5 groups; validation: 2 images in 1 group;" in text


def test_the_scores_of_a_side_are_those_of_keras(trained):
    trainer, _, validation = trained

    by_hand, by_keras = score_training(trainer, validation), score_validation(trainer)

    assert by_hand.loss == pytest.approx(by_keras.loss, rel=1e-5)
    assert by_hand.accuracy == pytest.approx(by_keras.accuracy, rel=1e-5)


def test_the_pictures_are_small_and_not_blank(report):
    for name, most in (("curve.png", 150_000), ("predictions.png", 400_000)):
        assert (report / name).stat().st_size < most
        picture = cv2.imread(str(report / name))
        assert picture is not None
        assert picture.std() > 5


def test_the_card_says_what_is_in_the_model(report):
    card = (report / "card.md").read_text()

    assert card.startswith("# little\n")
    assert "Folder `nuclei-data`" in card
    assert "2 images that share a field of view with withheld test images" in card
    assert "1 image whose labels were found to be wrong" in card
    assert "see `README.md` in that folder" in card
    assert "* a: 9 / 1" in card
    assert "* b: 0 / 1" in card
    assert "`model.tflite`: sha256 `def456`" in card
    assert "`model.weights.h5`: sha256 `abc123`" in card
    assert (report / "scores.md").read_text().splitlines()[2] in card
    for name in ("napari-nucseg", "keras", "tensorflow"):
        assert f"* {name} " in card
    assert "`start.weights.h5`" in card


def test_the_card_holds_the_recipe_and_the_command(trained, report):
    card = (report / "card.md").read_text()
    recipe = card.partition("```json\n")[2].partition("\n```")[0]
    command = card.splitlines()[-2].split()

    assert type(trained[0].recipe).model_validate_json(recipe) == trained[0].recipe
    assert command[:2] == ["napari-nucseg", "train"]
    for option, value in (
        ("--recipe", "standard"),
        ("--encoder-weights", "/weights/start.weights.h5"),
        ("--name", "little"),
        ("--epochs", "3"),
        ("--seed", "0"),
    ):
        assert command[command.index(option) + 1] == value


def test_the_command_tells_a_split_that_is_not_that_of_the_seed(trained, tmp_path):
    trainer, training, validation = trained
    recipe, trainer.recipe = trainer.recipe, trainer.recipe.model_copy(update={"split_seed": 7})

    write_report(trainer, training, validation, {}, tmp_path)
    trainer.recipe = recipe

    assert "--split-seed 7 --seed 0" in (tmp_path / "card.md").read_text()


def test_a_report_without_a_data_folder_says_what_it_knows(trained, tmp_path):
    trainer, training, validation = trained

    write_report(trainer, training, validation, {}, tmp_path)

    card = (tmp_path / "card.md").read_text()
    assert "9 images in 5 groups" in card
    assert "napari-nucseg train DATA " in card


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ([], []),
        (["a", "a"], [0, 1]),
        (["a"] * 9 + ["b"], [0, 9, 1, 2, 3]),
        (list("abcdefghi"), [0, 2, 4, 6, 8]),
        (list("aabbccddee"), [0, 2, 4, 6, 8]),
    ],
)
def test_examples_are_spread_over_the_kinds(kinds, expected):
    assert spread_over_kinds(kinds, 5) == expected


def test_drawing_leaves_pyplot_alone(report):
    import sys

    pyplot = sys.modules.get("matplotlib.pyplot")

    assert pyplot is None or not pyplot.get_fignums()


def test_examples_show_the_image_and_nothing_around_it(trained):
    from napari_nucseg.training.report import choose_examples

    examples = choose_examples(*[trained[0], trained[2]])

    assert {example.title for example in examples} == {"a", "b"}
    for example in examples:
        assert example.image.shape[:2] == example.true.shape == example.predicted.shape
        assert np.all((example.image >= 0) & (example.image <= 1))
