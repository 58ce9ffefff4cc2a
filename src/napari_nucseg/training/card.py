"""The card of a trained model: what it was made from, how, and how good it is, as markdown."""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from napari_nucseg.counted import counted
from napari_nucseg.model.folder import WEIGHTS, ModelFolder, open_model
from napari_nucseg.training.dataset import Item
from napari_nucseg.training.index import read_index
from napari_nucseg.training.recipes import Recipe, make_recipe


def card_text(
    recipe: Recipe,
    training: Sequence[Item],
    validation: Sequence[Item],
    scores: str,
    hashes: Mapping[str, str],
    output: Path,
    *,
    data: Path | None,
    encoder_weights: Path | None,
    parent: ModelFolder | None,
) -> str:
    """Return the card.

    Parameters
    ----------
    scores : str
        What `scores.md` says.
    recipe, training, validation, hashes, output, data, encoder_weights, parent
        See `report.write_report`.
    """
    sections = {
        "Data": _data_text(training, validation, data),
        "Recipe": f"```json\n{recipe.model_dump_json(indent=2)}\n```",
        "Scores": scores.rstrip(),
        "Files": "\n".join(f"* `{name}`: sha256 `{digest}`" for name, digest in hashes.items()),
        "Made with": _versions_text(encoder_weights, parent),
        "Made by": f"```\n{_command(recipe, output, data, encoder_weights, parent)}\n```",
    }
    title = f"# {recipe.model.name}\n\n{recipe.model.description}\n"
    return title + "".join(f"\n## {name}\n\n{text}\n" for name, text in sections.items())


def split_text(training: Sequence[Item], validation: Sequence[Item]) -> str:
    """Say how many images and groups are on each side of the split."""
    sides = (("Training", training), ("validation", validation))
    parts = [
        f"{name}: {counted(len(items), 'image')} in "
        f"{counted(len({item.group for item in items}), 'group')}"
        for name, items in sides
    ]
    return "; ".join(parts) + "; no group is on both sides."


def _data_text(training: Sequence[Item], validation: Sequence[Item], data: Path | None) -> str:
    lines = [split_text(training, validation)]
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
