"""A run in blocks, from the widget: its thread, the growing labels, and the layer of the result."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari.layers import Labels, Layer

from napari_nucseg._types import CancelCheck, Progress
from napari_nucseg.batch.replaced import ReplacedMaps
from napari_nucseg.errors import WriteError
from napari_nucseg.io.lazy import LazyArray, LazyImage
from napari_nucseg.io.ngff import Placement
from napari_nucseg.io.plate import is_zarr, ome_version
from napari_nucseg.io.writing import prepare_output
from napari_nucseg.large.result import LargeResult
from napari_nucseg.large.segment_large import check_target, segment_large
from napari_nucseg.large.tracks import check_tracks, write_large_tracks
from napari_nucseg.widgets import _messages as messages
from napari_nucseg.widgets._growing import GrowingLabels
from napari_nucseg.widgets._image_form import Request
from napari_nucseg.widgets._layers import MICROMETER, expand, result_geometry, source_path
from napari_nucseg.widgets._results import RECORD
from napari_nucseg.widgets._time_left import BlocksLeft
from napari_nucseg.widgets._worker import Task

PATH = "path"
"""Key in the record of a layer whose labels are on disk."""


class LargeRun:
    """One run in blocks; made and used in the main thread.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    request : Request
        Of a whole image.
    target : Path
    overwrite : bool
    ended : callable
        Called with the task.
    progressed : callable
        Called as ``progressed(done, total, message)``; the message is all to be said.

    Attributes
    ----------
    task : Task of LargeResult
    growing : GrowingLabels

    Raises
    ------
    InputError, WriteError
        The axes do not fit; the target exists or cannot be written.
    """

    def __init__(
        self,
        viewer: Any,
        request: Request,
        target: Path,
        overwrite: bool,
        ended: Callable[[Task[Any]], None],
        progressed: Progress,
    ) -> None:
        prepare_output(target.parent)
        check_target(target, overwrite=overwrite)  # before a layer comes and goes
        self._of_earlier = check_tracks(target, request.params, overwrite=overwrite)
        self._earlier_maps = ReplacedMaps.beside(target, source_path(request.source))
        self._viewer, self.request = viewer, request
        self.target, self._overwrite = target, overwrite
        self._progressed, self._time = progressed, BlocksLeft()
        self._goes_on: bool | None = None
        self._image = lazy_image(request)
        self.growing = GrowingLabels(viewer, request.source, request.axes, request.shape)
        self.task: Task[LargeResult] = Task(
            self._work, f"segmenting '{request.name}' in blocks", ended, self._told
        )

    def start(self) -> None:
        """Show the growing labels and start the thread."""
        self.growing.open()
        self.task.start()

    def close(self) -> int:
        """Remove the growing labels; return their place in the layer list."""
        return self.growing.close()

    def show(self, place: int) -> Labels:
        """Show the result at a place in the layer list, or where a layer of the same file was."""
        request, result = self.request, self.task.result
        if result is None:
            raise RuntimeError("the run has no result")
        layers = self._viewer.layers
        look: dict[str, Any] = {"name": f"{request.source.name} nuclei"}
        for layer in [one for one in layers if _path(one) == str(result.path)]:
            look = {key: getattr(layer, key) for key in ("name", "visible", "opacity")}
            place = min(place, layers.index(layer))
            layers.remove(layer)
        record = {
            **result.record,
            **request.record(),
            PATH: str(result.path),
            "count": result.count,
            "seconds": {"total": result.seconds},
            "messages": list(result.messages),
        }
        labels = Labels(
            [expand(level, result.axes, request.axes) for level in _levels(result.path)],
            multiscale=True,
            metadata={RECORD: record},
            **result_geometry(request.source, request.axes, {}),
            **look,
        )
        labels.features = dict(result.features)
        layers.insert(min(place, len(layers)), labels)
        return labels

    def summary(self) -> str:
        """Return what was found."""
        if self.task.result is None:
            return ""
        return messages.large_summary(self.task.result, self.request.pixel_size)

    def _work(self, progress: Progress, cancelled: CancelCheck) -> LargeResult:
        params = self.request.params
        result = segment_large(
            self._image,
            self.target,
            params=params,
            pixel_size=self.request.pixel_size,
            overwrite=self._overwrite,
            progress=progress,
            cancelled=cancelled,
            block_done=self.growing.show,
        )
        if self._overwrite:
            result = self._earlier_maps.remove(result)
        try:
            return write_large_tracks(
                result, params, overwrite=self._overwrite, of_earlier=self._of_earlier
            )
        except WriteError as error:  # the labels, which took long, are there
            return replace(result, messages=(*result.messages, f"There is no text file: {error}"))

    def _told(self, done: int, total: int, message: str) -> None:
        if self._goes_on is None:  # a new run measures first
            self._goes_on = done > 0
        if done == 0:
            self._progressed(done, 0, f"{message.capitalize()} ...")
            return
        words = [f"Block {done:,} of {total:,}: {message}", self._time.describe(done, total)]
        text = ", ".join(word for word in words if word)
        self._progressed(done, total, text + (messages.GOES_ON if self._goes_on else ""))


def lazy_image(request: Request) -> LazyImage:
    """Return the image of a request with where it lies, for `segment_large`."""
    layer = request.source
    dims = request.axes.removesuffix("S")
    path = source_path(layer)
    on_disk = path is not None and is_zarr(Path(path))
    units = {
        axis: str(unit)
        for axis, unit in zip(dims, layer.units, strict=True)
        if axis == "T" or unit.is_compatible_with(MICROMETER)
    }
    return LazyImage(
        LazyArray(request.image, f"'{request.name}'"),
        request.image_axes,
        Placement(
            dict(zip(dims, map(float, layer.scale), strict=True)),
            dict(zip(dims, map(float, layer.translate), strict=True)),
            {axis: unit for axis, unit in units.items() if unit != "pixel"},
        ),
        ome_version(Path(path)) if path is not None and on_disk else None,
        path,
    )


def _levels(path: Path) -> list[Any]:
    """Open the pyramid of a result lazily."""
    import dask.array as da

    from napari_nucseg.large.labels import LabelPyramid

    return [da.from_zarr(level) for level in LabelPyramid.open(path, mode="r").levels]


def _path(layer: Layer) -> str | None:
    """Return where the labels of a layer lie on disk, if this package put them there.

    Not those of a copy in memory, which has the same record: it may have been corrected.
    """
    return layer.metadata.get(RECORD, {}).get(PATH) if layer.multiscale else None
