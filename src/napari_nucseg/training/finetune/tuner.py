"""The training loop of fine-tuning."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

import keras
import numpy as np

from napari_nucseg._types import CancelCheck, FloatArray
from napari_nucseg.finetune_params import FineTuneParams
from napari_nucseg.io.atomic import atomic_file
from napari_nucseg.model.folder import ModelFolder
from napari_nucseg.model.losses import MapsLoss
from napari_nucseg.model.network import encoder_layers, load_network
from napari_nucseg.training.average import WeightAverage, blend_weights
from napari_nucseg.training.finetune.checkpoint import State, load_checkpoint, save_checkpoint
from napari_nucseg.training.finetune.examination import Examination, Result
from napari_nucseg.training.finetune.job import CHECKPOINT, PREVIEW
from napari_nucseg.training.finetune.messages import (
    Message,
    Preview,
    Progress,
    Scores,
    Validation,
)
from napari_nucseg.training.finetune.windows import Batch, Windows
from napari_nucseg.training.optimizer import LayerwiseAdam

STEPS = 10
"""Batches per epoch; the held-out areas are scored after each."""

AUTO_EPOCHS, PATIENCE, SMOOTHED = 18, 10, 3
"""Without a number of epochs: at most that many; it ends when the mean held-out loss of the last
`SMOOTHED` epochs has not fallen for `PATIENCE` epochs."""

LATER = 1.03
"""A later epoch is kept if its held-out loss is less than this times the smallest one. Held-out
areas are small, and late epochs do better on other images (see `docs/finetune.md`)."""

ENCODER_RATE = 0.3
"""Learning rate of the encoder relative to the decoder's."""

FIXED_LAYERS = ("Conv1", "bn_Conv1", "expanded_conv", "block_1_", "block_2_")
"""Beginnings of the names of the encoder's first layers, which are not trained: they see edges and
colours alike in all images, and other images gain as much without (see `docs/finetune.md`)."""

AVERAGE = 0.9
"""Momentum of the moving average of the weights."""

BLEND = 0.45
"""How far the weights that are scored and kept lie from the base model's to the tuned ones. Blended
models do as well on new images and forget less (Wortsman et al., "Robust fine-tuning of zero-shot
models", CVPR 2022; see `docs/finetune.md`)."""

WARM_UP = 10
"""Steps in which the learning rate rises."""

SAVING_SECONDS = 15.0
"""What export and comparison take, for the time left."""

Report = Callable[[Message], None]


class Steady(keras.Model):
    """Trains a network as it runs later: batch normalisation keeps its statistics.

    Those of a few small batches would be worse than those of the base model.

    Parameters
    ----------
    network : keras.Model
    """

    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        self.network = network

    def call(self, images: Any, training: bool | None = None) -> Any:
        """Return the network's output in inference mode."""
        del training
        return self.network(images, training=False)


class NetworkEngine:
    """Runs a network that is in training, as an `inference.engine.Engine`."""

    name = "keras"

    def __init__(self, model: keras.Model) -> None:
        self._model = model

    def predict(self, tile: FloatArray) -> FloatArray:
        """Predict one tile (Y, X, 3)."""
        return np.asarray(self._model.predict_on_batch(tile[None])[0])


