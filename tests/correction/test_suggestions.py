import numpy as np
import pytest

from napari_nucseg import segment, suggest_regions
from napari_nucseg.correction.suggestions import Suggestion, _Grid, has_room, spread_out
from napari_nucseg.errors import Cancelled, InputError
from napari_nucseg.sample_data import fluorescence_field


def choose(probabilities, count=1, size=32, taken=None):
    """Return doubt, plane and window of what is chosen in planes (planes, Y, X)."""
    grid = _Grid.over(probabilities.shape[1:], size)
    hidden = [None] * len(probabilities) if taken is None else taken
    doubts = [grid.mean_doubts(*pair) for pair in zip(probabilities, hidden, strict=True)]
    return list(grid.peaks(np.stack(doubts), count))


def test_the_region_with_most_undecided_pixels_comes_first():
    sure = np.full((1, 96, 128), 0.999, np.float32)
    sure[0, 40:56, 64:72] = 0.5  # 128 pixels of doubt 1
    sure[0, 80:88, 0:8] = 0.5  # 64 pixels
    first, second = choose(sure, count=2)
    assert first[0] == pytest.approx(128 / 32**2)
    assert second[0] == pytest.approx(64 / 32**2)
    rows, columns = first[2]
    assert rows.start <= 40 < 56 <= rows.stop
    assert columns.start <= 64 < 72 <= columns.stop
    assert (rows.stop - rows.start, columns.stop - columns.start) == (32, 32)


def test_regions_do_not_overlap_even_in_different_planes():
    doubtful = np.full((3, 64, 96), 0.5, np.float32)
    doubtful[1] = 0.4  # less in doubt
    found = choose(doubtful, count=20)
    assert len(found) == 6
    seen = np.zeros((64, 96), int)
    for _, plane, window in found:
        assert plane == 0
        seen[window] += 1
    assert (seen == 1).all()


def test_the_far_end_of_a_plane_is_looked_at():
    doubtful = np.zeros((1, 39, 37), np.float32)
    doubtful[0, 38, 36] = doubtful[0, 37, 36] = doubtful[0, 38, 35] = 0.5
    ((doubt, _, window),) = choose(doubtful)
    assert window == (slice(7, 39), slice(5, 37))
    assert doubt == pytest.approx(3 / 32**2)


def test_a_region_needs_room():
    taken = np.zeros((64, 72), bool)
    assert has_room(taken, 64)
    taken[5, 40] = True
    assert not has_room(taken, 64)
    assert has_room(taken, 40)
    assert not has_room(taken, 200)  # the plane is one region


def test_what_is_reviewed_is_not_touched():
    doubtful = np.full((2, 64, 64), 0.5, np.float32)
    taken = np.zeros((2, 64, 64), bool)
    taken[0, 10, 10] = taken[1] = True
    found = choose(doubtful, count=4, taken=taken)
    assert found
    for _, plane, window in found:
        assert not taken[plane][window].any()


def test_nothing_where_the_model_is_sure():
    assert choose(np.full((1, 64, 64), 0.01, np.float32)) == []
    assert suggest_regions(np.zeros((64, 64), np.uint8)) == []


def test_a_small_image_is_one_region():
    ((_, _, window),) = choose(np.full((1, 20, 30), 0.5, np.float32), count=3, size=256)
    assert window == (slice(0, 20), slice(0, 30))


def test_the_model_is_asked():
    image = np.zeros((128, 384), np.float32)
    image[:, 256:] = fluorescence_field((128, 128), 24, seed=1).image
    (found,) = suggest_regions(image, size=128, diameter=24)
    assert found.position == {}
    assert found.window[1].start > 128
    probabilities = segment(image, diameter=24, probabilities=True).probabilities
    ((doubt, _, window),) = choose(probabilities[None], size=128)
    assert (found.doubt, found.window) == (doubt, window)


def test_the_plane_of_a_stack_and_how_far_it_is():
    stack = np.zeros((2, 3, 96, 96), np.float32)
    stack[1, 2] = fluorescence_field((96, 96), 24, seed=1).image
    told = []
    (found,) = suggest_regions(
        stack, "TZYX", diameter=24, progress=lambda done, total, _: told.append((done, total))
    )
    assert found.position == {"T": 1, "Z": 2}
    assert found.window == (slice(0, 96), slice(0, 96))
    assert told[-1] == (6, 6)
    taken = np.zeros(stack.shape, np.uint8)
    taken[1, 2, 5, 5] = 1
    assert suggest_regions(stack, "TZYX", diameter=24, taken=taken) == []


def test_one_of_each_image_before_the_second_of_any():
    def region(doubt):
        return Suggestion((slice(0, 8), slice(0, 8)), {}, doubt)

    found = [("a", [region(0.9), region(0.8)]), ("b", [region(0.3)]), ("c", [])]
    chosen = spread_out(found, 3)
    assert [(name, s.doubt) for name, s in chosen] == [("a", 0.9), ("b", 0.3), ("a", 0.8)]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"count": 0}, "got 0 of 256"),
        ({"count": "2"}, "got '2' of 256"),
        ({"size": 4}, "got 1 of 4"),
        ({"taken": np.zeros((3, 3), bool)}, r"\(3, 3\).*\(64, 64\)"),
        ({"taken": [True]}, r"\(1,\).*\(64, 64\)"),
        ({"colour": 1}, "unknown parameter"),
    ],
)
def test_bad_input(wrong, message):
    with pytest.raises(InputError, match=message):
        suggest_regions(np.zeros((64, 64), np.uint8), **wrong)


def test_cancel():
    with pytest.raises(Cancelled):
        suggest_regions(np.zeros((64, 64), np.uint8), cancelled=lambda: True)
