"""Maps as a perfect network would predict them, and engines that are no network."""

from collections.abc import Callable, Sequence

import numpy as np

from napari_nucseg.inference.maps import PlaneInput, PlaneMaps
from napari_nucseg.model.config import ModelConfig, NetworkConfig
from napari_nucseg.preprocessing.normalize import InputConfig, IntensityRange
from napari_nucseg.training.targets import make_targets

CERTAIN = 0.98


def draw_disks(shape: tuple[int, int], disks: Sequence[tuple[float, float, float]]) -> np.ndarray:
    """Return int32 (Y, X); each disk (row, column, radius) takes the pixels nearest to it."""
    rows, columns = np.indices(shape)
    labels = np.zeros(shape, np.int32)
    nearest = np.full(shape, np.inf)
    for label, (row, column, radius) in enumerate(disks, start=1):
        distance = np.hypot(rows - row, columns - column) - radius
        taken = (distance <= 0) & (distance < nearest)
        labels[taken] = label
        nearest[taken] = distance[taken]
    return labels


def perfect_maps(
    labels: np.ndarray, shape: tuple[int, int] | None = None, scale: float = 1.0
) -> PlaneMaps:
    """Return the maps of a network that knows `labels`, which are at the network's scale."""
    maps = make_targets(labels, np.ones(labels.shape, bool))[..., :4]
    maps[..., 0] = np.where(labels > 0, CERTAIN, 1 - CERTAIN)
    return PlaneMaps(maps.astype(np.float16), shape or labels.shape, scale)


def same_nuclei(first: np.ndarray, second: np.ndarray) -> bool:
    """Tell whether two label arrays hold the same nuclei, whatever their numbers."""
    pairs = np.unique(np.stack([first.ravel(), second.ravel()]), axis=1)
    alone = [len(np.unique(side)) == pairs.shape[1] for side in pairs]
    return all(alone) and np.array_equal(first > 0, second > 0)


class FakeEngine:
    """Applies a function to every tile, and remembers the tiles' shapes."""

    name = "fake"

    def __init__(self, function: Callable[[np.ndarray], np.ndarray]) -> None:
        self.function = function
        self.shapes: list[tuple[int, ...]] = []

    def predict(self, tile: np.ndarray) -> np.ndarray:
        self.shapes.append(tile.shape)
        return self.function(tile)


def plain_input(outputs: tuple = ("foreground",), scale: float = 1.0, **config) -> PlaneInput:
    """Return a preparation that leaves values in [-1, 1] as they are."""
    model = ModelConfig(
        name="fake",
        network=NetworkConfig(outputs=outputs),
        input=InputConfig(clip=100.0),
        diameter=20.0,
        diameter_range=(10.0, 40.0),
        **config,
    )
    return PlaneInput(model, IntensityRange((-1.0,), (1.0,)), (0,), False, scale)
