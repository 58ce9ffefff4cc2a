"""The pictures of a training report: loss curves, example predictions, reliability.

Drawn with matplotlib's object-oriented interface, so that nothing global changes in a process that
may show windows of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from napari_nucseg._types import AnyArray, FloatArray
from napari_nucseg.training.calibration import Reliability

DPI = 90


@dataclass(frozen=True)
class Example:
    """One validation image with what is true and what was predicted.

    Attributes
    ----------
    image : array (Y, X, 3), float
        In [0, 1].
    true, predicted : array (Y, X), bool
        Foreground.
    title : str
        Kind of the image; may be empty.
    """

    image: FloatArray
    true: AnyArray
    predicted: AnyArray
    title: str


def draw_curves(history: Sequence[dict[str, float]], best_epoch: int, path: Path) -> None:
    """Draw loss and pixel accuracy over the epochs, training and validation.

    Parameters
    ----------
    history : sequence of dict
        One record per epoch: loss, accuracy, val_loss, val_accuracy.
    best_epoch : int
        Epoch, from 0, whose weights were kept.
    path : Path
        PNG file to write.
    """
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    epochs = range(1, len(history) + 1)
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            axes.plot(epochs, [record[key] for record in history], label=label, marker=".")
        axes.axvline(best_epoch + 1, color="0.7", linestyle=":", label="best epoch")
        axes.set_xlabel("epoch")
        axes.set_title("pixel accuracy" if name == "accuracy" else name)
        axes.grid(alpha=0.3)
        axes.legend()
    _save(figure, path)


def draw_reliability(measured: Reliability, path: Path) -> None:
    """Draw how often pixels of each predicted probability are nucleus.

    Parameters
    ----------
    measured : Reliability
    path : Path
        PNG file to write.
    """
    figure = Figure(figsize=(4.2, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.7", linestyle=":", label="as it should be")
    axes.plot(measured.predicted, measured.observed, marker="o", label="validation pixels")
    axes.set_xlabel("predicted foreground probability")
    axes.set_ylabel("share of pixels that are nucleus")
    axes.set_title(f"calibration error {measured.error:.4f}")
    axes.grid(alpha=0.3)
    axes.legend()
    _save(figure, path)


def draw_predictions(examples: Sequence[Example], path: Path) -> None:
    """Draw image, true mask and predicted mask, one row per example.

    Parameters
    ----------
    examples : sequence of Example
        At least one.
    path : Path
        PNG file to write.
    """
    figure = Figure(figsize=(5.4, 1.85 * len(examples) + 0.3), layout="constrained")
    grid = figure.subplots(len(examples), 3, squeeze=False)
    for row, example in zip(grid, examples, strict=True):
        shown = (example.image, example.true, example.predicted)
        for axes, picture in zip(row, shown, strict=True):
            _show(axes, picture)
        row[0].set_ylabel(example.title, fontsize=8)
    for axes, title in zip(grid[0], ("image", "true mask", "predicted mask"), strict=True):
        axes.set_title(title, fontsize=10)
    _save(figure, path)


def _show(axes: Axes, picture: AnyArray) -> None:
    axes.imshow(picture, cmap="gray", vmin=0, vmax=1)
    axes.set_xticks([])
    axes.set_yticks([])


def _save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=DPI)
