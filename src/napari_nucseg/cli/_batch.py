"""Many files, one after the other: what ``napari-nucseg segment`` does."""

import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np

from napari_nucseg._opencv import cv2
from napari_nucseg.cli._console import BatchProgress, native_messages_hidden
from napari_nucseg.errors import NucsegError, ReadError, WriteError
from napari_nucseg.inference.engine import make_engine
from napari_nucseg.inference.segment import segment
from napari_nucseg.io.inputs import (
    LABELS_SUFFIX,
    PROBABILITY_SUFFIX,
    find_inputs,
    image_stem,
    output_stems,
)
from napari_nucseg.io.reading import read_image
from napari_nucseg.io.summary import Summary, read_rows
from napari_nucseg.io.writing import prepare_output, write_labels, write_maps
from napari_nucseg.params import SegmentParams
from napari_nucseg.preprocessing.tiling import STRIDE
from napari_nucseg.registry import find_model

SUMMARY = "summary.csv"


class Status(StrEnum):
    """The column ``status`` of the summary."""

    OK = "ok"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class Task:
    """A file and what it becomes.

    Attributes
    ----------
    source : Path
        As the user wrote it.
    labels, probability : Path
        Where the results go.
    """

    source: Path
    labels: Path
    probability: Path

    @property
    def file(self) -> str:
        """Absolute path of the source: the column ``file`` of the summary."""
        return os.path.abspath(self.source)


@dataclass(frozen=True)
class Outcome:
    """What became of a file: a row of the summary."""

    status: Status
    nuclei: int | None = None
    seconds: float = 0.0
    message: str = ""

    def describe(self) -> str:
        """Return one line for the user."""
        if self.status is Status.OK:
            note = f" ({self.message})" if self.message else ""
            return f"{self.nuclei:,} nuclei in {self.seconds:.1f} s{note}"
        return f"{self.status}: {self.message}"


