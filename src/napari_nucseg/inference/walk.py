"""The walk over an image: one plane after the other, each predicted in tiles."""

from collections.abc import Iterator
from typing import Any

from napari_nucseg._types import CancelCheck, Progress
from napari_nucseg.inference.job import SegmentJob
from napari_nucseg.inference.maps import PlaneMaps, predict_plane
from napari_nucseg.preprocessing.tiling import plan_tiles

Window = tuple[slice, slice]


class TileProgress:
    """Tells a caller how many tiles of all planes are done.

    Parameters
    ----------
    progress : callable or None
        Called as ``progress(done, total, message)``.
    message : str
        What is said with it; may be changed on the way.
    """

    def __init__(self, progress: Progress | None, message: str) -> None:
        self.message = message
        self._progress = progress
        self._before = self._total = 0

    def start(self, tiles: int, planes: int) -> None:
        """Begin to count: each of the planes has that many tiles."""
        self._before, self._total = 0, tiles * planes

    def tile_done(self, done: int) -> None:
        """Say that so many tiles of the present plane are done."""
        if self._progress is not None:
            self._progress(self._before + done, self._total, self.message)

    def plane_done(self, tiles: int) -> None:
        """Say that the present plane, of that many tiles, is done."""
        self.tile_done(tiles)
        self._before += tiles


def predict_planes(
    source: Any,
    job: SegmentJob,
    told: TileProgress,
    *,
    window: Window | None = None,
    cancelled: CancelCheck | None = None,
) -> Iterator[tuple[tuple[int, ...], PlaneMaps]]:
    """Yield the index of each plane, and what the network sees in it.

    Parameters
    ----------
    source : array
        The image that the job was made for; planes are read one by one.
    job : SegmentJob
    told : TileProgress
        The last tile of a plane counts as done when the next plane is asked for.
    window : tuple of slice (Y, X), optional
        The part of every plane that is looked at, as `FieldOfView.window`; by default all of it.
    cancelled : callable, optional
        Asked before every tile.

    Raises
    ------
    Cancelled
    """
    height, width = job.planes.output_shape[-2:]
    rows, columns = window or (slice(0, height), slice(0, width))
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    tiles = len(plan_tiles(job.prepared.network_shape(shape), job.tile, job.halo).tiles)
    told.start(tiles, job.planes.n_planes)
    for index in job.planes.iterate():
        maps = predict_plane(
            job.planes.read(source, index, (rows, columns)),
            job.prepared,
            job.engine,
            tile=job.tile,
            halo=job.halo,
            cancelled=cancelled,
            tile_done=told.tile_done,
        )
        yield index, maps
        told.plane_done(tiles)
