"""`napari-nucseg train`: train a model from a folder of images and labels."""

import os
from pathlib import Path
from typing import Annotated

import typer

from napari_nucseg.cli._console import INTERRUPTED, fail_clearly, training_progress
from napari_nucseg.cli._options import place, whole_number
from napari_nucseg.errors import InputError
from napari_nucseg.model.folder import SCORES
from napari_nucseg.registry import find_model


def train(
    data: Annotated[Path, typer.Argument(help="Folder with images/ and labels/ (same stems).")],
    output: Annotated[
        Path, typer.Option(metavar="PATH", parser=place, help="Becomes the model folder.")
    ],
    recipe: Annotated[
        str, typer.Option(help="'standard', or 'baseline', the original system.")
    ] = "standard",
    encoder_weights: Annotated[
        Path | None,
        typer.Option(
            help="MobileNetV2 ImageNet weights, or a model folder of which only the encoder is "
            "taken (default: download Keras' own)."
        ),
    ] = None,
    parent: Annotated[
        str | None,
        typer.Option(help="Start from a trained model (name or folder) instead of ImageNet."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the model (default: the folder's).")] = (
        None
    ),
    epochs: Annotated[
        int | None,
        typer.Option(metavar="N", parser=whole_number(1), help="Instead of the recipe's."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(metavar="N", parser=whole_number(1), help="Batches per epoch.")
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            metavar="N",
            parser=whole_number(0),
            help="Start and augmentation depend on it.",
        ),
    ] = 0,
    split_seed: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=whole_number(0),
            help="Which images are held out depends on it (default: --seed). With a --parent that "
            "was trained on the same data it must be that of its training, else images are held "
            "out that the parent was trained on.",
        ),
    ] = None,
    blend: Annotated[
        float,
        typer.Option(
            help="How far the kept weights lie from those of --parent to the trained ones: above "
            "0, to 1. Blended weights forget less."
        ),
    ] = 1.0,
    include_test_groups: Annotated[
        bool,
        typer.Option(
            "--include-test-groups",
            help="Train on images, too, that share a field of view with withheld ones "
            "(shares_group_with_test in index.csv); the card says so.",
        ),
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on after a stop.")] = False,
) -> None:
    """Train a model; writes it with its card, loss curve and example predictions to --output."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with fail_clearly(), training_progress() as progress:
        if recipe not in ("baseline", "standard"):
            raise InputError(f"--recipe must be 'baseline' or 'standard', not '{recipe}'.")
        if not 0 < blend <= 1:
            raise InputError(f"--blend must be above 0 and at most 1, got {blend:g}.")
        if blend < 1 and parent is None:
            raise InputError("--blend needs a --parent, towards whose weights to go.")
        from napari_nucseg.training.recipes import make_recipe
        from napari_nucseg.training.run import train as run_training

        made = make_recipe(
            recipe,  # type: ignore[arg-type]
            model_name=name or output.absolute().name,
            epochs=epochs,
            steps_per_epoch=steps,
            seed=seed,
            split_seed=split_seed,
            continued=parent is not None,
            blend=blend,
            include_test_groups=include_test_groups,
        )
        if parent is not None and encoder_weights is not None:
            raise InputError(
                "--parent and --encoder-weights exclude each other: a parent's encoder is trained."
            )
        start = find_model(parent) if parent is not None else None
        try:
            run_training(
                data,
                output,
                made,
                encoder_weights=encoder_weights,
                parent=start,
                resume=resume,
                progress=progress,
            )
        except KeyboardInterrupt as error:
            typer.echo("Stopped; --resume goes on from the last finished epoch.", err=True)
            raise typer.Exit(code=INTERRUPTED) from error
    typer.echo((output / SCORES).read_text(encoding="utf-8"))
