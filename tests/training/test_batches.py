"""Batches: what depends on what."""

import numpy as np
import pytest
from small_data import make_item

from napari_nucseg.training.batches import TrainingBatches, normalized_image, validation_batches
from napari_nucseg.training.dataset import Item
from napari_nucseg.training.recipes import make_recipe


def _recipe(name="standard", **changes):
    recipe = make_recipe(name, model_name="m", seed=changes.pop("seed", 0))
    return recipe.model_copy(update={"size": 64, "batch_size": 3, "steps_per_epoch": 4, **changes})


ITEMS = [make_item(seed, name=str(seed), group=str(seed)) for seed in range(5)]


def _equal(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_batch_depends_on_seed_epoch_and_index_alone():
    batches = TrainingBatches(ITEMS, _recipe(), epoch=2)
    wanted = batches[1]
    other_order = TrainingBatches(ITEMS, _recipe(), epoch=2)
    _ = other_order[3], other_order[0]

    assert _equal(other_order[1], wanted)
    assert not _equal(batches[2], wanted)
    assert not _equal(TrainingBatches(ITEMS, _recipe(), epoch=3)[1], wanted)
    assert not _equal(TrainingBatches(ITEMS, _recipe(seed=1), epoch=2)[1], wanted)


def test_shapes_and_types():
    images, targets = TrainingBatches(ITEMS, _recipe())[0]

    assert images.shape == (3, 64, 64, 3)
    assert targets.shape == (3, 64, 64, 6)
    assert images.dtype == targets.dtype == np.float32


def test_the_recipe_says_how_many_batches_an_epoch_has():
    assert len(TrainingBatches(ITEMS, _recipe())) == 4
    assert len(TrainingBatches(ITEMS, _recipe(steps_per_epoch=None))) == 2  # 5 images by 3


def test_without_steps_every_image_is_seen_once_per_epoch():
    recipe = _recipe("baseline", steps_per_epoch=None, size=128)
    batches = TrainingBatches(ITEMS, recipe)

    seen = np.concatenate([batches[i][0] for i in range(len(batches))])

    assert len(seen) == len(ITEMS)
    originals = [validation_batches([item], recipe)[0][0] for item in ITEMS]
    for image in seen:
        matches = [np.array_equal(image, o) or np.array_equal(image[:, ::-1], o) for o in originals]
        assert sum(matches) == 1


def test_the_baseline_sees_whole_images_divided_by_255():
    recipe = _recipe("baseline", size=128)

    images, targets = validation_batches(ITEMS[:2], recipe)

    assert images.shape == (2, 128, 128, 3)
    assert images.min() >= 0
    assert images.max() <= 1
    assert (targets[..., 4] > 0).all()
    np.testing.assert_allclose(
        normalized_image(ITEMS[0], recipe.model.input)[..., 0] * 255,
        ITEMS[0].image[..., 0],
        atol=1e-4,
    )


def test_validation_windows_are_the_middle_of_the_image():
    item = ITEMS[0]  # diameter 16, which needs no rescaling
    recipe = _recipe(size=64)

    images, targets = validation_batches([item], recipe)

    middle = slice(16, 80)  # of 96
    np.testing.assert_array_equal(targets[0, ..., 0], item.labels[middle, middle] > 0)
    whole = normalized_image(item, recipe.model.input)
    np.testing.assert_allclose(images[0], whole[middle, middle], atol=1e-5)
    assert (targets[0, ..., 4] > 0).all()


def test_validation_windows_beyond_the_image_carry_no_loss():
    _, targets = validation_batches([ITEMS[0]], _recipe(size=128))

    assert (targets[0, ..., 4] > 0).sum() == 96 * 96


@pytest.mark.parametrize(("diameter", "wanted"), [(88.0, 0.25), (5.5, 4.0), (20.0, 1.0)])
def test_validation_windows_are_rescaled_where_the_network_needs_it(diameter, wanted):
    labels = np.ones((64, 64), np.int32)
    item = Item("a", np.zeros((64, 64, 1), np.uint8), labels, "g", "", diameter)
    recipe = _recipe(size=256)
    assert recipe.model.diameter == 22.0

    _, targets = validation_batches([item], recipe)

    assert targets[0, ..., 0].sum() == pytest.approx((64 * wanted) ** 2, rel=0.1)


def test_rare_kinds_are_drawn_more_often_than_their_share():
    common = [make_item(seed, kind="common") for seed in range(9)]
    rare = [make_item(99, kind="rare")]

    chances = TrainingBatches(common + rare, _recipe()).chances

    assert chances.sum() == pytest.approx(1.0)
    assert chances[-1] / chances[0] == pytest.approx(3.0)  # sqrt(9) to sqrt(1)


def test_colour_images_are_scaled_together():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)
    image[..., 2] //= 4
    item = Item("a", image, np.zeros((64, 64), np.int32), "g", "", 0.0)

    scaled = normalized_image(item, _recipe().model.input)

    assert scaled[..., 2].max() < 0 < scaled[..., 0].max()


def test_copy_paste_adds_nuclei_to_the_share_of_windows_that_is_asked_for():
    item = make_item(1, shape=(200, 200))

    def nuclei(share):
        images, targets = TrainingBatches([item], _recipe(copy_paste=share, batch_size=8))[0]
        assert images.shape == (8, 64, 64, 3)
        return float((targets[..., 0] > 0).mean())

    assert nuclei(1.0) > nuclei(0.0)


def test_balance_decides_how_often_rare_kinds_are_drawn():
    items = [
        make_item(seed, name=str(seed), kind="rare" if seed == 0 else "usual") for seed in range(5)
    ]

    chances = {
        balance: TrainingBatches(items, _recipe(balance=balance)).chances[0]
        for balance in (0.0, 0.5, 1.0)
    }

    assert chances == pytest.approx({0.0: 1 / 5, 0.5: 1 / 3, 1.0: 1 / 2})
