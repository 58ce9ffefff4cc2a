"""The steps of a run in blocks, and what is done of them already."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucseg._types import AnyArray, CancelCheck, Progress, Window
from napari_nucseg.counted import counted
from napari_nucseg.errors import BlocksFailed, ReadError
from napari_nucseg.inference.diameter_advice import advise_if_empty, advise_if_wrong
from napari_nucseg.inference.left_out import LeftOut
from napari_nucseg.inference.linked import describe_links
from napari_nucseg.io.lazy import LazyImage
from napari_nucseg.large.executors import Executor, work_through
from napari_nucseg.large.labels import LabelPyramid
from napari_nucseg.large.links import OutlineLinks, link_columns
from napari_nucseg.large.numbering import Numbering, number_nuclei
from napari_nucseg.large.plan import Plan
from napari_nucseg.large.result import LargeResult
from napari_nucseg.large.seams import SeamCounts
from napari_nucseg.large.work_folder import WorkFolder
from napari_nucseg.linking.features import track_rows
from napari_nucseg.preprocessing.blocks import BlockGrid, describe_place, size

BlockDone = Callable[[tuple[int, ...], Window, AnyArray], None]
"""Called as ``block_done(plane, window, labels)``, see `segment_large`."""

WRITING = 20
"""Writing so many blocks takes about as long as finding the nuclei of one."""

MANY = 3
"""Places that a message names."""


class Steps:
    """The steps of a run; each leaves on disk what the next one needs."""

    def __init__(
        self,
        plan: Plan,
        image: LazyImage,
        work: WorkFolder,
        progress: Progress | None,
        cancelled: CancelCheck | None,
        block_done: BlockDone | None,
    ) -> None:
        self.plan, self.image, self.work = plan, image, work
        self.grid: BlockGrid = plan.grid
        self._progress, self._cancelled, self._block_done = progress, cancelled, block_done
        self.columns = plan.columns
        self._counting = sum(len(column.blocks) for column in self.columns)
        self._total = len(self.grid) + -(-(self._counting + len(self.grid)) // WRITING)
        self._nuclei = self._shown = 0

    def run(
        self, executor: Executor, target: Path, started: float, *, overwrite: bool
    ) -> LargeResult:
        """Do what is not done yet.

        Parameters
        ----------
        executor : Executor
        target : Path
            Gets the result.
        started : float
            Of `time.perf_counter`, when the call began.
        overwrite : bool
            Whether `target` may be replaced.

        Raises
        ------
        BlocksFailed, Cancelled
        WriteError, ModelError, EngineError, WorkerError
        """
        self._find(executor)
        numbering = self._number()
        links = self._link(executor, numbering)
        self._write(executor)
        final = numbering if links is None else numbering.renamed(links.ids)
        seams = self._count_seams()
        explained = self._advise(numbering) if numbering.count else self._explain_empty()
        cut = self._find_cut(final)
        record = {**self.plan.record, "nuclei": final.count}
        record |= {"cut": list(cut), "seams": seams.to_json(), **self._lineage(links)}
        pyramid = LabelPyramid.open(self.work.labels)
        pyramid.describe(self.plan, self.image, target, record)
        self.work.finish(target, overwrite=overwrite)
        return LargeResult(
            path=target,
            axes=self.plan.planes.output_axes,
            shape=self.plan.planes.output_shape,
            count=final.count,
            diameter=self.plan.diameter,
            seconds=time.perf_counter() - started,
            record=record,
            messages=(
                *self.plan.messages,
                *explained,
                *self._describe_links(numbering.count, final.count, links),
                *_describe_cut(cut, self.plan.overlap),
            ),
            cut=cut,
            seams=seams,
            parents={} if links is None else links.parents,
            features={} if links is None else links.features,
        )

    def _find(self, executor: Executor) -> None:
        """Find the nuclei of all blocks that are not finished."""
        there = self.work.found()
        for index in sorted(there):
            try:
                nuclei = self.work.read_nuclei(index)
            except ReadError:  # damaged, as by a power failure: found once more
                there.discard(index)
                continue
            self._show(index)
            self._nuclei += nuclei.count_in(self.grid.at(index).inner)
        if there:
            self._tell(len(there), counted(self._nuclei, "nucleus"))
        left = [index for index in range(len(self.grid)) if index not in there]
        finished = len(there)

        def done(index: int, count: int) -> None:
            nonlocal finished
            finished += 1
            self._show(index)
            self._nuclei += count
            self._tell(finished, counted(self._nuclei, "nucleus"))

        self._report(failed=work_through(executor, "find", left, done, self._cancelled))

    def _show(self, index: int) -> None:
        """Hand the labels of a block to whoever shows the growing result."""
        if self._block_done is None:
            return
        block = self.grid.at(index)
        nuclei = self.work.read_nuclei(index)
        labels = np.zeros(size(block.inner), np.uint32)
        numbers = np.arange(self._shown + 1, self._shown + len(nuclei) + 1, dtype=np.uint32)
        nuclei.paint(labels, block.inner, numbers)
        self._shown += len(nuclei)
        self._block_done(block.plane, block.inner, labels)

    def _number(self) -> Numbering:
        """Give all nuclei their ids."""
        with contextlib.suppress(ReadError):  # missing, or damaged as by a power failure
            return Numbering.read(self.work.numbers)
        numbering = number_nuclei(self.grid, self.work.read_nuclei, self._cancelled)
        numbering.write(self.work.numbers)
        return numbering

    def _link(self, executor: Executor, outlines: Numbering) -> OutlineLinks | None:
        """Link the nuclei of all planes, if that was asked for."""
        if not self.columns:
            return None
        with contextlib.suppress(ReadError):  # as for ids
            return OutlineLinks.read(self.work.links)
        there = {index for index in self.work.counted() if self._is_counted(index)}
        finished = sum(len(self.columns[index].blocks) for index in there)

        def done(index: int, nothing: None) -> None:
            nonlocal finished
            finished += len(self.columns[index].blocks)
            self._tell(len(self.grid) + finished // WRITING, "linking")

        left = [index for index in range(len(self.columns)) if index not in there]
        failed = work_through(executor, "count", left, done, self._cancelled)
        self._report({self.columns[index].blocks[0]: why for index, why in failed.items()})
        links = link_columns(
            self.columns,
            self.work.read_counted,
            outlines.count,
            self.plan.planes.output_axes,
            self.plan.request.params,
            self.plan.step,
        )
        links.write(self.work.links)
        return links

    def _is_counted(self, column: int) -> bool:
        """Tell whether what was counted in a column can be read."""
        try:
            self.work.read_counted(column)
        except ReadError:
            return False
        return True

    def _lineage(self, links: OutlineLinks | None) -> dict[str, Any]:
        """Return what the record says of divisions and tracks."""
        if links is None:
            return {}
        lineage: dict[str, Any] = {"parents": {str(c): m for c, m in links.parents.items()}}
        if self.plan.request.params.link_time:
            lineage["tracks"] = track_rows(links.features).tolist()
        return lineage

    def _explain_empty(self) -> tuple[str, ...]:
        """Say why there may be no nuclei, and what to do."""
        try:
            left_out = self.work.read_left_out()
        except ReadError:  # damaged, as by a power failure: only a remark is lost
            left_out = LeftOut()
        return (*advise_if_empty(self.plan.given), *left_out.describe(self.plan.request.params))

    def _advise(self, outlines: Numbering) -> tuple[str, ...]:
        """Say whether a given diameter seems to be wrong."""
        if self.plan.given is None:
            return ()
        blocks = range(len(self.grid))
        areas = [self.work.read_nuclei(i).areas[outlines.of(i) > 0] for i in blocks]
        return advise_if_wrong(self.plan.given, np.concatenate(areas))

    def _describe_links(
        self, outlines: int, nuclei: int, links: OutlineLinks | None
    ) -> tuple[str, ...]:
        if links is None:
            return ()
        return (describe_links(outlines, nuclei, links.parents, self.plan.request.params),)

    def _write(self, executor: Executor) -> None:
        """Write the labels of all blocks, then the pyramid level by level."""
        if not self.work.labels.exists():
            self.work.create_labels(lambda path: LabelPyramid.create(path, self.plan, self.image))
        there = self.work.written()
        finished = len(there)

        def done(index: int, nothing: None) -> None:
            nonlocal finished
            finished += 1
            self._tell(len(self.grid) + (self._counting + finished) // WRITING, "writing")

        left = [index for index in range(len(self.grid)) if index not in there]
        self._report(failed=work_through(executor, "write", left, done, self._cancelled))
        pyramid = LabelPyramid.open(self.work.labels)
        for level in range(1, len(pyramid.levels)):
            items = [(level, index) for index in range(len(pyramid.windows(level, self.plan)))]
            failed = work_through(executor, "shrink", items, lambda *_: None, self._cancelled)
            if failed:  # what is left out would be empty, and so would what is made from it
                raise BlocksFailed(
                    f"{len(failed)} of {len(items)} parts of level {level} of the pyramid failed: "
                    f"{next(iter(failed.values()))} The labels are kept: the same call goes on "
                    "with the pyramid."
                )
        self._tell(self._total, "writing")

    def _report(self, failed: dict[int, str]) -> None:
        """Raise BlocksFailed if there are failed blocks."""
        if not failed:
            return
        self.work.note_failure()
        axes = self.plan.planes.output_axes
        blocks = [self.grid.at(index) for index in sorted(failed)]
        told = [
            f"{describe_place(b.plane, axes, b.inner)}: {failed[b.index]}" for b in blocks[:MANY]
        ]
        more = f" And {len(blocks) - MANY} more." if len(blocks) > MANY else ""
        raise BlocksFailed(
            f"{len(failed)} of {counted(len(self.grid), 'block')} failed. {' '.join(told)}"
            f"{more} The others are kept: the same call goes on with the failed ones."
        )

    def _count_seams(self) -> SeamCounts:
        blocks = range(len(self.grid))
        return sum((self.work.read_seams(index) for index in blocks), start=SeamCounts())

    def _find_cut(self, numbering: Numbering) -> tuple[str, ...]:
        """Return the places of nuclei that are larger than the overlap."""
        axes = self.plan.planes.output_axes
        places = []
        for index in range(len(self.grid)):
            nuclei = self.work.read_nuclei(index)
            plane = self.grid.at(index).plane
            for i in np.flatnonzero(nuclei.cut & (numbering.of(index) > 0)).tolist():
                places.append(describe_place(plane, axes, nuclei.box(i)))
        return tuple(places)

    def _tell(self, done: int, message: str) -> None:
        if self._progress is not None:
            self._progress(done, self._total, message)


def _describe_cut(cut: tuple[str, ...], overlap: int) -> tuple[str, ...]:
    if not cut:
        return ()
    one = len(cut) == 1
    more = f" and {len(cut) - MANY} more" if len(cut) > MANY else ""
    return (
        f"{counted(len(cut), 'nucleus')} {'reaches' if one else 'reach'} beyond the overlap of "
        f"{counted(overlap, 'pixel')} and may be cut: {'; '.join(cut[:MANY])}{more}. A larger "
        f"overlap keeps {'it' if one else 'them'} whole.",
    )
