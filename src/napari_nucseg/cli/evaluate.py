"""``napari-nucseg evaluate``: compare predicted labels with true labels."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_nucseg.cli._console import fail_clearly
from napari_nucseg.counted import counted
from napari_nucseg.errors import WriteError

if TYPE_CHECKING:
    from rich.table import Table

    from napari_nucseg.evaluation import Summary


def evaluate(
    labels: Annotated[
        Path,
        typer.Option("--labels", metavar="DIR", help="Folder of true label images (PNG or TIFF)."),
    ],
    predictions: Annotated[
        Path,
        typer.Option(
            "--predictions",
            metavar="DIR",
            help="Folder of predicted label images: <name>_labels.tif, or the name of the labels.",
        ),
    ],
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Also write all scores to this file."),
    ] = None,
) -> None:
    """Compare predicted labels with true labels and print the scores.

    A nucleus is found if its IoU with a prediction is at least the threshold. AP is
    TP / (TP + FP + FN). Exit code 1 if any pair of images could not be compared.
    """
    with fail_clearly():
        from napari_nucseg.evaluation import evaluate_folders

        if json_file is not None:
            _check_writable(json_file)
        result = evaluate_folders(labels, predictions)
        if json_file is not None:
            _write_json(json_file, result.to_dict())
    if result.summary is not None:
        _show(result.summary)
    for line in (*result.warnings, *result.failures):
        typer.echo(line, err=True)
    if result.failures:
        raise typer.Exit(code=1)


def _show(summary: "Summary") -> None:
    from rich.console import Console

    console = Console()
    console.print(_precision_table(summary))
    console.print(_score_table(summary))
    console.print(
        f"{counted(len(summary.images), 'image')}, {summary.n_true:,} true and "
        f"{counted(summary.n_predicted, 'predicted nucleus')}: "
        f"count error {summary.count_error:+d} in total, "
        f"{summary.mean_absolute_count_error:.2f} per image (mean size).",
        highlight=False,
        soft_wrap=True,
    )


def _precision_table(summary: "Summary") -> "Table":
    from rich.table import Table

    table = Table(title="Average precision")
    table.add_column("IoU >=")
    for heading in ("mean of images", "pooled", "TP", "FP", "FN"):
        table.add_column(heading, justify="right")
    for threshold, average, counts in zip(
        summary.thresholds, summary.average_precision, summary.counts, strict=True
    ):
        table.add_row(
            f"{threshold:g}",
            f"{average.per_image:.3f}",
            f"{average.pooled:.3f}",
            str(counts.true_positives),
            str(counts.false_positives),
            str(counts.false_negatives),
        )
    mean = summary.mean_average_precision
    table.add_section()
    table.add_row("mean", f"{mean.per_image:.3f}", f"{mean.pooled:.3f}")
    return table


def _score_table(summary: "Summary") -> "Table":
    from rich.table import Table

    table = Table(title="Nuclei at IoU >= 0.5, and pixels")
    table.add_column("score")
    table.add_column("mean of images", justify="right")
    table.add_column("pooled", justify="right")
    for name, average in (
        ("F1", summary.f1),
        ("precision", summary.precision),
        ("recall", summary.recall),
        ("pixel accuracy", summary.pixel_accuracy),
        ("foreground Dice", summary.dice),
        ("foreground IoU", summary.iou),
    ):
        table.add_row(name, f"{average.per_image:.3f}", f"{average.pooled:.3f}")
    return table


def _check_writable(path: Path) -> None:
    """Raise WriteError before the work is done rather than after it."""
    if path.is_dir():
        raise WriteError(f"--json must name a file, received the folder {path}.")
    if not path.parent.is_dir():
        raise WriteError(f"The folder for --json does not exist: {path.parent}.")


def _write_json(path: Path, data: dict[str, Any]) -> None:
    """Write a whole file or none."""
    from napari_nucseg.io.atomic import atomic_file

    text = json.dumps(data, indent=2, allow_nan=False) + "\n"
    with atomic_file(path, overwrite=True) as file:
        file.write(text.encode())
