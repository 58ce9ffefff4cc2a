"""Seeds from drawn votes."""

import numpy as np
import pytest

from napari_nucseg.inference.seeds import SADDLE, SplitScale, find_seeds

DIAMETER = 20.0
SCALE = SplitScale.of(0.5, DIAMETER, smallest=1.0)


def _votes(*places):
    """Return votes (60, 60): so many at each (row, column, votes)."""
    votes = np.zeros((60, 60), np.float32)
    for row, column, count in places:
        votes[row, column] = count
    return votes


def _seeds(votes, scale=SCALE):
    return [tuple(place) for place in np.argwhere(find_seeds(votes, scale))]


def test_votes_that_meet_in_one_pixel_are_one_seed():
    assert _seeds(_votes((20, 30, 300))) == [(20, 30)]


def test_no_votes_are_no_seed():
    assert _seeds(_votes()) == []


def test_a_plateau_is_one_seed_however_wide_it_is():
    votes = np.zeros((60, 60), np.float32)
    votes[5:55, 5:55] = 5  # each pixel votes for itself
    assert SCALE.alike < 25

    ((row, column),) = _seeds(votes)

    assert votes[row, column] > 0


def test_too_few_votes_are_no_seed():
    scale = SplitScale.of(0.5, DIAMETER, smallest=50.0)
    fewest = np.pi / 4 * DIAMETER**2 / 20
    votes = _votes((20, 20, 0.9 * fewest), (40, 40, 1.1 * fewest))

    assert _seeds(votes, scale) == [(40, 40)]


def test_peaks_with_nothing_between_are_two_nuclei_close_as_they_are():
    assert _seeds(_votes((30, 20, 300), (30, 30, 200))) == [(30, 20), (30, 30)]


@pytest.mark.parametrize(("level", "count"), [(0.8, 2), (1.25, 1)])
def test_peaks_are_one_nucleus_if_the_votes_between_them_do_not_fall(level, count):
    votes = _votes((30, 18, 300), (30, 32, 200))
    # An even ridge between them, as high as the limit of the lower peak times `level`, seen from
    # its crest: a line of votes is wider than a point by sqrt(2 pi) times sigma.
    ridge = level * SADDLE * 200 / (np.sqrt(2 * np.pi) * SCALE.sigma)
    votes[30, 19:32] += ridge

    seeds = _seeds(votes)

    assert len(seeds) == count
    assert (30, 18) in seeds  # the higher one stays


def test_far_apart_peaks_are_two_nuclei_whatever_lies_between():
    votes = _votes((30, 10, 300), (30, 50, 300))
    votes[30, 11:50] += 20

    seeds = _seeds(votes)

    assert (30, 10) in seeds
    assert (30, 50) in seeds


def test_a_chain_of_peaks_keeps_those_that_are_alike_only_to_lower_ones():
    # The middle is one with the first, the third only with the middle.
    votes = _votes((30, 15, 400), (30, 25, 300), (30, 35, 200))
    votes[30, 16:25] += 40
    votes[30, 26:35] += 40
    scale = SplitScale.of(0.5, 14.0, smallest=1.0)  # the ends are too far apart

    assert (30, 15) in _seeds(votes, scale)
    assert (30, 25) not in _seeds(votes, scale)
    assert (30, 35) in _seeds(votes, scale)