@dataclass
class Batch:
    """Files to segment with the same parameters into one folder.

    Attributes
    ----------
    tasks : list of Task
    params : SegmentParams
    axes : str or None
        Axes of all files, instead of what each states.
    overwrite : bool
        Whether existing results are computed again.
    summary : Path
        The table.
    earlier : dict
        Rows of earlier runs, by file.
    counts : Counter
        Files by status, so far.
    nuclei : int
        Found so far in this run.
    """

    tasks: list[Task]
    params: SegmentParams
    axes: str | None
    overwrite: bool
    summary: Path
    earlier: dict[str, dict[str, str]]
    counts: Counter[Status] = field(default_factory=Counter)
    nuclei: int = 0

    @classmethod
    def plan(
        cls,
        inputs: Sequence[str],
        output: Path,
        params: SegmentParams,
        *,
        axes: str | None = None,
        overwrite: bool = False,
    ) -> "Batch":
        """Check all that can be checked before the first file is read.

        Raises
        ------
        ReadError, WriteError, ModelError, EngineError
        """
        sources = find_inputs(inputs)
        _check_model(params)
        output = prepare_output(output)
        stems = output_stems(sources)
        tasks = [
            Task(
                source,
                output / f"{stems[source]}{LABELS_SUFFIX}",
                output / f"{stems[source]}{PROBABILITY_SUFFIX}",
            )
            for source in sources
        ]
        _protect_inputs(tasks)
        earlier = _read_earlier(output / SUMMARY, overwrite=overwrite)
        return cls(tasks, params, axes, overwrite, output / SUMMARY, earlier)

    def run(self, progress: BatchProgress) -> None:
        """Segment the files; one that fails does not stop the rest.

        Raises
        ------
        WriteError
            If the summary cannot be written.
        """
        known = {task: self._look_up(task) for task in self.tasks}
        summary = Summary(self.summary, overwrite=True, rows=self._rows_to_keep(known))
        for task, found in known.items():
            progress.start(task.source.name)
            outcome = found or self._segment(task, progress)
            if outcome.status is not Status.SKIPPED or not self._finished(task.file):
                summary.add(
                    task.file,
                    nuclei=outcome.nuclei,
                    seconds=outcome.seconds,
                    status=outcome.status,
                    message=outcome.message,
                )
            self.counts[outcome.status] += 1
            self.nuclei += (outcome.nuclei or 0) if outcome.status is Status.OK else 0
            progress.finish(f"{task.source}: {outcome.describe()}")

    def describe(self) -> str:
        """Return how many files were done, in one line."""
        done = self.counts[Status.OK]
        parts = [f"{done} of {len(self.tasks)} files segmented ({self.nuclei:,} nuclei)"]
        if self.counts[Status.SKIPPED]:
            parts.append(
                f"{self.counts[Status.SKIPPED]} skipped as they have results (--overwrite "
                "computes them again)"
            )
        if self.counts[Status.FAILED]:
            parts.append(f"{self.counts[Status.FAILED]} failed")
        return ", ".join(parts)

    def _look_up(self, task: Task) -> Outcome | None:
        """Return the outcome for a file that has results; None if it is to be segmented."""
        if self.overwrite or not task.labels.exists():
            return None
        rivals = self._rivals(task)
        if rivals:
            return Outcome(
                Status.FAILED,
                message=f"{task.labels} exists already and was made from {rivals[0]}; choose "
                "another --output, or --overwrite.",
            )
        if self.params.probabilities and not task.probability.exists():
            return Outcome(
                Status.FAILED,
                message=f"{task.labels} exists already, but {task.probability.name} does not; "
                "--overwrite computes both.",
            )
        nuclei = None if self._finished(task.file) else _count_nuclei(task.labels)
        return Outcome(Status.SKIPPED, nuclei, message=f"{task.labels} exists already")

    def _finished(self, file: str) -> bool:
        """Tell whether an earlier run finished the file."""
        return file in self.earlier and self.earlier[file]["status"] != Status.FAILED

    def _rivals(self, task: Task) -> list[str]:
        """Return other files, finished in earlier runs, that give the same name to their labels.

        Within one run `output_stems` keeps the names apart.
        """
        stem = image_stem(task.source)
        if task.labels.name != f"{stem}{LABELS_SUFFIX}":
            return []
        return [
            file
            for file in self.earlier
            if file != task.file
            and self._finished(file)
            and image_stem(Path(file)).casefold() == stem.casefold()
        ]

    def _rows_to_keep(self, known: Mapping[Task, Outcome | None]) -> list[dict[str, str]]:
        """Return the rows of earlier runs that stay true."""
        gone: set[str] = set()
        for task, outcome in known.items():
            if outcome is None or outcome.status is Status.FAILED or not self._finished(task.file):
                gone.add(task.file)
            if outcome is None and task.labels.exists():
                gone.update(self._rivals(task))
        return [row for file, row in self.earlier.items() if file not in gone]

    def _segment(self, task: Task, progress: BatchProgress) -> Outcome:
        start = time.perf_counter()
        try:
            image = read_image(task.source)
            result = segment(
                image.data,
                self.axes or image.axes,
                params=self.params,
                pixel_size=image.pixel_size,
                progress=progress.show_tiles,
            )
            if result.probabilities is not None:
                # First: where there are labels, the file is finished.
                write_maps(
                    task.probability,
                    result.probabilities,
                    result.axes,
                    image.pixel_size,
                    overwrite=True,
                )
            write_labels(
                task.labels, result.labels, result.axes, image.pixel_size, overwrite=self.overwrite
            )
        except NucsegError as error:
            message = str(error)
        except (MemoryError, cv2.error):  # OpenCV has an error of its own for it
            message = "The image, with all that is computed from it, does not fit into memory."
        else:
            seconds = time.perf_counter() - start
            return Outcome(Status.OK, result.count, seconds, " ".join(result.messages))
        return Outcome(Status.FAILED, None, time.perf_counter() - start, message)


def _check_model(params: SegmentParams) -> None:
    """Raise ModelError or EngineError before any file is read, rather than for each of them."""
    model = find_model(params.model)
    size = model.config.fixed_size or STRIDE
    with native_messages_hidden():
        make_engine(model, params.engine).predict(np.zeros((size, size, 3), np.float32))


def _protect_inputs(tasks: Sequence[Task]) -> None:
    """Raise WriteError if a result would take the place of an input."""
    sources = {task.source.resolve() for task in tasks}
    for task in tasks:
        for result in (task.labels, task.probability):
            if result.resolve() in sources:
                raise WriteError(
                    f"The result of {task.source} would replace the input {result}; choose "
                    "another --output."
                )


def _read_earlier(path: Path, *, overwrite: bool) -> dict[str, dict[str, str]]:
    """Read the rows of earlier runs, by file."""
    if not path.exists():
        return {}
    try:
        return {row["file"]: row for row in read_rows(path)}
    except ReadError as error:
        if overwrite:
            return {}
        raise WriteError(f"{error} Choose another --output, or --overwrite.") from error


def _count_nuclei(path: Path) -> int | None:
    """Return the number of ids in a label file; None if it cannot be read."""
    try:
        labels = read_image(path).data
    except ReadError:
        return None
    return int(np.count_nonzero(np.unique(labels)))
