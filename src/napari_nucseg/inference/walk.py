"""The walk over an image: one plane after the other, each predicted in tiles."""

from collections.abc import Callable, Iterator
from typing import Any

from napari_nucseg._types import AnyArray, CancelCheck, Window
from napari_nucseg.inference.job import SegmentJob
from napari_nucseg.inference.maps import PlaneMaps, predict_plane
from napari_nucseg.inference.memory import memory_needed
from napari_nucseg.preprocessing.tiling import plan_tiles


def predict_planes(
    source: Any,
    job: SegmentJob,
    *,
    tiles_done: Callable[[int, int], None],
    window: Window | None = None,
    cancelled: CancelCheck | None = None,
) -> Iterator[tuple[tuple[int, ...], PlaneMaps]]:
    """Yield the index of each plane, and what the network sees in it.

    Parameters
    ----------
    source : array
        The image that the job was made for; planes are read one by one.
    job : SegmentJob
    tiles_done : callable
        Called as ``tiles_done(done, total)`` with tiles of all planes. The last tile of a plane
        counts as done when the next plane is asked for.
    window : tuple of slice (Y, X), optional
        The part of every plane that is looked at, as `FieldOfView.window`; by default all of it.
    cancelled : callable, optional
        Asked before every tile.

    Raises
    ------
    InputError
        A plane does not fit into memory.
    Cancelled
    """
    height, width = job.planes.output_shape[-2:]
    rows, columns = window or (slice(0, height), slice(0, width))
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    tiles = len(plan_tiles(job.prepared.network_shape(shape), job.tile, job.halo).tiles)
    total = tiles * job.planes.n_planes
    before = 0

    def tile_done(done: int) -> None:
        tiles_done(before + done, total)

    def read(index: tuple[int, ...]) -> AnyArray:  # kept by nobody while the maps are used
        with memory_needed(job, source.dtype, shape):
            return job.planes.read(source, index, (rows, columns))

    for index in job.planes.iterate():
        maps = predict_plane(
            read(index),
            job.prepared,
            job.engine,
            tile=job.tile,
            halo=job.halo,
            cancelled=cancelled,
            tile_done=tile_done,
        )
        yield index, maps
        before += tiles
        tiles_done(before, total)
