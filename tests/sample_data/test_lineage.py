"""Movement and divisions in the generated time-lapse."""

from collections import Counter

import numpy as np
import pytest
from scipy import ndimage

from napari_nucseg.errors import InputError
from napari_nucseg.sample_data import Sample, time_lapse


@pytest.fixture(scope="module", params=[0, 1, 2])
def movie(request) -> Sample:
    return time_lapse(seed=request.param)


def frames_of(movie: Sample, label: int) -> list[int]:
    return np.flatnonzero((movie.labels == label).any(axis=(1, 2))).tolist()


def centre(labels: np.ndarray, label: int) -> np.ndarray:
    return np.array(ndimage.center_of_mass(labels == label))


def test_each_parent_has_two_daughters(movie):
    lineage = movie.metadata["lineage"]
    assert len(lineage) == 10
    assert set(Counter(lineage.values()).values()) == {2}


def test_daughters_appear_where_and_when_the_parent_ends(movie):
    for daughter, parent in movie.metadata["lineage"].items():
        birth = frames_of(movie, daughter)[0]
        assert birth == frames_of(movie, parent)[-1] + 1
        moved = centre(movie.labels[birth], daughter) - centre(movie.labels[birth - 1], parent)
        assert np.hypot(*moved) < movie.metadata["diameter"]


def test_nuclei_live_without_gaps_and_end_only_by_dividing(movie):
    lineage = movie.metadata["lineage"]
    last = len(movie.labels) - 1
    for label in range(1, movie.labels.max() + 1):
        frames = frames_of(movie, label)
        assert frames == list(range(frames[0], frames[-1] + 1))
        assert (frames[0] == 0) == (label not in lineage)
        assert (frames[-1] < last) == (label in lineage.values())


def test_nuclei_move_slowly(movie):
    for before, after in zip(movie.labels[:-1], movie.labels[1:], strict=True):
        for label in np.intersect1d(before[before > 0], after):
            step = np.hypot(*(centre(after, label) - centre(before, label)))
            assert step < 0.6 * movie.metadata["diameter"]
    assert not np.array_equal(movie.labels[0], movie.labels[1])


def test_without_divisions_there_is_no_lineage():
    movie = time_lapse((2, 96, 96), n_nuclei=5, n_divisions=0)
    assert movie.metadata["lineage"] == {}
    assert movie.labels.max() == 5


@pytest.mark.parametrize(("frames", "divisions", "possible"), [(2, 1, 0), (5, 6, 5), (5, -1, 5)])
def test_impossible_divisions(frames, divisions, possible):
    with pytest.raises(InputError, match=f"expected 0 to {possible} .* received {divisions}"):
        time_lapse((frames, 96, 96), n_nuclei=5, n_divisions=divisions)
