"""What is done with one block, in whatever process."""

from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from threading import Event, Lock
from typing import Any

import numpy as np

from napari_nucseg._native import native_messages_hidden
from napari_nucseg._types import AnyArray, LabelArray, Window
from napari_nucseg.axes import Planes
from napari_nucseg.cluster.worker import share_cores
from napari_nucseg.errors import ModelError, ReadError, WorkerError
from napari_nucseg.inference.engine import start_engine
from napari_nucseg.inference.instances import find_instances
from napari_nucseg.inference.left_out import (
    LeftOut,
    Outlines,
    count_left_out,
    drops_cut,
    may_leave_out,
)
from napari_nucseg.inference.maps import PlaneMaps, predict_plane
from napari_nucseg.io.lazy import open_lazily
from napari_nucseg.large.columns import Counted, ids_at_border
from napari_nucseg.large.labels import LabelPyramid
from napari_nucseg.large.links import OutlineLinks
from napari_nucseg.large.nuclei import Nuclei
from napari_nucseg.large.numbering import Numbering
from napari_nucseg.large.plan import Plan
from napari_nucseg.large.seams import SeamCounts
from napari_nucseg.large.work_folder import WorkFolder
from napari_nucseg.linking.table import count_table
from napari_nucseg.model.folder import LITERT
from napari_nucseg.preprocessing.blocks import Block, size
from napari_nucseg.registry import find_model

_opening = Lock()
"""A cache alone would let threads that begin together each open a run that none can stop."""


class Run:
    """A run as a process sees it: image, model and work folder, opened once.

    Parameters
    ----------
    plan : Plan
    image : array
        numpy, dask, zarr or `io.lazy.LazyArray`; axes and shape as the plan says.
    work : WorkFolder
    """

    def __init__(self, plan: Plan, image: Any, work: WorkFolder) -> None:
        self.plan = plan
        self.work = work
        self.stop = Event()
        self._image = image
        self._grid = plan.grid
        self._columns = plan.columns
        self._model = find_model(plan.request.params.model)
        if self._model.hashes[LITERT] != plan.request.model_sha256:
            raise ModelError(
                f"The model '{plan.request.params.model}' has changed since the run began: its "
                f"plan states sha256 {plan.request.model_sha256[:12]}..., found "
                f"{self._model.hashes[LITERT][:12]}..."
            )
        # One for all threads: its memory is the largest part, and it keeps all cores busy.
        self._engine = start_engine(self._model, plan.request.params.engine)
        # What touches the border of a block need not touch that of the image.
        self._params = plan.request.params.model_copy(update={"drop_border": False})
        self._any_found = False

    def find(self, index: int) -> int:
        """Find the nuclei of a block and keep them in the work folder; return about how many.

        Raises
        ------
        ReadError, WriteError, EngineError, Cancelled
        """
        block = self._grid.at(index)
        maps = self._predict(block)
        nuclei = self._find(maps, block)
        if len(nuclei):
            self._any_found = True
        elif not self._any_found:  # else no result is empty, and nobody asks
            self.work.write_left_out(index, self._left_out(maps, block))
        self.work.write_nuclei(index, nuclei)
        return nuclei.count_in(block.inner)

    def _predict(self, block: Block) -> PlaneMaps:
        """Return what the network sees in a block and around it."""
        plan = self.plan
        planes: Planes = plan.planes
        return predict_plane(
            planes.read(self._image, block.plane, block.outer),
            plan.prepared(self._model),
            self._engine,
            tile=plan.tile,
            halo=plan.halo,
            cancelled=self.stop.is_set,
        )

    def _find(self, maps: PlaneMaps, block: Block) -> Nuclei:
        """Return the nuclei whose centre lies in a block, or close to it."""
        plan = self.plan
        labels = find_instances(maps, self._model.config.network, self._params, plan.diameter)
        nuclei = self._owned(labels, block, plan.tolerance)
        if drops_cut(plan.request.params):
            nuclei = nuclei.take(~nuclei.at_border(self._grid.shape))
        return nuclei

    def _left_out(self, maps: PlaneMaps, block: Block) -> LeftOut:
        """Return what limits left out of a block in which nothing was found."""
        diameter, params = self.plan.diameter, self.plan.request.params
        network = self._model.config.network
        if not may_leave_out(maps, params, diameter):
            return LeftOut()

        def take_own(labels: LabelArray) -> Outlines:
            nuclei = self._owned(labels, block, 0.0)
            return Outlines(nuclei.areas, nuclei.at_border(self._grid.shape))

        return count_left_out(maps, network, params, diameter, take_own)

    def _owned(self, labels: LabelArray, block: Block, tolerance: float) -> Nuclei:
        """Return the nuclei whose centre lies in a block, or closer to it than `tolerance`."""
        nuclei = Nuclei.of(labels, block.outer, self._grid.shape)
        return nuclei.take(nuclei.owned_by(block.inner, tolerance))

    def count(self, index: int) -> None:
        """Count what nuclei of neighbouring planes share in a column, and keep it."""
        params = self.plan.request.params
        at_border = [np.zeros(0, np.int64)]

        def planes() -> Iterator[AnyArray]:
            for number in self._columns[index].blocks:
                block = self._grid.at(number)
                labels = self.draw(block)[0]
                if params.drop_border:
                    at_border.append(ids_at_border(labels, block.inner, self._grid.shape))
                yield labels

        rows, columns = self._grid.at(self._columns[index].blocks[0]).inner
        table = count_table(planes(), params.link_gap, self.stop.is_set)
        table = table.moved(rows.start, columns.start)
        self.work.write_counted(index, Counted(table, np.unique(np.concatenate(at_border))))

    def write(self, index: int) -> None:
        """Write the labels of a block into the result."""
        block = self._grid.at(index)
        canvas, counts = self.draw(block)
        if self._columns:
            canvas = self._links.ids[canvas]
        self._pyramid.write(0, block.plane, block.inner, canvas)
        self.work.mark_written(index, counts)

    def draw(self, block: Block) -> tuple[Any, SeamCounts]:
        """Return the outlines in a block's inner window, and what was counted at its seams."""
        # One pixel more, above and to the left: what lies on both sides of the seams.
        rows, columns = (slice(max(0, part.start - 1), part.stop) for part in block.inner)
        window: Window = (rows, columns)
        canvas = np.zeros(size(window), np.uint32)
        for index in self._grid.around(block.index):
            nuclei = self.work.read_nuclei(index)
            nuclei.paint(canvas, window, self._numbering.of(index))
        counts = SeamCounts.of(canvas, window, block.inner)
        return canvas[-size(block.inner)[0] :, -size(block.inner)[1] :], counts

    def shrink(self, item: tuple[int, int]) -> None:
        """Write a window of a level of the pyramid, given by its number, from the level before."""
        level, index = item
        block = self._pyramid.windows(level, self.plan).at(index)
        self._pyramid.shrink(level, block.plane, block.inner)

    @cached_property
    def _numbering(self) -> Numbering:
        return Numbering.read(self.work.numbers)

    @cached_property
    def _links(self) -> OutlineLinks:
        return OutlineLinks.read(self.work.links)

    @cached_property
    def _pyramid(self) -> LabelPyramid:
        return LabelPyramid.open(self.work.labels)


