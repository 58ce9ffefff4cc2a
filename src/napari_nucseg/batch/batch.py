"""A batch: many images, segmented with the same parameters into one folder."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nucseg._types import CancelCheck, Progress
from napari_nucseg.axes import check_axes
from napari_nucseg.batch.executors import (
    CallerExecutor,
    Executor,
    WorkersExecutor,
)
from napari_nucseg.batch.existing import look_up, with_what_came_along
from napari_nucseg.batch.finding import find_items
from napari_nucseg.batch.items import Item, protect_inputs
from napari_nucseg.batch.order import run_items
from napari_nucseg.batch.outcome import TRACEBACKS, Outcome, Status
from napari_nucseg.batch.record import RECORD, ParameterRecord
from napari_nucseg.batch.results import Results, Row, labels_name
from napari_nucseg.batch.tracebacks import Tracebacks
from napari_nucseg.batch.work import Work, load_network
from napari_nucseg.batch.zarr_items import FieldItem
from napari_nucseg.cluster.clients import check_workers, opened_client
from napari_nucseg.cluster.worker import threads_each
from napari_nucseg.counted import counted, counted_nuclei
from napari_nucseg.errors import InputError, WriteError
from napari_nucseg.io.earlier import remove_bare_plate
from napari_nucseg.io.leftovers import clear_leftovers
from napari_nucseg.io.lock import give_back, take_lock
from napari_nucseg.io.pixel_size import check_pixel_size
from napari_nucseg.io.place import given_place
from napari_nucseg.io.summary import SummaryTable
from napari_nucseg.io.writing import prepare_output
from napari_nucseg.params import SegmentParams, check_whole

if TYPE_CHECKING:
    from distributed import Client

SUMMARY = "summary.csv"

LOCK = ".napari-nucseg.lock"
"""There while a run writes into the folder."""


@dataclass
class Batch:
    """Images to segment with the same parameters into one folder.

    Attributes
    ----------
    items : list of Item
    work : Work
        Parameters, axes, pixel size, and whether existing results are computed again.
    summary : Path
        The table.
    record : ParameterRecord
        Which parameters the results were made with.
    results : Results
        What earlier runs left, and this one so far.
    counts : Counter
        Images by status, so far.
    nuclei : int
        Found so far in this run.
    outdated : int
        Skipped so far although their results were made with other parameters.
    newer : int
        Skipped so far although the image changed after its labels.
    lacking : Counter
        Skipped so far although they have no ``probabilities`` or ``tracks``, which are asked for.
    """

    items: list[Item]
    work: Work
    summary: Path
    record: ParameterRecord
    results: Results
    counts: Counter[Status] = field(default_factory=Counter)
    nuclei: int = 0
    outdated: int = 0
    newer: int = 0
    lacking: Counter[str] = field(default_factory=Counter)
    _tracebacks: Tracebacks = field(init=False, repr=False, compare=False)

    @classmethod
    def plan(
        cls,
        inputs: Sequence[str | Path],
        output: str | Path,
        params: SegmentParams,
        *,
        axes: str | None = None,
        pixel_size: Mapping[str, float] | None = None,
        overwrite: bool = False,
    ) -> "Batch":
        """Check all that can be checked before the first image is read.

        Parameters
        ----------
        inputs : sequence of str or Path
            Image files, folders, patterns and OME-Zarr plates.
        output : str or Path
            Folder for the results, created if it is missing.
        params : SegmentParams
        axes : str, optional
            Axes of all images, instead of what each states.
        pixel_size : mapping, optional
            Axis letter (Z, Y, X) to micrometres per pixel of all images, instead of what each
            states; also written with the results.
        overwrite : bool
            Whether existing results are computed again.

        Raises
        ------
        InputError, ReadError, WriteError, ModelError, EngineError
        """
        output = given_place(output, "output", "a folder for the results; '.' is the current one")
        if axes is not None:
            check_axes(axes)
        if pixel_size is not None:
            check_pixel_size(pixel_size)
            pixel_size = {axis: float(size) for axis, size in pixel_size.items()}
        if output.suffix == ".zarr":
            raise InputError(
                f"Results of a batch go to a folder; {output} names an OME-Zarr, which holds the "
                "labels of one image only."
            )
        results = Results.read(output / SUMMARY, overwrite=overwrite)
        items = find_items(inputs, output, results.stems(output))
        model = load_network(params)
        prepare_output(output)
        protect_inputs(items, output)
        work = Work(params, axes, overwrite, pixel_size)
        record = ParameterRecord(output / RECORD, work, model)
        return cls(items, work, output / SUMMARY, record, results)

    def run(
        self,
        *,
        workers: int = 1,
        scheduler: "str | Client | None" = None,
        started: Callable[[Item], None] = lambda _: None,
        tiles: Progress | None = None,
        finished: Callable[[Item, Outcome], None] = lambda _item, _outcome: None,
        cancelled: CancelCheck | None = None,
    ) -> None:
        """Segment the images; one that fails is tried once more and does not stop the rest.

        Parameters
        ----------
        workers : int
            Processes on this machine; 1: this process.
        scheduler : str or distributed.Client, optional
            A running dask.distributed cluster, instead of `workers`. Its workers need the package
            and see the files under the same paths.
        started, finished : callable
            Called with each item, and with its outcome.
        tiles : callable, optional
            Progress within an image; not with workers.
        cancelled : callable, optional
            Asked between tiles.

        Raises
        ------
        InputError
            Another run writes into the same folder.
        WorkerError
            The workers cannot be started or reached, or were lost.
        WriteError
            The summary cannot be written, or the disk is full.
        Cancelled
            What was finished is kept.
        """
        check_whole("workers", workers, 1)
        folder = self.summary.parent
        lock = take_lock(
            folder / LOCK,
            f"Another run writes into {folder}",
            "wait for its end, or choose another Output",
        )
        try:
            # Another run may have ended since the plan was made.
            self._clear_leftovers()
            self.record.read()
            self.results = Results.read(self.summary, overwrite=self.work.overwrite)
            self._run(workers, scheduler, started, tiles, finished, cancelled)
            self._clear_leftovers()  # of workers that died meanwhile
        finally:
            give_back(lock, remove=True)

    def describe(self) -> str:
        """Return how many images were done, in one line."""
        done = self.counts[Status.OK]
        parts = [
            f"{done} of {counted(len(self.items), 'file')} segmented "
            f"({counted_nuclei(self.nuclei, in_time=self.work.params.link_time)})"
        ]
        if self.counts[Status.SKIPPED]:
            one = self.counts[Status.SKIPPED] == 1
            parts.append(
                f"{self.counts[Status.SKIPPED]} skipped as {'it has' if one else 'they have'} "
                f"results (Overwrite computes {'it' if one else 'them'} again)"
            )
        parts += [f"{n} of these without {result}" for result, n in self.lacking.items()]
        if self.outdated:
            parts.append(f"{self.outdated} of these made with other parameters")
        if self.newer:
            parts.append(f"{self.newer} of these older than the image")
        if self.counts[Status.FAILED]:
            parts.append(f"{self.counts[Status.FAILED]} failed")
        return ", ".join(parts)

    def _run(
        self,
        workers: int,
        scheduler: "str | Client | None",
        started: Callable[[Item], None],
        tiles: Progress | None,
        finished: Callable[[Item, Outcome], None],
        cancelled: CancelCheck | None,
    ) -> None:
        self._tracebacks = Tracebacks(self.summary.with_name(TRACEBACKS))
        self.items = [with_what_came_along(i, self.results, self.record) for i in self.items]
        known = {item.file: self._look_up(item) for item in self.items}
        self.results.forget_untrue(self.items, self.summary.parent)
        fields = [item for item in self.items if isinstance(item, FieldItem)]
        to_do = any(outcome is None for outcome in known.values())
        where = (workers, scheduler) if to_do else (1, None)
        with self._executor(*where, started, tiles, cancelled) as executor:
            if to_do:
                self.record.write()
                if self.work.overwrite:
                    self._tracebacks.remove_earlier()
                self._prepare_plates(fields)
            rows = self.results.rows
            table = SummaryTable(self.summary, overwrite=True, rows=rows, plates=bool(fields))
            try:
                self._run_items(table, known, executor, finished)
            finally:
                self._tidy_plates(fields)
                if self.results.superseded:
                    with suppress(WriteError):  # the next run tells which rows are true
                        table.replace(self.results.rows)

    def _run_items(
        self,
        table: SummaryTable,
        known: dict[str, Outcome | None],
        executor: Executor,
        finished: Callable[[Item, Outcome], None],
    ) -> None:
        try:
            for item, outcome in run_items(self.items, known, executor):
                self._add(table, item, outcome)
                finished(item, outcome)
                self._check_space(outcome)
        finally:  # a full disk or Ctrl-C leaves nothing at work on a cluster
            late = [one for one in executor.stop() if one[1].status is Status.OK]
            for item, outcome in late:  # all rows first: `finished` may raise once more
                with suppress(WriteError):  # a full disk is said already
                    self._add(table, item, outcome)
            for item, outcome in late:
                finished(item, outcome)

    def _clear_leftovers(self) -> None:
        paths = [self.summary, self.record.path]
        for item in self.items:
            paths += filter(None, (item.labels, item.probability, item.tracks))
        clear_leftovers(paths)

    def _check_space(self, outcome: Outcome) -> None:
        """Raise WriteError if an image failed for want of space, as all others would."""
        if outcome.disk_full:
            raise WriteError(
                f"{outcome.message} Stopped, as there is no space left: {self.describe()}. Make "
                "room; the same command goes on with the rest."
            )

    @contextmanager
    def _executor(
        self,
        workers: int,
        scheduler: "str | Client | None",
        started: Callable[[Item], None],
        tiles: Progress | None,
        cancelled: CancelCheck | None,
    ) -> Iterator[Executor]:
        """Yield what works on the images."""
        with opened_client(None if workers == 1 else workers, scheduler) as client:
            if client is None:
                yield CallerExecutor(self.work, started, tiles, cancelled)
                return
            check_workers(client, self.work.params.model)
            threads = threads_each(workers) if scheduler is None else None
            yield WorkersExecutor(client, self.work, threads, started, cancelled)

    def _prepare_plates(self, fields: Sequence[FieldItem]) -> None:
        from napari_nucseg.io.plate_field import prepare_plate

        plates = {(item.plate, *item.plates) for item in fields}
        for source, labels, probability in sorted(plates):
            prepare_plate(labels, source)
            if self.work.params.probabilities:
                prepare_plate(probability, source)

    def _tidy_plates(self, fields: Sequence[FieldItem]) -> None:
        """Remove what is left of plates whose probabilities went with the labels they were of."""
        if self.work.overwrite and not self.work.params.probabilities:
            for plate in {item.plates[1] for item in fields if item.mapped}:
                remove_bare_plate(plate)

    def _add(self, table: SummaryTable, item: Item, outcome: Outcome) -> None:
        """Count an outcome and write its row, unless there is one already."""
        row = self.results.of(item)
        status = outcome.status
        if status is not Status.SKIPPED or row is None or row["status"] == Status.FAILED:
            lie_there = status is not Status.FAILED or row is not None
            added = table.add(
                item.file,
                nuclei=outcome.nuclei,
                seconds=outcome.seconds,
                status=status,
                message=outcome.message,
                **self._made_with(row, outcome),
                labels=labels_name(item) if lie_there else "",
                place=item.place,
            )
            self.results.add(added)
        if outcome.traceback:
            self._tracebacks.add(item.file, outcome.traceback)
        self.counts[outcome.status] += 1
        self.nuclei += (outcome.nuclei or 0) if outcome.status is Status.OK else 0
        self.outdated += bool(outcome.remark)
        self.newer += outcome.newer
        self.lacking.update(outcome.lacking)

    def _made_with(self, row: Row | None, outcome: Outcome) -> dict[str, str]:
        """Return the cells that say what the labels which lie there were made with."""
        names = ("parameters", "diameter", "diameter_estimated")
        if outcome.status is Status.OK and not outcome.found:
            return dict(zip(names, (self.record.key, *outcome.describe_diameter()), strict=True))
        if row is None or outcome.found or outcome.died:  # it may have written before it died
            return dict.fromkeys(names, "")
        return {name: row[name] for name in names}

    def _look_up(self, item: Item) -> Outcome | None:
        """Return the outcome for an image that has results; None if it is to be segmented."""
        if self.work.overwrite:
            return None
        return look_up(item, self.work.params, self.results, self.record)
