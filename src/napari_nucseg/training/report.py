"""What a training leaves beside its model: scores, loss curve, example predictions, card."""

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from napari_nucseg._types import AnyArray, FloatArray, Window
from napari_nucseg.counted import counted
from napari_nucseg.model.folder import CARD, WEIGHTS, ModelFolder, open_model, write_text
from napari_nucseg.training.batches import validation_batches
from napari_nucseg.training.calibration import foreground_pixels, reliability
from napari_nucseg.training.dataset import Item
from napari_nucseg.training.figures import Example, draw_curves, draw_predictions, draw_reliability
from napari_nucseg.training.index import read_index
from napari_nucseg.training.recipes import Recipe, make_recipe
from napari_nucseg.training.trainer import Trainer

SCORES, CURVE, PREDICTIONS, RELIABILITY = (
    "scores.md",
    "curve.png",
    "predictions.png",
    "reliability.png",
)

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
    scores += "\n" + _split_text(training, validation) + "\n"
    write_text(output / SCORES, scores)
    draw_curves(history, best, output / CURVE)
    draw_reliability(measured, output / RELIABILITY)
    draw_predictions(choose_examples(trainer, validation), output / PREDICTIONS)
    sections = {
        "Data": _data_text(training, validation, data),
        "Recipe": f"```json\n{trainer.recipe.model_dump_json(indent=2)}\n```",
        "Scores": scores.rstrip(),
        "Files": "\n".join(f"* `{name}`: sha256 `{digest}`" for name, digest in hashes.items()),
        "Made with": _versions_text(encoder_weights, parent),
        "Made by": f"```\n{_command(trainer.recipe, output, data, encoder_weights, parent)}\n```",
    }
    title = f"# {trainer.recipe.model.name}\n\n{trainer.recipe.model.description}\n"
    body = "".join(f"\n## {name}\n\n{text}\n" for name, text in sections.items())
    write_text(output / CARD, title + body)


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


def _split_text(training: Sequence[Item], validation: Sequence[Item]) -> str:
    sides = (("Training", training), ("validation", validation))
    parts = [
        f"{name}: {counted(len(items), 'image')} in "
        f"{counted(len({item.group for item in items}), 'group')}"
        for name, items in sides
    ]
    return "; ".join(parts) + "; no group is on both sides."


def _data_text(training: Sequence[Item], validation: Sequence[Item], data: Path | None) -> str:
    lines = [_split_text(training, validation)]
    if data is not None:
        lines[0] = f"Folder `{data.resolve().name}`. {lines[0]}"
        lines.extend(_about_test_groups(data, training))
        lines.extend(
            f"Source and licence of the images: see `{name}` in that folder."
            for name in ("LICENSE", "README.md")
            if (data / name).is_file()
        )
    lines.append("Images per kind (training / validation):")
    both = [Counter(item.kind or "(not given)" for item in side) for side in (training, validation)]
    kinds = [f"* {kind}: {both[0][kind]} / {both[1][kind]}" for kind in sorted(both[0] | both[1])]
    return "\n\n".join([*lines, "\n".join(kinds)])


def _about_test_groups(data: Path, training: Sequence[Item]) -> list[str]:
    """Say what became of images near withheld ones, and which images were rejected."""
    rows = read_index(data).values()
    rejected = sum(row.wrong for row in rows)
    shared = sum(row.in_test_group for row in rows)
    taken = sum(item.in_test_group for item in training)
    sentences = []
    if taken:
        sentences.append(
            f"{taken} of the training images {'shares' if taken == 1 else 'share'} a field of view "
            "with withheld test images: "
            "scores on those are not those of unseen fields."
        )
    elif shared:
        sentences.append(
            f"Left out: {counted(shared, 'image')} that {'shares' if shared == 1 else 'share'} a "
            "field of view with withheld test images."
        )
    if rejected:
        sentences.append(
            f"Left out: {counted(rejected, 'image')} whose labels were found to be wrong."
        )
    return sentences


def _versions_text(encoder_weights: Path | None, parent: ModelFolder | None) -> str:
    lines = [f"* {name} {_version(name)}" for name in ("napari-nucseg", "keras", "tensorflow")]
    if parent is not None:
        start = f"model `{parent.name}` with weights of sha256 `{parent.hashes[WEIGHTS]}`"
    elif encoder_weights is not None and encoder_weights.is_dir():
        found = open_model(encoder_weights)
        start = f"the encoder of model `{found.name}`, weights of sha256 `{found.hashes[WEIGHTS]}`"
    elif encoder_weights is not None:
        start = f"encoder `{encoder_weights.name}`"
    else:
        start = "Keras' ImageNet weights of the encoder"
    return "\n".join([*lines, f"* started from {start}"])


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(not installed)"


def _command(
    recipe: Recipe,
    output: Path,
    data: Path | None,
    encoder_weights: Path | None,
    parent: ModelFolder | None,
) -> str:
    """Return the shell line that trains the same model again."""
    usual = make_recipe(recipe.name, model_name=recipe.model.name)
    words = ["napari-nucseg", "train", str(data or "DATA"), "--recipe", recipe.name]
    if encoder_weights is not None:
        words += ["--encoder-weights", str(encoder_weights)]
    if parent is not None:
        words += ["--parent", parent.name]
    words += ["--output", str(output), "--name", recipe.model.name]
    if recipe.epochs != usual.epochs:
        words += ["--epochs", str(recipe.epochs)]
    if recipe.steps_per_epoch not in (None, usual.steps_per_epoch):
        words += ["--steps", str(recipe.steps_per_epoch)]
    if recipe.blend != 1:
        words += ["--blend", f"{recipe.blend:g}"]
    if recipe.include_test_groups:
        words.append("--include-test-groups")
    if recipe.split_seed != recipe.seed:
        words += ["--split-seed", str(recipe.split_seed)]
    return shlex.join([*words, "--seed", str(recipe.seed)])
