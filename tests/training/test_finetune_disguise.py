"""The user's images in the look of another stain."""

from dataclasses import replace

import numpy as np
import pytest
from finetune_data import Parrot, reviewed_row
from skimage.draw import disk

from napari_nucseg.model.config import ModelConfig, NetworkConfig
from napari_nucseg.training.finetune import disguise
from napari_nucseg.training.finetune.disguise import Disguise
from napari_nucseg.training.finetune.rehearsal import Rehearsal
from napari_nucseg.training.finetune.rows import make_row

CONFIG = ModelConfig(name="m", network=NetworkConfig(), diameter=16.0, diameter_range=(8.0, 32.0))
SIZE = 64


def row_of(color):
    """Return a row: bright discs on black, or dark discs on pink."""
    grey = reviewed_row(rows=8, columns=8)
    if not color:
        return grey
    nuclei = grey.labels[..., None] > 0
    image = np.where(nuclei, np.uint8((90, 40, 120)), np.uint8((230, 180, 220)))
    return make_row("pink", image, grey.labels)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("color", [False, True])
def test_views_are_normalised(color):
    for seed in range(5):
        view = Disguise([row_of(color)], CONFIG).view(SIZE, 1.0, rng(seed))
        assert view.shape == (SIZE, SIZE, 3)
        assert view.dtype == np.float32
        assert -1.5 <= view.min() < view.max() <= 1.5


@pytest.fixture
def intensity_kept(monkeypatch):
    """Without the random changes of intensity, which also drop colours."""
    monkeypatch.setattr(disguise, "random_intensity", lambda image, *rest: image)


def inverted(row):
    return make_row("inverted", 255 - row.image, row.labels)


@pytest.mark.usefixtures("intensity_kept")
@pytest.mark.parametrize(
    ("row", "tissue"),
    [
        (row_of(False), True),
        (row_of(True), False),
        (inverted(row_of(True)), True),  # fluorescence in colours
        (inverted(row_of(False)), False),  # brightfield
    ],
)
def test_bright_nuclei_become_tissue_and_dark_ones_fluorescence(row, tissue):
    for seed in range(10):
        view = Disguise([row], CONFIG).view(SIZE, 1.0, rng(seed))
        grey = np.array_equal(view[..., 0], view[..., 1])
        assert grey != tissue


def test_the_random_state_alone_decides():
    rows = [row_of(False), row_of(True)]
    first, second = Disguise(rows, CONFIG), Disguise(rows, CONFIG)
    second.view(SIZE, 1.0, rng(5))

    np.testing.assert_array_equal(first.view(SIZE, 1.0, rng(3)), second.view(SIZE, 1.0, rng(3)))


def test_nuclei_of_fluorescence_become_the_darker_part_of_tissue():
    image = np.full((SIZE, SIZE, 3), -1.0, np.float32)
    nucleus = disk((32, 32), 12)
    image[nucleus] = 0.8
    for seed in range(10):
        tissue = disguise._as_tissue(image, rng(seed))
        red = tissue[..., 0]
        assert red[nucleus].mean() < red[:8].mean() - 0.1  # haematoxylin swallows red


def test_dark_nuclei_mostly_become_bright():
    image = np.full((SIZE, SIZE, 3), 0.7, np.float32)
    image[20:40, 20:40] = -0.5

    def is_bright(seed):
        grey = disguise._as_fluorescence(image, rng(seed))[..., 0]
        return grey[30, 30] > grey[0, 0]

    bright = sum(is_bright(seed) for seed in range(100))
    assert 65 <= bright <= 95


@pytest.mark.parametrize("change", [0.5, 1.0, 2.0])
def test_nuclei_come_to_the_models_diameter_times_the_change(monkeypatch, change):
    row = reviewed_row(rows=30, columns=30)
    seen = []
    random_view = disguise.random_view

    def note(part, labels, scale, size, *rest):
        seen.append((part.shape, scale, labels.any()))
        return random_view(part, labels, scale, size, *rest)

    monkeypatch.setattr(disguise, "random_view", note)

    Disguise([row], CONFIG).view(SIZE, change, rng())

    (shape, scale, labelled) = seen[0]
    assert scale == pytest.approx(change * CONFIG.diameter / row.diameter)
    assert max(shape[:2]) <= 1.5 * SIZE / scale + 2 < 720  # only a part of the image is used
    assert not labelled


@pytest.mark.parametrize("diameter", [150.0, 600.0])
def test_large_nuclei_take_no_more_memory(monkeypatch, diameter):
    row = replace(reviewed_row(rows=60, columns=60), diameter=diameter)
    seen = []
    random_view = disguise.random_view
    monkeypatch.setattr(
        disguise, "random_view", lambda *a: seen.append((a[0].shape, a[2])) or random_view(*a)
    )

    Disguise([row], CONFIG).view(SIZE, 0.3, rng())

    ((shape, scale),) = seen
    assert max(shape[:2]) < 4 * SIZE
    assert 0.3 < scale <= 0.5


def test_images_of_a_few_pixels_are_not_used():
    tiny = make_row("tiny", np.zeros((1, 300), np.uint8), np.zeros((1, 300), np.int32))

    assert not Disguise([tiny], CONFIG)


def test_a_row_without_nuclei_is_seen_at_its_own_size():
    row = row_of(False)
    bare = make_row("bare", row.image[..., 0], np.zeros_like(row.labels))

    view = Disguise([bare], CONFIG).view(SIZE, 1.0, rng())

    assert bare.diameter == 0
    assert np.isfinite(view).all()


def test_every_second_rehearsal_shows_the_users_images(monkeypatch):
    made = Rehearsal(CONFIG, Parrot(), 0, [row_of(False)])
    calls = []
    view = made.disguise.view
    monkeypatch.setattr(made.disguise, "view", lambda *a: calls.append(1) or view(*a))

    for seed in range(40):
        image, targets = made.view(SIZE, rng(seed))
        np.testing.assert_array_equal(targets[..., 0], image[..., 0] > 0)

    assert 10 <= len(calls) <= 30  # of 40, every second one on average
