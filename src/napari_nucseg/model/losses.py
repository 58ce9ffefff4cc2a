"""Masked, weighted losses and metrics, in `keras.ops`."""

from typing import Any

import keras
from keras import ops

from napari_nucseg.model.config import OUTPUT_CHANNELS, OutputName

EPSILON = 1e-6


@keras.saving.register_keras_serializable(package="napari_nucseg")
class MapsLoss(keras.losses.Loss):
    """Sum of the losses of all outputs.

    Foreground: cross-entropy weighted at touching borders plus soft Dice over the batch (Milletari
    et al., 3DV 2016). Distance and offset: absolute error, the offset's inside nuclei only, as in
    Panoptic-DeepLab (Cheng et al., CVPR 2020). Pixels of weight 0 carry no loss.

    Parameters
    ----------
    outputs : tuple of str
        Names of the network's outputs in channel order.
    dice : float
        Weight of the Dice term.
    distance, offset : float
        Weights of those terms.
    """

    def __init__(
        self,
        outputs: tuple[OutputName, ...],
        dice: float = 1.0,
        distance: float = 2.0,
        offset: float = 2.0,
        name: str = "maps_loss",
    ) -> None:
        super().__init__(name=name, reduction="sum_over_batch_size")
        self.outputs = tuple(outputs)
        self.weights = {"dice": dice, "distance": distance, "offset": offset}

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the scalar loss.

        Parameters
        ----------
        y_true : tensor (batch, Y, X, 6)
            See `training.targets.make_targets`.
        y_pred : tensor (batch, Y, X, channels)
            The network's output.
        """
        weight = y_true[..., 4]
        start = 0
        total: Any = 0.0
        for name in self.outputs:
            predicted = y_pred[..., start : start + OUTPUT_CHANNELS[name]]
            start += OUTPUT_CHANNELS[name]
            if name == "foreground":
                total = total + self._foreground(y_true[..., 0], predicted[..., 0], weight)
            elif name == "distance":
                error = ops.abs(y_true[..., 1] - predicted[..., 0])
                total = total + self.weights["distance"] * _mean(error, weight)
            else:
                error = ops.mean(ops.abs(y_true[..., 2:4] - predicted), axis=-1)
                total = total + self.weights["offset"] * _mean(error, y_true[..., 5])
        return total

    def _foreground(self, true: Any, predicted: Any, weight: Any) -> Any:
        predicted = ops.clip(predicted, EPSILON, 1 - EPSILON)
        entropy = -(true * ops.log(predicted) + (1 - true) * ops.log(1 - predicted))
        valid = ops.cast(weight > 0, predicted.dtype)
        overlap = 2 * ops.sum(true * predicted * valid)
        size = ops.sum((true + predicted) * valid)
        dice = 1 - (overlap + 1.0) / (size + 1.0)
        return _mean(entropy, weight) + self.weights["dice"] * dice

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "outputs": list(self.outputs),
            **self.weights,
            "name": self.name,
        }


def pixel_accuracy(y_true: Any, y_pred: Any) -> Any:
    """Share of valid pixels whose foreground is right at 0.5, as the original system measured."""
    y_true = ops.convert_to_tensor(y_true)  # torch hands metrics a numpy array
    valid = ops.cast(y_true[..., 4] > 0, "float32")
    right = ops.cast((y_pred[..., 0] > 0.5) == (y_true[..., 0] > 0.5), "float32")
    return ops.sum(right * valid) / (ops.sum(valid) + EPSILON)


def offset_error(y_true: Any, y_pred: Any) -> Any:
    """Mean absolute offset error inside nuclei, in units of the nucleus' diameter."""
    y_true = ops.convert_to_tensor(y_true)
    error = ops.mean(ops.abs(y_true[..., 2:4] - y_pred[..., 2:4]), axis=-1)
    inside = ops.cast(y_true[..., 5] > 0, "float32")
    return ops.sum(error * y_true[..., 5]) / (ops.sum(inside) + EPSILON)


def _mean(values: Any, weight: Any) -> Any:
    return ops.sum(values * weight) / (ops.sum(weight) + EPSILON)
