"""Scores on held-out areas: counted where they were reviewed, and only there."""

import math

import numpy as np
import pytest
from finetune_data import SPACING, reviewed_row

from napari_nucseg.model.config import OFFSET_UNIT, ModelConfig, NetworkConfig
from napari_nucseg.training.finetune.examination import Examination, _inside
from napari_nucseg.training.finetune.rows import make_row
from napari_nucseg.training.finetune.split import plan_split

CONFIG = ModelConfig(name="m", network=NetworkConfig(), diameter=16.0, diameter_range=(8.0, 32.0))
SHIFT = SPACING // 2


class Seer:
    """An engine that sees every disk of the grid, from its brightness."""

    name = "seer"

    def predict(self, tile):
        maps = np.zeros((*tile.shape[:2], 4), np.float32)
        maps[..., 0] = tile[..., 0] > 0
        # The offset to the middle of the bright pixels' own grid cell is unknown here, so the
        # middle of each connected disk is measured.
        from scipy import ndimage

        parts, count = ndimage.label(maps[..., 0])
        for index in range(1, count + 1):
            ys, xs = np.nonzero(parts == index)
            maps[ys, xs, 2] = (ys.mean() - ys) / OFFSET_UNIT
            maps[ys, xs, 3] = (xs.mean() - xs) / OFFSET_UNIT
        return maps


class Blind:
    """An engine that sees nothing."""

    name = "blind"

    def predict(self, tile):
        return np.zeros((*tile.shape[:2], 4), np.float32)


def examine(rows, engine):
    examination = Examination(rows, plan_split(rows), CONFIG)
    return examination, examination.examine(engine)


def test_a_model_that_sees_all_is_perfect():
    rows = [reviewed_row(rows=8, columns=10)]

    examination, result = examine(rows, Seer())

    held_out = plan_split(rows).held_out_nuclei
    assert (result.scores.f1, result.scores.ap) == (1.0, 1.0)
    (area,) = examination.areas
    assert np.array_equal(result.scored[0] > 0, area.labels[area.mask] > 0)
    assert result.scores.true_nuclei == result.scores.predicted_nuclei == held_out
    assert len(examination.areas) == len(result.labels) == 1


def test_a_model_that_sees_nothing_scores_nothing():
    _, result = examine([reviewed_row(rows=8, columns=10)], Blind())

    assert (result.scores.f1, result.scores.ap, result.scores.mean_ap) == (0.0, 0.0, 0.0)
    assert result.scores.predicted_nuclei == 0


def test_what_was_not_reviewed_does_not_count():
    row = reviewed_row(rows=8, columns=10)
    reviewed = np.zeros(row.labels.shape, bool)
    reviewed[: 4 * SPACING] = True
    unknown = np.where(reviewed, row.labels, 0)  # nobody labelled the rest
    rows = [make_row("a", row.image[..., 0], unknown, reviewed)]

    _, result = examine(rows, Seer())

    assert (result.scores.f1, result.scores.ap) == (1.0, 1.0)


def test_nuclei_of_all_areas_are_counted_together():
    boxes = np.zeros((240, 384), bool)
    for i in range(5):
        for j in range(8):
            boxes[
                2 * i * SPACING : (2 * i + 1) * SPACING, 2 * j * SPACING : (2 * j + 1) * SPACING
            ] = True
    rows = [reviewed_row(rows=10, columns=16, reviewed=boxes)]

    examination, result = examine(rows, Seer())

    assert len(examination.areas) == 9
    assert result.scores.true_nuclei == 9
    assert result.scores.ap == 1.0


@pytest.mark.parametrize("cut", [SHIFT - 3, SHIFT, SHIFT + 3])
def test_nuclei_at_the_edge_of_a_region_are_no_mistakes(cut):
    row = reviewed_row(rows=8, columns=12)
    reviewed = np.zeros(row.labels.shape, bool)
    reviewed[cut : -2 * SPACING + cut, cut : -2 * SPACING + cut] = True
    rows = [make_row("a", row.image[..., 0], row.labels, reviewed)]

    _, result = examine(rows, Seer())

    assert result.scores.ap == 1.0


def test_targets_are_at_the_networks_scale():
    row = reviewed_row(rows=16, columns=16)
    tiny = make_row("tiny", row.image[::4, ::4, 0], row.labels[::4, ::4])

    examination, _ = examine([tiny], Blind())

    (area,) = examination.areas
    scale = area.prepared.scale
    assert scale == pytest.approx(CONFIG.diameter / tiny.diameter, rel=0.1)  # whole grains
    assert area.targets.shape[0] == math.ceil(area.mask.shape[0] * scale)
    weighed = (area.targets[..., 4] > 0).mean()
    assert weighed == pytest.approx(area.mask.mean(), rel=0.05)


def test_areas_that_reach_into_each_other_are_counted_once():
    mask = np.zeros((192, 480), bool)
    mask[:, : 12 * SPACING] = True
    mask[: 2 * SPACING, 14 * SPACING :] = True  # an L around ...
    mask[:, 18 * SPACING :] = True
    mask[4 * SPACING :, 14 * SPACING : 16 * SPACING] = True  # ... a block
    rows = [reviewed_row(rows=8, columns=20, reviewed=mask)]
    split = plan_split(rows)

    _, result = examine(rows, Seer())

    assert result.scores.true_nuclei == split.held_out_nuclei


def test_a_prediction_mostly_outside_counts_only_where_it_hits():
    row = reviewed_row(rows=8, columns=10)
    examination = Examination([row], plan_split([row]), CONFIG)
    (area,) = examination.areas
    edge = int(np.argmax(area.mask.any(axis=0)))  # first column of the area
    empty_row = int(np.argmin(area.labels.any(axis=1)))
    found = np.zeros(area.mask.shape, np.int32)
    found[empty_row, edge - 9 : edge + 3] = 1  # mostly outside, on background
    found[empty_row, edge + 4 : edge + 9] = 2  # inside, on background
    nucleus = int(area.labels.max())
    found[area.labels == nucleus] = 3

    kept = _inside(found, area)

    assert set(np.unique(kept)) == {0, 2, 3}
