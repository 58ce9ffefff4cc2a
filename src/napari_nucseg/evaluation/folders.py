"""Comparison of a folder of predicted labels with a folder of true labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_nucseg._types import CancelCheck, LabelArray, Progress
from napari_nucseg.cancelling import check_cancelled
from napari_nucseg.errors import DatasetError, InputError, ReadError
from napari_nucseg.evaluation.pieces import MOST_PIECES, pieces_per_id
from napari_nucseg.evaluation.scores import (
    THRESHOLDS,
    ImageScore,
    check_thresholds,
    score_image,
)
from napari_nucseg.evaluation.summary import Summary, summarize
from napari_nucseg.io.reading import read_image

EXTENSIONS = (".png", ".tif", ".tiff")
"""Label images that are read, in lower or upper case."""

PREDICTION_SUFFIX = "_labels"
"""What `napari-nucseg segment` appends to the stem of an image."""


@dataclass(frozen=True)
class FolderEvaluation:
    """What came of comparing two folders.

    Parameters
    ----------
    summary
        Scores of the pairs that could be compared; None if there was none.
    failures
        One sentence for each pair that could not be compared; it names the files.
    warnings
        One sentence for each file that was compared although it seems to hold no instance labels.
    """

    summary: Summary | None
    failures: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return all scores, failures and warnings, ready for JSON."""
        scores = self.summary.to_dict() if self.summary else {"n_images": 0, "images": []}
        return {**scores, "failures": list(self.failures), "warnings": list(self.warnings)}


def evaluate_folders(
    labels: Path,
    predictions: Path,
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> FolderEvaluation:
    """Compare each label image in a folder with its prediction in another folder.

    The partner of ``<stem>.png``, ``.tif`` or ``.tiff`` is ``<stem>_labels`` or, if there is none,
    ``<stem>`` with any of these endings. Predictions without labels are left out. A pair that
    cannot be compared is reported in `failures` and does not stop the others.

    Parameters
    ----------
    labels
        Folder of true label images.
    predictions
        Folder of predicted label images.
    thresholds
        IoU thresholds of the AP, each above 0 and at most 1.
    progress
        Called after each pair.
    cancelled
        Asked before each pair.

    Raises
    ------
    DatasetError
        If a folder is missing, if both are the same, if there are no label images or if none of
        them has a prediction.
    InputError
        For thresholds that cannot be used.
    Cancelled
        When `cancelled()` returned true.
    """
    check_thresholds(thresholds)
    true_files = _files_by_stem(labels, "labels")
    predicted_files = _files_by_stem(predictions, "predictions")
    if labels.samefile(predictions):
        raise DatasetError(
            f"Labels and predictions must be in two folders, received {labels} for both."
        )
    _check_some_pair(true_files, predicted_files, labels, predictions)
    scores: list[ImageScore] = []
    failures: list[str] = []
    warnings: list[str] = []
    for done, (stem, files) in enumerate(true_files.items(), start=1):
        check_cancelled(cancelled, "The evaluation was cancelled.")
        try:
            true = _only(files)
            predicted = _prediction(stem, true, predicted_files, predictions)
            score, doubts = _score_files(true, predicted, thresholds)
            scores.append(score)
            warnings += doubts
        except (DatasetError, InputError, ReadError) as error:
            failures.append(str(error))
        if progress is not None:
            progress(done, len(true_files), f"Compared {stem}")
    summary = summarize(scores) if scores else None
    return FolderEvaluation(summary, tuple(failures), tuple(warnings))


def read_labels(path: Path) -> LabelArray:
    """Read a label image from a PNG (8 or 16 bit) or a TIFF file.

    Raises
    ------
    ReadError
        For a file that is corrupt, or whose pixels are colours.
    """
    image = read_image(path)
    if "S" in image.axes:
        raise ReadError(
            f"{path} is a colour image of shape {image.data.shape}, expected one integer per pixel "
            "(0 for background, one id per nucleus)."
        )
    return image.data


def _files_by_stem(folder: Path, what: str) -> dict[str, list[Path]]:
    """Return the label images of a folder by their stem, in alphabetical order."""
    if not folder.is_dir():
        raise DatasetError(f"The folder of {what} does not exist: {folder}.")
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        hidden = path.name.startswith(".")  # "._a.tif" is what macOS leaves on foreign disks
        if not hidden and path.suffix.lower() in EXTENSIONS and path.is_file():
            files.setdefault(path.stem, []).append(path)
    if not files:
        raise DatasetError(
            f"The folder of {what} must hold files ending in {', '.join(EXTENSIONS)}, "
            f"found none in {folder}."
        )
    return files


def _check_some_pair(
    true_files: dict[str, list[Path]],
    predicted_files: dict[str, list[Path]],
    labels: Path,
    predictions: Path,
) -> None:
    """Raise DatasetError if the names of the two folders have nothing to do with each other."""
    if any(
        stem + PREDICTION_SUFFIX in predicted_files or stem in predicted_files
        for stem in true_files
    ):
        return
    stem, example = next(iter(true_files)), next(iter(predicted_files.values()))[0].name
    raise DatasetError(
        f"No label image in {labels} has a prediction in {predictions}: for "
        f"{true_files[stem][0].name}, expected {_expected(stem)}, "
        f"found names such as {example}."
    )


def _expected(stem: str) -> str:
    endings = "/".join(EXTENSIONS)
    return f"{stem}{PREDICTION_SUFFIX} or {stem} with the ending {endings}"


def _prediction(
    stem: str, true: Path, predicted_files: dict[str, list[Path]], predictions: Path
) -> Path:
    """Return the prediction that belongs to a label image, or raise DatasetError."""
    for name in (stem + PREDICTION_SUFFIX, stem):
        if name in predicted_files:
            return _only(predicted_files[name])
    raise DatasetError(f"{true} has no prediction: expected {_expected(stem)} in {predictions}.")


def _only(files: Sequence[Path]) -> Path:
    """Return the only file of a stem, or raise DatasetError: which one is meant is a guess."""
    if len(files) > 1:
        names = " and ".join(path.name for path in files)
        raise DatasetError(f"{files[0].parent} must hold one file per image, found {names}.")
    return files[0]


def _score_files(
    true: Path, predicted: Path, thresholds: Sequence[float]
) -> tuple[ImageScore, list[str]]:
    """Read and score one pair, with warnings; errors name both files."""
    labels = {path: read_labels(path) for path in (true, predicted)}
    try:
        score = score_image(*labels.values(), thresholds=thresholds, name=true.stem)
    except InputError as error:
        raise InputError(f"{true} and {predicted} cannot be compared: {error}") from error
    pieces = {path: pieces_per_id(array) for path, array in labels.items()}
    return score, [_doubt(path, n) for path, n in pieces.items() if n > MOST_PIECES]


def _doubt(path: Path, pieces: float) -> str:
    return (
        f"{path} does not look like labels of nuclei: an id lies in {pieces:,.1f} separate pieces "
        "on average, expected one; is it an image, or a mask without ids?"
    )
