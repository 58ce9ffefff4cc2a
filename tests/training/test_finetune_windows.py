"""Windows: only reviewed training pixels carry loss, and only seed and step decide."""

import numpy as np
import pytest
from finetune_data import SPACING, Parrot, reviewed_row

from napari_nucseg.finetune_params import FineTuneParams
from napari_nucseg.model.config import OFFSET_UNIT, ModelConfig, NetworkConfig
from napari_nucseg.preprocessing import normalize
from napari_nucseg.training.finetune import windows
from napari_nucseg.training.finetune.examination import Examination
from napari_nucseg.training.finetune.rehearsal import Rehearsal, soft_targets
from napari_nucseg.training.finetune.rows import make_row
from napari_nucseg.training.finetune.split import plan_split
from napari_nucseg.training.finetune.windows import BATCH, SIZE, Windows

CONFIG = ModelConfig(name="m", network=NetworkConfig(), diameter=16.0, diameter_range=(8.0, 32.0))


def make_windows(rows, rehearsal=0.0, **params):
    params = FineTuneParams(rehearsal=rehearsal, **params)
    return Windows(
        rows, plan_split(rows), CONFIG, params, Rehearsal(CONFIG, Parrot(), params.seed, rows)
    )


def striped_row():
    """Return a row whose pixels are bright where its labels were reviewed."""
    row = reviewed_row(rows=14, columns=14)
    reviewed = np.zeros(row.labels.shape, bool)
    reviewed[2 * SPACING : 10 * SPACING, 3 * SPACING : 12 * SPACING] = True
    return make_row("a", reviewed * np.uint8(200), row.labels, reviewed)


