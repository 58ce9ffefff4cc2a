"""The walk over an image: one plane after the other, each predicted in tiles."""

from collections.abc import Callable, Iterator
from typing import Any

from napari_nucseg._types import AnyArray, CancelCheck
from napari_nucseg.inference.field_of_view import FieldOfView
from napari_nucseg.inference.job import SegmentJob
from napari_nucseg.inference.maps import PlaneMaps, predict_plane
from napari_nucseg.inference.memory import memory_needed
from napari_nucseg.preprocessing.blocks import within
from napari_nucseg.preprocessing.tiling import plan_tiles


def predict_planes(
    source: Any,
    job: SegmentJob,
    field_of_view: FieldOfView,
    *,
    tiles_done: Callable[[int, int], None],
    cancelled: CancelCheck | None = None,
) -> Iterator[tuple[tuple[int, ...], FieldOfView, PlaneMaps]]:
    """Yield the index of each plane with each part of it, and what the network sees there.

    Parameters
    ----------
    source : array
        The image that the job was made for; planes are read one by one.
    job : SegmentJob
    field_of_view : FieldOfView
        The part of every plane that is looked at.
    tiles_done : callable
        Called as ``tiles_done(done, total)`` with tiles of all planes. The last tile of a part
        counts as done when the next part is asked for.
    cancelled : callable, optional
        Asked before every tile.

    Raises
    ------
    InputError
        A plane does not fit into memory.
    Cancelled
    """
    parts = field_of_view.parts(job)
    tiles = [
        len(plan_tiles(job.prepared.network_shape(part.shape), job.tile, job.halo).tiles)
        for part in parts
    ]
    total = sum(tiles) * job.planes.n_planes
    before = 0

    def tile_done(done: int) -> None:
        tiles_done(before + done, total)

    def read(index: tuple[int, ...]) -> list[AnyArray]:  # at once: it may be one chunk on disk
        with memory_needed(job, source.dtype, field_of_view.shape):
            plane = job.planes.read(source, index, field_of_view.window)
        return [plane[within(part.window, field_of_view.window)] for part in parts]

    for index in job.planes.iterate():
        pixels = read(index)
        for part, count in zip(parts, tiles, strict=True):
            maps = predict_plane(
                pixels.pop(0),  # so that none are kept while the last maps are used
                job.prepared,
                job.engine,
                tile=job.tile,
                halo=job.halo,
                cancelled=cancelled,
                tile_done=tile_done,
            )
            yield index, part, maps
            before += count
            tiles_done(before, total)