class Tuner:
    """Trains a copy of the base model's network.

    Parameters
    ----------
    parent : ModelFolder
        The base model.
    windows : Windows
    examination : Examination
    params : FineTuneParams
    before : Result
        What the base model makes of the examination.
    job : Path
        Checkpoint and preview go here.
    fingerprint : str
        Of data, parameters and base model.
    report : callable
        Told how it goes.

    Attributes
    ----------
    best, best_scores
        Weights of the best epoch so far, and their scores on the held-out areas.

    Raises
    ------
    ModelError
        The base model's weights cannot be used.
    """

    def __init__(
        self,
        parent: ModelFolder,
        windows: Windows,
        examination: Examination,
        params: FineTuneParams,
        before: Result,
        *,
        job: Path,
        fingerprint: str,
        report: Report,
    ) -> None:
        self.windows, self.examination, self.params = windows, examination, params
        self.before, self.job, self.report = before, job, report
        self.epochs = params.epochs or AUTO_EPOCHS
        self.network = load_network(parent)
        self.loss = MapsLoss(parent.config.network.outputs)
        self.model = _compile(self.network, params, self.loss)
        self.base: list[FloatArray] = self.network.get_weights()
        self.average = WeightAverage(self.network, AVERAGE)
        self.state = State(f"{fingerprint}-{self._method()}")
        self.best: list[FloatArray] = []
        self._training_loss = math.nan
        self.best_scores = before.scores
        self._seconds: dict[str, list[float]] = {"step": [], "validation": []}
        self._start = time.monotonic()

    def resume(self) -> None:
        """Go on from the checkpoint in the job folder.

        Raises
        ------
        CheckpointError
            It is damaged or belongs to another training.
        """
        self.state, arrays = load_checkpoint(self.job / CHECKPOINT, self.state.fingerprint)
        self.network.set_weights(arrays["last"])
        self.best = arrays["best"]
        self.average.weights = arrays["average"]
        self.average.steps = self.state.epoch * STEPS
        for variable, value in zip(
            self.model.optimizer.variables, arrays["optimizer"], strict=True
        ):
            variable.assign(value)
        if self.state.best_epoch:
            self.best_scores = Scores.model_validate(self.state.history[-1]["best"])

    def run(self, cancelled: CancelCheck) -> None:
        """Train until it is done or cancelled; `best` then holds the weights of the best epoch."""
        if not self.state.history:
            self._start_history()
        steps = self.state.epoch * STEPS, self.epochs * STEPS
        # Of all epochs, so that batches are prepared while an epoch is validated, too.
        with closing(self.windows.prepared(*steps)) as batches:
            while not self.state.done:
                if not self._run_epoch(batches, cancelled):
                    self.state.cancelled = True
                    self.state.done = True
                    break
                self._validate()
                self._checkpoint()

    def best_network(self) -> keras.Model:
        """Return the network with the weights of the best epoch."""
        self.network.set_weights(self.best)
        return self.network

    def _method(self) -> str:
        """Return what tells a training from one that trains or keeps other weights."""
        trained = "".join(variable.path for variable in self.model.trainable_variables)
        return f"{BLEND}-{sha256(trained.encode()).hexdigest()[:16]}"

    def _run_epoch(self, batches: Iterator[Batch], cancelled: CancelCheck) -> bool:
        """Train for one epoch; return False if it was cancelled on the way."""
        first = self.state.epoch * STEPS
        losses = []
        for step, batch in enumerate(islice(batches, STEPS), start=first):
            if cancelled():
                return False
            began = time.monotonic()
            self.model.optimizer.learning_rate.assign(self._learning_rate(step))
            loss = float(self.model.train_on_batch(*batch))
            self.average.update()
            losses.append(loss)
            self._seconds["step"].append(time.monotonic() - began)
            self.report(
                Progress(
                    step=step + 1,
                    total=self.epochs * STEPS,
                    epoch=self.state.epoch + 1,
                    loss=loss,
                    seconds_left=self._seconds_left(step + 1),
                )
            )
        self._training_loss = fmean(losses)
        self.state.epoch += 1
        return True

    def _start_history(self) -> None:
        """Note down what the base model reaches."""
        loss = self._held_out_loss(self.before)
        self._note(None, loss, self.before.scores)
        self._draw(self.before)

    def _validate(self) -> None:
        began = time.monotonic()
        current, blended = self.network.get_weights(), self._blended()
        self.network.set_weights(blended)
        result = self.examination.examine(NetworkEngine(self.model))
        self.network.set_weights(current)
        loss = self._held_out_loss(result)
        if self._is_kept(loss):
            self.state.best_epoch = self.state.epoch
            self.best = blended
            self.best_scores = result.scores
        self._note(self._training_loss, loss, result.scores)
        if self.state.best_epoch == self.state.epoch:
            self._draw(result)
        self.state.done = self.state.epoch >= self.epochs or self._stagnates()
        self._seconds["validation"].append(time.monotonic() - began)

    def _is_kept(self, loss: float) -> bool:
        """Whether weights of this held-out loss are kept, in place of those of earlier epochs."""
        smallest = min((r["val_loss"] for r in self.state.history[1:]), default=math.inf)
        return loss < LATER * smallest

    def _blended(self) -> list[FloatArray]:
        """Return weights between the base model's and the average of the tuned ones."""
        return blend_weights(self.base, self.average.weights, BLEND)

    def _note(self, training_loss: float | None, loss: float, scores: Scores) -> None:
        """Append to the history and report it."""
        record: dict[str, Any] = {
            "epoch": self.state.epoch,
            "loss": training_loss,
            "val_loss": loss,
            "f1": scores.f1,
            "ap": scores.ap,
            "best": self.best_scores.model_dump(),
            "seconds": round(time.monotonic() - self._start, 2),
        }
        self.state.history.append(record)
        self.report(
            Validation(
                epoch=self.state.epoch,
                step=self.state.epoch * STEPS,
                training_loss=training_loss,
                loss=loss,
                now=scores,
                before=self.before.scores,
                best=self.best_scores,
                best_epoch=self.state.best_epoch,
            )
        )

    def _stagnates(self) -> bool:
        """Whether the smoothed held-out loss has stopped falling; only without given epochs."""
        if self.params.epochs:
            return False
        losses = [record["val_loss"] for record in self.state.history[1:]]
        smooth = [fmean(losses[max(0, i - SMOOTHED + 1) : i + 1]) for i in range(len(losses))]
        return len(smooth) - 1 - int(np.argmin(smooth)) >= PATIENCE

    def _held_out_loss(self, result: Result) -> float:
        """Return the loss of all areas, each weighing as much as it has pixels."""
        losses, weights = [], []
        for area, maps in zip(self.examination.areas, result.maps, strict=True):
            predicted = maps.astype(np.float32)
            losses.append(float(self.loss(area.targets[None], predicted[None])))
            weights.append(float((area.targets[..., 4] > 0).sum()))
        return float(np.average(losses, weights=weights))

    def _learning_rate(self, step: int) -> float:
        """Return a rate that rises shortly, then falls to zero along a half cosine."""
        warm = min(1.0, (step + 1) / WARM_UP)
        share = step / (self.epochs * STEPS)
        return self.params.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * share))

    def _seconds_left(self, done: int) -> float | None:
        """Return the time until the end if all epochs run; None until two steps were timed."""
        steps = self._seconds["step"][1:]  # the first one compiles
        if not steps:
            return None
        validations = self._seconds["validation"] or [1.0]
        epochs = self.epochs - self.state.epoch
        left = (self.epochs * STEPS - done) * fmean(steps[-20:]) + epochs * fmean(validations[-5:])
        return left + SAVING_SECONDS

    def _draw(self, result: Result) -> None:
        """Write the preview of the largest held-out area."""
        k = self.examination.largest
        area = self.examination.areas[k]
        path = self.job / PREVIEW
        with atomic_file(path, overwrite=True) as file:
            np.savez(
                file,
                image=area.pixels,
                true=area.labels,
                before=self.before.labels[k],
                now=result.labels[k],
            )
        self.report(Preview(path=str(path), epoch=self.state.epoch))

    def _checkpoint(self) -> None:
        save_checkpoint(
            self.job / CHECKPOINT,
            self.state,
            {
                "last": self.network.get_weights(),
                "best": self.best,
                "average": self.average.weights,
                "optimizer": [np.asarray(v) for v in self.model.optimizer.variables],
            },
        )


def _compile(network: keras.Model, params: FineTuneParams, loss: MapsLoss) -> Steady:
    _choose_trained(network, params)
    slow = {v.path for layer in encoder_layers(network) for v in layer.trainable_variables}
    optimizer = LayerwiseAdam(slow, ENCODER_RATE, learning_rate=params.learning_rate)
    model = Steady(network)
    # XLA on the CPU was measured ten times slower.
    model.compile(optimizer, loss=loss, jit_compile=False)
    optimizer.build(model.trainable_variables)
    return model


def _choose_trained(network: keras.Model, params: FineTuneParams) -> None:
    """Choose the layers that are trained, and of their batch normalisations the shifts only.

    What a scale does, the convolution before it can do, too. A step without the scales takes a
    tenth less time.
    """
    for layer in encoder_layers(network):
        layer.trainable = params.train == "everything" and not layer.name.startswith(FIXED_LAYERS)
    for layer in network.layers:  # after that: to set it for a layer sets it for all its weights
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.gamma.trainable = False
