"""Training from a data folder to a model folder: what `napari-nucseg train` calls."""

from pathlib import Path

from napari_nucseg._types import CancelCheck, Progress
from napari_nucseg.errors import DatasetError, WriteError
from napari_nucseg.io.writing import prepared_output
from napari_nucseg.model.export import export_network
from napari_nucseg.model.folder import ModelFolder
from napari_nucseg.training import generated
from napari_nucseg.training.checkpoint import STATE
from napari_nucseg.training.dataset import load_folder
from napari_nucseg.training.recipes import Recipe
from napari_nucseg.training.split import split_by_group
from napari_nucseg.training.trainer import Trainer

CHECKPOINTS = "checkpoints"


def train(
    data: Path,
    output: Path,
    recipe: Recipe,
    *,
    encoder_weights: Path | None = None,
    parent: ModelFolder | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> Path:
    """Train a model and write its folder, with card, loss curve and example predictions.

    Parameters
    ----------
    data : Path
        Folder with ``images/`` and ``labels/``, see `training.dataset.load_folder`.
    output : Path
        Becomes the model folder; checkpoints lie in its ``checkpoints`` folder.
    recipe : Recipe
    encoder_weights : Path, optional
        ImageNet weights of MobileNetV2; by default Keras downloads its own.
    parent : ModelFolder, optional
        Start from all weights of this model instead.
    resume : bool
        Go on from the last finished epoch in `output`.

    Returns
    -------
    Path
        `output`.

    Raises
    ------
    DatasetError, ModelError, WriteError, Cancelled
    """
    checkpoints = output / CHECKPOINTS
    if (checkpoints / STATE).exists() and not resume:
        raise WriteError(
            f"{output} already holds a training; pass --resume to go on with it, or another "
            "--output to start anew."
        )
    if not data.is_dir():
        raise DatasetError(f"There is no data folder at {data}.")
    training, validation = split_by_group(
        load_folder(data, include_test_groups=recipe.include_test_groups),
        recipe.validation_fraction,
        recipe.split_seed,
    )
    with prepared_output(checkpoints):
        trainer = Trainer(training, validation, recipe, checkpoints)
        if resume:
            trainer.resume(parent)
        else:
            trainer.start(encoder_weights, parent)
        trainer.run(progress, cancelled)
        samples = None
        if recipe.model.network.in_eight_bits:
            samples = generated.generated_samples(recipe.model, generated.SAMPLES)
        hashes = export_network(trainer.network, recipe.model, output, samples)
        # Imported late: matplotlib is needed at the end only.
        from napari_nucseg.training.report import write_report

        write_report(
            trainer,
            training,
            validation,
            hashes,
            output,
            data=data,
            encoder_weights=encoder_weights,
            parent=parent,
        )
    return output
