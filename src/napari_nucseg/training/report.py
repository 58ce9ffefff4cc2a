"""What a training leaves beside its model: scores, loss curve, example predictions, card."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_nucseg._types import AnyArray, FloatArray, Window
from napari_nucseg.model.folder import (
    CARD,
    CURVE,
    PREDICTIONS,
    RELIABILITY,
    SCORES,
    ModelFolder,
    write_text,
)
from napari_nucseg.training.batches import validation_batches
from napari_nucseg.training.calibration import foreground_pixels, reliability
from napari_nucseg.training.card import card_text, split_text
from napari_nucseg.training.dataset import Item
from napari_nucseg.training.figures import Example, draw_curves, draw_predictions, draw_reliability
from napari_nucseg.training.recipes import Recipe
from napari_nucseg.training.trainer import Trainer

N_EXAMPLES = 5
BATCH = 8


@dataclass(frozen=True)
class Score:
    """Loss and pixel accuracy of the kept weights on one side of the split."""

    loss: float
    accuracy: float


def write_report(
    trainer: Trainer,
    training: list[Item],
    validation: list[Item],
    hashes: dict[str, str],
    output: Path,
    *,
    data: Path | None = None,
    encoder_weights: Path | None = None,
    parent: ModelFolder | None = None,
) -> None:
    """Write `scores.md`, `curve.png`, `predictions.png`, `reliability.png` and `card.md`.

    Parameters
    ----------
    trainer : Trainer
        After `run`: its network holds the best weights.
    training, validation : list of Item
        Both sides of the split.
    hashes : dict
        File name to sha256 of the exported files.
    output : Path
        The model folder.
    data : Path, optional
        The data folder, named in the card.
    encoder_weights : Path, optional
        What the encoder started from, named in the card.
    parent : ModelFolder, optional
        The model that the training started from, named in the card.
    """
    measured = reliability(*foreground_pixels(trainer.network, *trainer.held_out))
    history, best = trainer.state.history, trainer.state.best_epoch
    scores = scores_text(score_training(trainer, training), score_validation(trainer), trainer)
    scores += (
        "Calibration error of the foreground probability, on these validation images: "
        f"{measured.error:.4f}.\n"
    )
    if trainer.recipe.model.network.in_eight_bits:
        scores += (
            "These are figures of the float32 weights; `model.tflite` computes in eight bits.\n"
        )
    scores += "\n" + split_text(training, validation) + "\n"
    write_text(output / SCORES, scores)
    draw_curves(history, best, output / CURVE)
    draw_reliability(measured, output / RELIABILITY)
    draw_predictions(choose_examples(trainer, validation), output / PREDICTIONS)
    card = card_text(
        trainer.recipe,
        training,
        validation,
        scores,
        hashes,
        output,
        data=data,
        encoder_weights=encoder_weights,
        parent=parent,
    )
    write_text(output / CARD, card)


def score_training(trainer: Trainer, training: Sequence[Item]) -> Score:
    """Measure the trainer's network on the training images, without augmentation.

    The windows are those of `batches.validation_batches`, made a few at a time: all of them at once
    would take gigabytes.
    """
    total = np.zeros(2)
    for start in range(0, len(training), BATCH):
        items = list(training[start : start + BATCH])
        windows, targets = validation_batches(items, trainer.recipe)
        logs = trainer.network.test_on_batch(windows, targets, return_dict=True)
        total += len(items) * np.array([float(logs["loss"]), float(logs["accuracy"])])
    loss, accuracy = total / len(training)
    return Score(float(loss), float(accuracy))


def score_validation(trainer: Trainer) -> Score:
    """Measure the trainer's network on its validation windows."""
    logs = trainer.network.evaluate(
        *trainer.held_out, batch_size=BATCH, verbose=0, return_dict=True
    )
    return Score(float(logs["loss"]), float(logs["accuracy"]))


def scores_text(training: Score, validation: Score, trainer: Trainer) -> str:
    """Return the table of loss and accuracy, and how it was measured, as markdown."""
    size = trainer.recipe.size
    rows = [("training", training), ("validation", validation)]
    table = "".join(
        f"| {name:<10} | {score.loss:.4f} | {100 * score.accuracy:.2f} %        |\n"
        for name, score in rows
    )
    return (
        "|            | loss   | pixel accuracy |\n"
        "| ---------- | ------ | -------------- |\n"
        f"{table}\n"
        f"Weights of epoch {trainer.state.best_epoch + 1} of {trainer.recipe.epochs} (smallest "
        f"validation loss){_blended(trainer.recipe)}, measured without augmentation on one window "
        f"of {size} x {size} pixels per image.\n"
    )


def _blended(recipe: Recipe) -> str:
    return "" if recipe.blend == 1 else f", blended with the parent's ({recipe.blend:g} of the way)"


def choose_examples(trainer: Trainer, validation: Sequence[Item]) -> list[Example]:
    """Predict a few validation images of different kinds."""
    windows, targets = trainer.held_out
    examples = []
    for place in spread_over_kinds([item.kind for item in validation], N_EXAMPLES):
        maps = np.asarray(trainer.network.predict_on_batch(windows[place : place + 1]))[0]
        inside = _filled(targets[place, ..., 4] > 0)
        examples.append(
            Example(
                image=_visible(windows[place][inside], trainer.recipe),
                true=targets[place, ..., 0][inside] > 0.5,
                predicted=maps[..., 0][inside] > 0.5,
                title=validation[place].kind,
            )
        )
    return examples


def spread_over_kinds(kinds: Sequence[str], count: int) -> list[int]:
    """Choose positions of at most `count` images: of as many kinds as possible, evenly spread.

    Parameters
    ----------
    kinds : sequence of str
        Kind of every image.
    count : int
        How many are wanted; fewer come back where there are fewer images.
    """
    seen: Counter[str] = Counter()
    order = []
    for place, kind in enumerate(kinds):
        order.append((seen[kind], kind, place))
        seen[kind] += 1
    order.sort()  # the first image of every kind, then the second of every kind, ...
    first = [place for turn, _, place in order if turn == 0]
    if len(first) > count:
        return [first[round(i)] for i in np.linspace(0, len(first) - 1, count)]
    return [place for _, _, place in order[:count]]


def _filled(valid: AnyArray) -> Window:
    """Return the box (Y, X) of the image in its window: a small image does not fill it."""
    rows, columns = (np.flatnonzero(valid.any(axis=axis)) for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _visible(window: FloatArray, recipe: Recipe) -> FloatArray:
    """Return a network input as a picture in [0, 1]."""
    lowest = 0.0 if recipe.model.input.normalization == "unit" else -1.0
    return np.clip((window - lowest) / (1.0 - lowest), 0.0, 1.0)