def work_on(
    folder: str, digest: str, name: str, method: str, item: Any, threads: int | None
) -> Any:
    """Call a method of `Run` in a worker of dask.distributed, which needs only the folder's path.

    Parameters
    ----------
    folder : str
        The work folder.
    digest : str
        Of the plan.
    name : str
        Of the run, for `stop_work`: one that goes on has another.
    method : str
        ``find``, ``count``, ``write`` or ``shrink``.
    item : int or tuple
        What the method takes.
    threads : int or None
        Cores that the process may use; None: as many as the worker was started with.
    """
    return getattr(_run(folder, digest, name, threads), method)(item)


def stop_work(folder: str, digest: str, name: str, threads: int | None) -> None:
    """Let what this process does for a run stop within one tile."""
    _run(folder, digest, name, threads).stop.set()


def _run(folder: str, digest: str, name: str, threads: int | None) -> Run:
    """Return the one run of all threads of a worker."""
    with _opening:
        return _open_run(folder, digest, name, threads)


@lru_cache(maxsize=1)
def _open_run(folder: str, digest: str, name: str, threads: int | None) -> Run:
    """Open a run in a worker; what it cannot open, no other block can be read from either."""
    del name  # part of the cache's key
    work = WorkFolder(Path(folder))
    try:
        plan = work.read_plan()
        if plan.digest != digest:
            raise WorkerError(f"The plan in {folder} is another one than that of this run.")
        request = plan.request
        image = open_lazily(request.path, request.given_axes, rgb=request.rgb)
    except ReadError as error:
        raise WorkerError(
            f"A worker does not see the files of the run: {error} All workers must see the image "
            "and the folder of the result under the same path."
        ) from error
    share_cores(threads)
    with native_messages_hidden():  # LiteRT greets
        return Run(plan, image.array, work)
