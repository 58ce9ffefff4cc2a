"""The training loop: two phases, checkpoints, resume."""

import json
import math
from pathlib import Path
from typing import Any

import keras
import numpy as np

from napari_nucseg._types import CancelCheck, Progress
from napari_nucseg.cancelling import check_cancelled
from napari_nucseg.errors import DatasetError, ModelError
from napari_nucseg.model.folder import WEIGHTS, ModelFolder
from napari_nucseg.model.losses import MapsLoss, offset_error, pixel_accuracy
from napari_nucseg.model.network import build_network, encoder_layers, load_network
from napari_nucseg.training.average import WeightAverage, blend_weights
from napari_nucseg.training.batches import TrainingBatches, validation_batches
from napari_nucseg.training.calibration import calibrate
from napari_nucseg.training.checkpoint import STATE, State
from napari_nucseg.training.dataset import Item
from napari_nucseg.training.encoder_weights import load_encoder_weights
from napari_nucseg.training.optimizer import LayerwiseAdam
from napari_nucseg.training.prefetch import prefetch
from napari_nucseg.training.recipes import Recipe

WARM_UP_STEPS = 100


class Trainer:
    """Trains one network on one split.

    Parameters
    ----------
    training, validation : list of Item
        Images on either side of the split.
    recipe : Recipe
    folder : Path
        Checkpoints go here after every epoch.
    """

    def __init__(
        self, training: list[Item], validation: list[Item], recipe: Recipe, folder: Path
    ) -> None:
        self.recipe = recipe
        self.folder = folder
        self.batches = TrainingBatches(training, recipe)
        self.held_out = validation_batches(validation, recipe)
        self.network = build_network(recipe.model.network, recipe.model.fixed_size)
        self.state = State(recipe.model_dump(mode="json"))
        self.average = WeightAverage(self.network, recipe.average)
        self.parent: ModelFolder | None = None

    def start(self, encoder_weights: Path | None, parent: ModelFolder | None = None) -> None:
        """Begin anew, from all weights of a trained model or from ImageNet weights.

        Raises
        ------
        ModelError
            The weights do not fit the recipe's network.
        """
        keras.utils.set_random_seed(self.recipe.seed)
        self.parent, self.state.parent = parent, _identity(parent)
        if parent is None:
            self.network = build_network(self.recipe.model.network, self.recipe.model.fixed_size)
            load_encoder_weights(self.network, encoder_weights)
        else:
            self._check_parent(parent)
            self.network = load_network(parent)
        self.average = WeightAverage(self.network, self.recipe.average)
        self._compile()

    def resume(self, parent: ModelFolder | None = None) -> None:
        """Go on from the checkpoint in the folder, of a training that started from `parent`.

        Raises
        ------
        DatasetError
            There is no checkpoint, or it belongs to another parent or recipe.
        """
        path = self.folder / STATE
        if not path.is_file():
            raise DatasetError(
                f"There is no training to resume in {self.folder} ({STATE} missing)."
            )
        saved = State(**json.loads(path.read_text(encoding="utf-8")))
        _check_same_parent(self.folder, saved.parent, _identity(parent))
        if Recipe.model_validate(saved.recipe) != self.recipe:
            raise DatasetError(
                f"The training in {self.folder} used other settings; resume with the same recipe, "
                "parent, name, epochs, steps, seed, --blend and --include-test-groups, or start "
                "anew in another folder."
            )
        self.parent, self.state = parent, saved
        self._compile()
        self.network.load_weights(self.folder / saved.last)
        with np.load(self.folder / saved.average) as arrays:
            self.average.weights = [arrays[f"a{i}"] for i in range(len(self.average.weights))]
        self.average.steps = saved.epoch * len(self.batches)

    def run(self, progress: Progress | None = None, cancelled: CancelCheck | None = None) -> None:
        """Train to the end; afterwards the network holds the best weights, blended, calibrated.

        Raises
        ------
        Cancelled
            `cancelled()` was true before a batch; the last finished epoch can be resumed.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        while self.state.epoch < self.recipe.epochs:
            if self.state.epoch == self.recipe.frozen_until() and self.state.epoch > 0:
                self._compile()
            self._run_epoch(progress, cancelled)
        self.network.load_weights(self.folder / self.state.best)
        self._blend()
        if self.recipe.calibrated:
            calibrate(self.network, *self.held_out)

    def _blend(self) -> None:
        """Draw the weights towards those of the parent."""
        if self.parent is not None and self.recipe.blend < 1:
            base, tuned = load_network(self.parent).get_weights(), self.network.get_weights()
            self.network.set_weights(blend_weights(base, tuned, self.recipe.blend))

    def _check_parent(self, parent: ModelFolder) -> None:
        expected, got = self.recipe.model.network, parent.config.network
        if got != expected or parent.config.input != self.recipe.model.input:
            raise ModelError(
                f"A training with recipe '{self.recipe.name}' cannot start from model "
                f"'{parent.name}': its network or its input differ. Expected {expected}, got {got}."
            )

    def _compile(self) -> None:
        frozen = self.state.epoch < self.recipe.frozen_until()
        encoder = encoder_layers(self.network)
        for layer in encoder:
            layer.trainable = not frozen
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = 0.99  # Keras' 0.999 adapts too slowly to microscopy
        slow = {v.path for layer in encoder for v in layer.trainable_variables}
        optimizer = LayerwiseAdam(
            slow, self.recipe.encoder_rate, learning_rate=self.recipe.learning_rate
        )
        metrics = [keras.metrics.MeanMetricWrapper(pixel_accuracy, name="accuracy")]
        if "offset" in self.recipe.model.network.outputs:
            metrics.append(keras.metrics.MeanMetricWrapper(offset_error, name="offset_error"))
        outputs = self.recipe.model.network.outputs
        loss = MapsLoss(outputs, dice=self.recipe.dice)
        # XLA on the CPU was measured ten times slower.
        self.network.compile(optimizer, loss=loss, metrics=metrics, jit_compile=False)
        optimizer.build(self.network.trainable_variables)

    def _run_epoch(self, progress: Progress | None, cancelled: CancelCheck | None) -> None:
        self.batches.epoch = self.state.epoch
        sums: dict[str, float] = {}
        batches = prefetch(self.batches.__getitem__, 0, len(self.batches))
        for step, (images, targets) in enumerate(batches):
            check_cancelled(cancelled, f"Training was cancelled in epoch {self.state.epoch + 1}.")
            self.network.optimizer.learning_rate.assign(self._learning_rate(step))
            logs = self.network.train_on_batch(images, targets, return_dict=True)
            for name, value in logs.items():
                sums[name] = sums.get(name, 0.0) + float(value)
            self.average.update()
            if progress is not None:
                done = self.state.epoch * len(self.batches) + step + 1
                message = f"epoch {self.state.epoch + 1}, loss {float(logs['loss']):.4f}"
                progress(done, self.recipe.epochs * len(self.batches), message)
        self._finish_epoch({name: value / len(self.batches) for name, value in sums.items()})

    def _finish_epoch(self, logs: dict[str, float]) -> None:
        self.average.swap()
        scores = self.network.evaluate(*self.held_out, batch_size=8, verbose=0, return_dict=True)
        record = {**logs, **{f"val_{k}": float(v) for k, v in scores.items()}}
        best = min((r["val_loss"] for r in self.state.history), default=math.inf)
        if record["val_loss"] < best:
            self.state.best_epoch = self.state.epoch
            self.network.save_weights(self.folder / self.state.best)
        self.average.swap()
        self.state.history.append(record)
        self.state.epoch += 1
        self.network.save_weights(self.folder / self.state.last)
        arrays: dict[str, Any] = {f"a{i}": w for i, w in enumerate(self.average.weights)}
        np.savez(self.folder / self.state.average, **arrays)
        self.state.save(self.folder)

    def _learning_rate(self, step: int) -> float:
        if not self.recipe.cosine:
            return self.recipe.learning_rate
        per_epoch = len(self.batches)
        first = self.recipe.frozen_until() * per_epoch
        done = self.state.epoch * per_epoch + step
        if done < first:
            return self.recipe.learning_rate
        share = (done - first) / max(1, self.recipe.epochs * per_epoch - first)
        warm = min(1.0, (done - first + 1) / WARM_UP_STEPS)
        return self.recipe.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * share))


def _identity(parent: ModelFolder | None) -> dict[str, str]:
    """Return what tells whether a parent is the same: the name is for people."""
    return {} if parent is None else {"name": parent.name, "sha256": parent.hashes[WEIGHTS]}


def _check_same_parent(folder: Path, saved: dict[str, str] | None, given: dict[str, str]) -> None:
    """Raise DatasetError if a training started from another parent, as far as that is known."""
    if saved is not None and saved.get("sha256") != given.get("sha256"):
        raise DatasetError(
            f"The training in {folder} started from {_called(saved)}; it goes on with that only, "
            f"got {_called(given)}. Pass the same --parent, or start anew in another folder."
        )


def _called(parent: dict[str, str]) -> str:
    if not parent:
        return "no parent"
    return f"the parent '{parent['name']}' (weights of sha256 {parent['sha256'][:12]})"
