import numpy as np
import pytest

from napari_nucseg import segment, suggest_regions
from napari_nucseg.correction.suggestions import Suggestion, choose_regions, spread_out
from napari_nucseg.errors import Cancelled, InputError
from napari_nucseg.sample_data import fluorescence_field


def test_the_region_with_most_undecided_pixels_comes_first():
    sure = np.full((96, 128), 0.999, np.float32)
    sure[40:56, 64:72] = 0.5  # 128 pixels of doubt 1
    sure[80:88, 0:8] = 0.5  # 64 pixels
    first, second = choose_regions(sure, "YX", count=2, size=32)
    assert first.doubt == pytest.approx(128 / 32**2)
    assert second.doubt == pytest.approx(64 / 32**2)
    rows, columns = first.window
    assert rows.start <= 40 < 56 <= rows.stop
    assert columns.start <= 64 < 72 <= columns.stop
    assert (rows.stop - rows.start, columns.stop - columns.start) == (32, 32)
    assert first.position == {}


def test_regions_do_not_overlap_even_in_different_planes():
    doubtful = np.full((3, 64, 96), 0.5, np.float32)
    doubtful[1] = 0.4  # less in doubt
    found = choose_regions(doubtful, "ZYX", count=20, size=32)
    assert len(found) == 6
    seen = np.zeros((64, 96), int)
    for suggestion in found:
        assert suggestion.position == {"Z": 0}
        seen[suggestion.window] += 1
    assert (seen == 1).all()


def test_the_plane_with_most_doubt_whatever_the_order_of_axes():
    doubtful = np.zeros((2, 40, 5, 40), np.float32)  # T, X, Z, Y
    doubtful[1, 8:40, 3, 0:32] = 0.5
    (found,) = choose_regions(doubtful, "TXZY", size=32)
    assert found == Suggestion((slice(0, 32), slice(8, 40)), {"T": 1, "Z": 3}, 1.0)


def test_what_is_reviewed_is_not_touched():
    doubtful = np.full((64, 64), 0.5, np.float32)
    taken = np.zeros((64, 64), bool)
    taken[10, 10] = True
    found = choose_regions(doubtful, "YX", count=4, size=32, taken=taken)
    assert found
    assert not any(taken[suggestion.window].any() for suggestion in found)


def test_nothing_where_the_model_is_sure():
    assert choose_regions(np.full((64, 64), 0.01, np.float32), "YX", size=32) == []
    assert suggest_regions(np.zeros((64, 64), np.uint8)) == []


def test_a_small_image_is_one_region():
    (found,) = choose_regions(np.full((20, 30), 0.5, np.float32), "YX", count=3)
    assert found.window == (slice(0, 20), slice(0, 30))


def test_the_model_is_asked():
    image = np.zeros((128, 384), np.float32)
    image[:, 256:] = fluorescence_field((128, 128), 24, seed=1).image
    (found,) = suggest_regions(image, size=128, diameter=24)
    assert found.window[1].start > 128
    probabilities = segment(image, diameter=24, probabilities=True).probabilities
    assert choose_regions(probabilities, "YX", size=128) == [found]


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
        ({"size": 4}, "got 1 of 4"),
        ({"taken": np.zeros((3, 3), bool)}, r"\(3, 3\).*\(64, 64\)"),
        ({"colour": 1}, "unknown parameter"),
    ],
)
def test_bad_input(wrong, message):
    with pytest.raises(InputError, match=message):
        suggest_regions(np.zeros((64, 64), np.uint8), **wrong)


def test_cancel():
    with pytest.raises(Cancelled):
        suggest_regions(np.zeros((64, 64), np.uint8), cancelled=lambda: True)
