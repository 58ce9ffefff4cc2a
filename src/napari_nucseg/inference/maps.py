"""The network's predictions for one plane, stitched from tiles."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from napari_nucseg._opencv import cv2
from napari_nucseg._types import AnyArray, CancelCheck, FloatArray
from napari_nucseg.cancelling import check_cancelled
from napari_nucseg.inference.engine import Engine
from napari_nucseg.model.config import ModelConfig
from napari_nucseg.preprocessing.normalize import IntensityRange, normalize, to_three_channels
from napari_nucseg.preprocessing.tiling import STRIDE, grain, plan_tiles


@dataclass(frozen=True)
class PlaneMaps:
    """Maps of one plane at the network's scale.

    Attributes
    ----------
    maps : array (y, x, channels), float16
        Outputs in the order of the model's config. Half precision: instances are always computed
        from these, so that cached and fresh maps give the same labels.
    shape : tuple of int
        Height and width of the plane in the image's own pixels.
    scale : float
        Network pixels per image pixel, see `preprocessing.tiling.grain`.
    """

    maps: AnyArray
    shape: tuple[int, int]
    scale: float

    def probability(self) -> FloatArray:
        """Return the foreground probability at the image's own size, float32 (Y, X)."""
        return self.to_image(self.maps[..., 0].astype(np.float32))

    def to_image(self, image: FloatArray, interpolation: int = cv2.INTER_LINEAR) -> FloatArray:
        """Bring (y, x) float32 at the network's scale to the image's own size.

        The pixels of a window that starts at a multiple of the grain are those of the whole.
        """
        if self.scale == 1.0:  # nothing to do, or a model of a fixed size
            return _resize(image, self.shape, interpolation)
        step = grain(self.scale)
        grains = [-(-length // step) for length in self.shape]
        short = [STRIDE * n - length for n, length in zip(grains, image.shape, strict=True)]
        padded = np.pad(image, ((0, short[0]), (0, short[1])), mode="edge")
        whole = _resize(padded, (step * grains[0], step * grains[1]), interpolation)
        return whole[: self.shape[0], : self.shape[1]]


@dataclass(frozen=True)
class PlaneInput:
    """How a plane becomes the network's input.

    Attributes
    ----------
    config : ModelConfig
    intensity : IntensityRange
        Of the whole image, for the channels that are used.
    channels : tuple of int
        Channels to use; several are combined by their maximum, except in colour images.
    color : bool
        The channels are RGB(A).
    scale : float
        Network pixels per image pixel, see `preprocessing.tiling.grain`.
    """

    config: ModelConfig
    intensity: IntensityRange
    channels: tuple[int, ...]
    color: bool
    scale: float

    def prepare(self, plane: AnyArray) -> FloatArray:
        """Return the network's input for a whole plane.

        Parameters
        ----------
        plane : array (Y, X, channels)
            All channels, original dtype.

        Returns
        -------
        array (y, x, 3), float32
        """
        scaled = normalize(plane[..., list(self.channels)], self.intensity, self.config.input)
        if not self.color:
            scaled = scaled[..., self.varied_channels()].max(axis=-1, keepdims=True)
        shrinks = self.network_shape(plane.shape)[0] < plane.shape[0]
        return to_three_channels(
            self.to_network(scaled, cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
        )

    def to_network(self, image: AnyArray, interpolation: int) -> AnyArray:
        """Bring (Y, X) or (Y, X, channels) at the image's own size to the network's scale.

        The pixels of a window that starts at a multiple of the grain are those of the whole.
        """
        wanted = self.network_shape(image.shape)
        if self.scale == 1.0:  # nothing to do, or a model of a fixed size
            return _resize(image, wanted, interpolation)
        step = grain(self.scale)
        grains = [-(-length // step) for length in image.shape[:2]]
        padded = _pad(image, (step * grains[0], step * grains[1]))
        whole = _resize(padded, (STRIDE * grains[0], STRIDE * grains[1]), interpolation)
        return whole[: wanted[0], : wanted[1]]

    def varied_channels(self) -> list[int]:
        """Return which of the used channels are not constant; all if every one is."""
        ranges = list(zip(self.intensity.low, self.intensity.high, strict=True))
        return [i for i, (low, high) in enumerate(ranges) if high > low] or list(range(len(ranges)))

    def network_shape(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Return height and width, in network pixels, of a plane of shape (Y, X, ...)."""
        size = self.config.fixed_size
        if size:
            return size, size
        step = grain(self.scale)
        return -(-shape[0] * STRIDE // step), -(-shape[1] * STRIDE // step)


def predict_plane(
    plane: AnyArray,
    prepared: PlaneInput,
    engine: Engine,
    *,
    tile: int,
    halo: int,
    cancelled: CancelCheck | None = None,
    tile_done: Callable[[int], None] | None = None,
) -> PlaneMaps:
    """Run the network over one plane.

    Parameters
    ----------
    plane : array (Y, X, channels)
        Original dtype.
    prepared : PlaneInput
    engine : Engine
    tile, halo : int
        In network pixels, see `preprocessing.tiling.plan_tiles`.
    cancelled : callable, optional
        Asked before every tile.
    tile_done : callable, optional
        Told the number of tiles done after every tile but the last.

    Raises
    ------
    Cancelled
    """
    image = prepared.prepare(plane)
    plan = plan_tiles((image.shape[0], image.shape[1]), tile, halo)
    channels = prepared.config.network.channels
    maps = np.empty((*image.shape[:2], channels), np.float16)
    for done, window in enumerate(plan.tiles):
        check_cancelled(cancelled)
        if tile_done is not None and done:
            tile_done(done)
        predicted = engine.predict(_pad(image[window.outer], plan.shape))
        maps[window.inner] = predicted[window.local]
    return PlaneMaps(maps, (plane.shape[0], plane.shape[1]), prepared.scale)


def _resize(image: AnyArray, shape: tuple[int, int], interpolation: int) -> AnyArray:
    """Resize (Y, X) or (Y, X, channels)."""
    if image.shape[:2] == shape:
        return image
    resized = cv2.resize(image, (shape[1], shape[0]), interpolation=interpolation)
    return resized[..., None] if resized.ndim < image.ndim else resized


def _pad(image: AnyArray, shape: tuple[int, int]) -> AnyArray:
    """Mirror an image at its lower and right edge up to `shape`, more than once if needed."""
    bottom, right = shape[0] - image.shape[0], shape[1] - image.shape[1]
    if not bottom and not right:
        return np.ascontiguousarray(image)
    margins = ((0, bottom), (0, right)) + ((0, 0),) * (image.ndim - 2)
    return np.pad(image, margins, mode="symmetric")
