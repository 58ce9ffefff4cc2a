"""Batches for Keras, drawn from data items in memory."""

from typing import Any

import numpy as np
from numpy.random import Generator

from napari_nucseg._opencv import cv2
from napari_nucseg._types import AnyArray, FloatArray
from napari_nucseg.preprocessing.normalize import (
    InputConfig,
    IntensityRange,
    measure_range,
    normalize,
    to_three_channels,
)
from napari_nucseg.training.augmentation import (
    View,
    empty_view,
    flip,
    random_intensity,
    random_view,
)
from napari_nucseg.training.copy_paste import paste_nuclei
from napari_nucseg.training.dataset import Item
from napari_nucseg.training.recipes import Recipe
from napari_nucseg.training.targets import make_targets


class TrainingBatches:
    """Random windows; batch `i` of epoch `e` depends on (seed, e, i) alone.

    Parameters
    ----------
    items : list of Item
        Training images.
    recipe : Recipe
        Window size, augmentation, sampling.
    epoch : int
        Epoch to start with.
    """

    def __init__(self, items: list[Item], recipe: Recipe, epoch: int = 0) -> None:
        self.items = items
        self.recipe = recipe
        self.epoch = epoch
        # Normalised when drawn: all of them as float32 would take gigabytes.
        self.intensities = [whole_range(item, recipe.model.input) for item in items]
        self.chances = _sampling_chances(items, recipe.balance)

    def __len__(self) -> int:
        steps = self.recipe.steps_per_epoch
        return steps or -(-len(self.items) // self.recipe.batch_size)

    def __getitem__(self, index: int) -> tuple[FloatArray, FloatArray]:
        """Return images (batch, Y, X, 3) and targets (batch, Y, X, 6)."""
        rng = np.random.default_rng((self.recipe.seed, self.epoch, index))
        views = [self._view(k, rng) for k in self._choose(index, rng)]
        return _stack(views, self.recipe)

    def _choose(self, index: int, rng: Generator) -> AnyArray:
        size = self.recipe.batch_size
        if self.recipe.steps_per_epoch:
            return rng.choice(len(self.items), size, p=self.chances)
        order = np.random.default_rng((self.recipe.seed, self.epoch)).permutation(len(self.items))
        return order[index * size : (index + 1) * size]

    def _view(self, k: int, rng: Generator) -> View:
        item, recipe = self.items[k], self.recipe
        image = normalized_image(item, recipe.model.input, self.intensities[k])
        if recipe.model.fixed_size:
            view = resized_view(image, item, recipe.size)
            return View(*flip(view.image, view.labels, rng), view.valid)
        if rng.random() < recipe.empty_share:
            return empty_view(recipe.size, rng)
        scale = _random_scale(item.diameter, recipe, rng)
        view = random_view(image, item.labels, scale, recipe.size, rng, recipe.augmentation)
        if rng.random() < recipe.copy_paste:
            donor = random_view(image, item.labels, scale, recipe.size, rng, recipe.augmentation)
            view = paste_nuclei(view, donor, rng)
        color = item.image.shape[-1] == 3
        changed = random_intensity(view.image, color, rng, recipe.augmentation)
        return View(changed, view.labels, view.valid)


def validation_batches(items: list[Item], recipe: Recipe) -> tuple[FloatArray, FloatArray]:
    """Return all validation windows (n, Y, X, 3) and targets (n, Y, X, 6), without randomness.

    One window per image: resized whole (baseline), or the centre at the training diameter.
    """
    views = []
    for item in items:
        image = normalized_image(item, recipe.model.input)
        if recipe.model.fixed_size:
            views.append(resized_view(image, item, recipe.size))
        else:
            views.append(_centre_view(image, item, recipe))
    return _stack(views, recipe)


def whole_range(item: Item, config: InputConfig) -> IntensityRange:
    """Measure what the normalisation of the whole image needs."""
    return measure_range([item.image], config, joint=item.image.shape[-1] == 3)


def normalized_image(
    item: Item, config: InputConfig, intensity: IntensityRange | None = None
) -> FloatArray:
    """Return (Y, X, 3) float32, scaled by the statistics of the whole image."""
    intensity = intensity or whole_range(item, config)
    return to_three_channels(normalize(item.image, intensity, config))


def resized_view(image: FloatArray, item: Item, size: int) -> View:
    """Squeeze a whole image into (size, size), as the original system did."""
    resized = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
    labels = cv2.resize(
        item.labels.astype(np.float32), (size, size), interpolation=cv2.INTER_NEAREST
    ).astype(np.int32)
    return View(resized, labels, np.ones((size, size), bool))


def _centre_view(image: FloatArray, item: Item, recipe: Recipe) -> View:
    scale = recipe.model.scale_for(item.diameter)
    size = recipe.size
    height, width = item.labels.shape
    matrix = np.array(
        [
            [1 / scale, 0, (width - 1) / 2 - (size - 1) / 2 / scale],
            [0, 1 / scale, (height - 1) / 2 - (size - 1) / 2 / scale],
        ]
    )
    flags = cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(
        image, matrix, (size, size), flags=flags | cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    drawn = cv2.warpAffine(
        item.labels.astype(np.float32) + 1, matrix, (size, size), flags=flags | cv2.INTER_NEAREST
    ).astype(np.int32)  # 0 now means outside
    return View(moved, np.maximum(drawn - 1, 0), drawn > 0)


def _random_scale(diameter: float, recipe: Recipe, rng: Generator) -> float:
    """Draw the scale that brings the nuclei to a diameter around the training diameter."""
    if diameter <= 0:
        return float(np.exp(rng.uniform(-0.5, 0.5)))
    low, high = recipe.diameters
    wanted = np.exp(rng.normal(np.log(recipe.model.diameter), 0.38))
    return float(np.clip(np.clip(wanted, low, high) / diameter, 0.25, 4.0))


def _sampling_chances(items: list[Item], balance: float) -> FloatArray:
    """Return the chance of each image: rare kinds are seen more often."""
    counts: dict[str, int] = {}
    for item in items:
        counts[item.kind] = counts.get(item.kind, 0) + 1
    weights = np.array([counts[item.kind] ** -balance for item in items])
    return weights / weights.sum()


def _stack(views: list[View], recipe: Recipe) -> tuple[Any, Any]:
    images = np.stack([view.image for view in views])
    weights = (recipe.touching, recipe.touching_offset)
    targets = np.stack([make_targets(view.labels, view.valid, *weights) for view in views])
    return images, targets