def test_a_batch_depends_on_seed_and_step_alone():
    rows = [reviewed_row(rows=8, columns=8)]
    first, second = make_windows(rows, 0.5), make_windows(rows, 0.5)

    wanted = first.batch(3)
    second.batch(9)

    for found, expected in zip(second.batch(3), wanted, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert not np.array_equal(first.batch(4)[0], wanted[0])
    assert not np.array_equal(make_windows(rows, 0.5, seed=1).batch(3)[0], wanted[0])
    for found, step in zip(first.prepared(2, 5), (2, 3, 4), strict=True):
        np.testing.assert_array_equal(found[0], first.batch(step)[0])


def test_the_range_of_an_image_is_measured_once(monkeypatch):
    rows = [reviewed_row("a", rows=14, columns=14), reviewed_row("b", seed=1)]
    split, thin, measured = plan_split(rows), normalize._thin, []

    def note(planes):
        measured.extend(row.name for row in rows if any(p is row.image for p in planes))
        return thin(planes)

    monkeypatch.setattr(normalize, "_thin", note)
    smaller = CONFIG.model_copy(update={"diameter": 12.0, "diameter_range": (6.0, 24.0)})
    for config in (CONFIG, smaller):
        assert Examination(rows, split, config).areas
    rehearsal = Rehearsal(CONFIG, Parrot(), 0, rows)
    assert Windows(rows, split, smaller, FineTuneParams(), rehearsal).sources
    for seed in range(6):  # of both rows
        rehearsal.disguise.view(64, 1.0, np.random.default_rng(seed))

    assert sorted(measured) == ["a", "b"]


def test_shapes_and_types():
    images, targets = make_windows([reviewed_row()]).batch(0)

    assert images.shape == (BATCH, SIZE, SIZE, 3)
    assert targets.shape == (BATCH, SIZE, SIZE, 6)
    assert images.dtype == targets.dtype == np.float32


def test_only_reviewed_training_pixels_carry_loss(monkeypatch):
    monkeypatch.setattr(windows, "PASTED", 0.0)
    row = striped_row()
    made = make_windows([row], augmentation=0.0)
    area = plan_split([row]).areas[0]
    assert area.nuclei > 0
    source = made.sources[0]
    for seed in range(20):
        rng = np.random.default_rng(seed)
        image, targets = windows._reviewed_window(source, 0.0, rng)
        weighed = targets[..., 4] > 0
        assert weighed[SIZE // 4 : -SIZE // 4, SIZE // 4 : -SIZE // 4].any()
        assert (image[weighed][:, 0] > -0.1).all()  # bright: reviewed
        assert weighed.sum() < (image[..., 0] > 0).sum() + SIZE  # some of it is held out
        assert not (targets[..., 5] > 0)[~weighed].any()


def test_every_window_holds_reviewed_pixels():
    row = reviewed_row(rows=30, columns=30)
    reviewed = np.zeros(row.labels.shape, bool)
    reviewed[: 4 * SPACING, : 4 * SPACING] = True  # a corner
    reviewed[-4 * SPACING :, -4 * SPACING :] = True
    made = make_windows([make_row("a", row.image[..., 0], row.labels, reviewed)])

    for step in range(6):
        assert (made.batch(step)[1][..., 4].reshape(BATCH, -1).max(axis=1) > 0).all()


def test_few_reviewed_pixels_weigh_more_up_to_a_limit():
    row = reviewed_row(rows=30, columns=30)
    reviewed = np.zeros(row.labels.shape, bool)
    reviewed[: 3 * SPACING, : 4 * SPACING] = True
    made = make_windows([make_row("a", row.image[..., 0], row.labels, reviewed)])

    weights = made.batch(0)[1][..., 4]

    assert weights[weights > 0].min() == windows.MOST_WEIGHT


def test_places_are_thinned_evenly(monkeypatch):
    mask = np.zeros((100, 100), bool)
    mask[10:90, 20:80] = True
    everywhere = windows._some_pixels(mask)
    monkeypatch.setattr(windows, "MOST_PLACES", 500)

    some = windows._some_pixels(mask)

    assert len(everywhere) == mask.sum()
    assert 250 < len(some) <= 500
    assert mask[some[:, 0], some[:, 1]].all()
    assert some.min(axis=0).tolist() == [12, 20]


def test_images_without_training_pixels_are_not_drawn():
    rows = [reviewed_row("a", columns=12), reviewed_row("b", columns=3)]  # b is held out

    assert [source.row.name for source in make_windows(rows).sources] == ["a"]


@pytest.mark.parametrize("rehearsal", [0.0, 0.8])
def test_the_first_window_of_a_batch_is_never_rehearsal(rehearsal):
    made = make_windows([reviewed_row()], rehearsal)
    drawn = []
    view = made.rehearsal.view
    made.rehearsal.view = lambda *a: drawn.append(1) or view(*a)

    for step in range(8):
        before = len(drawn)
        made.batch(step)
        assert len(drawn) - before <= BATCH - 1

    assert bool(drawn) == (rehearsal > 0)


def test_rehearsal_repeats_what_the_base_model_sees():
    rehearsal = Rehearsal(CONFIG, Parrot(), 0, [])
    kinds = set()

    for seed in range(24):
        image, targets = rehearsal.view(SIZE, np.random.default_rng(seed))
        color = not np.array_equal(image[..., 0], image[..., 2])
        kinds.add((color, bool(image.mean() > 0)))
        np.testing.assert_array_equal(targets[..., 0], image[..., 0] > 0)
        assert (targets[..., 4] == 1).all()

    assert {(False, False), (False, True), (True, True)} <= kinds  # dark, light ground, tissue


def test_soft_targets_are_the_maps_in_the_order_of_the_targets():
    maps = np.zeros((2, 2, 4), np.float32)
    maps[0, 0] = (0.9, 0.5, -0.25, 0.75)
    maps[1, 1] = (0.2, 0.1, 0.5, 0.5)

    targets = soft_targets(maps, CONFIG)

    np.testing.assert_array_equal(targets[..., :4], maps)
    assert (targets[..., 4] == 1).all()
    assert targets[0, 0, 5] == OFFSET_UNIT / CONFIG.diameter
    assert targets[1, 1, 5] == 0


def test_nuclei_outside_of_the_models_range_are_rescaled():
    row = reviewed_row(rows=6, columns=6)
    tiny = make_row("tiny", row.image[::4, ::4, 0], row.labels[::4, ::4])

    made = make_windows([tiny])

    wanted = CONFIG.diameter / tiny.diameter
    assert made.sources[0].prepared.scale == pytest.approx(wanted, rel=0.1)  # whole grains
    assert np.isfinite(made.batch(0)[0]).all()
