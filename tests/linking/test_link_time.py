"""From frames to tracks, and divisions."""

import numpy as np
import pytest
from drawn_stacks import centred, chains, stack

from napari_nucseg.linking import link_time
from napari_nucseg.sample_data import time_lapse


def tracks(frames, **options):
    labels = stack(frames)
    result = link_time(labels, **options)
    return chains(labels, result.labels), dict(result.parents)


def test_a_nucleus_keeps_its_id():
    still, moving = centred(10, (10, 10)), [centred(10, (30 + 3 * n, 40)) for n in range(4)]
    frames = [[still, moving[0]], [moving[1], still], [still, moving[2]], [moving[3], still]]
    assert tracks(frames) == ({(1, 2, 1, 2), (2, 1, 2, 1)}, {})


def test_a_fast_nucleus_is_found_nearby():
    # Squares of side 8 have a diameter of 9.03; moved by 9 they do not touch.
    frames = [[(5 + 9 * n, 20, 8)] for n in range(5)]
    assert tracks(frames) == ({(1,) * 5}, {})


def test_not_further_than_a_diameter():
    assert tracks([[(5, 20, 8)], [(15, 20, 8)]]) == ({(1, 0), (0, 1)}, {})


def test_the_nearest_is_of_like_size():
    frames = [[(5, 20, 8)], [(14, 20, 5)]]  # 25 of 64 pixels
    assert tracks(frames) == ({(1, 0), (0, 1)}, {})


def test_overlap_comes_before_distance():
    # Both squares go to the right by 3; the first one then lies as near to the second's old place.
    frames = [[(20, 10, 8), (20, 19, 8)], [(20, 13, 8), (20, 22, 8)]]
    assert tracks(frames) == ({(1, 1), (2, 2)}, {})


@pytest.mark.parametrize(("missing", "gap", "count"), [(1, 0, 2), (1, 1, 1), (2, 1, 2), (2, 2, 1)])
def test_gaps_are_closed(missing, gap, count):
    frames = [[centred(10)]] * 2 + [[]] * missing + [[centred(10)]] * 2
    assert len(tracks(frames, gap=gap)[0]) == count


MOTHER = centred(14)
DAUGHTERS = [(25, 19, 10), (25, 31, 10)]  # 200 of 196 pixels, the mother's centre between them


def test_daughters_get_new_ids_and_know_their_mother():
    frames = [[MOTHER]] * 3 + [DAUGHTERS] * 3
    labels = stack(frames)
    result = link_time(labels)
    assert chains(labels, result.labels) == {
        (1, 1, 1, 0, 0, 0),
        (0, 0, 0, 1, 1, 1),
        (0, 0, 0, 2, 2, 2),
    }
    assert result.parents == {2: 1, 3: 1}


def test_a_daughter_who_looks_like_the_mother_gets_a_new_id_too():
    # The larger daughter overlaps the mother by 100 of 196 pixels and would go on as her.
    frames = [[MOTHER]] * 2 + [[(25, 23, 10), (25, 33, 9)]] * 2
    found, parents = tracks(frames)
    assert found == {(1, 1, 0, 0), (0, 0, 1, 1), (0, 0, 2, 2)}
    assert parents == {2: 1, 3: 1}


def test_a_division_in_the_last_frame_counts():
    assert tracks([[MOTHER]] * 2 + [DAUGHTERS])[1] == {2: 1, 3: 1}


def test_a_piece_that_is_seen_once_is_no_daughter():
    frames = [[MOTHER]] * 2 + [DAUGHTERS] + [[MOTHER]] * 3
    assert tracks(frames, gap=0)[1] == {}


def test_a_nucleus_that_comes_in_beside_another_is_no_daughter():
    neighbour = centred(14, (30, 46))
    found, parents = tracks([[MOTHER]] * 2 + [[MOTHER, neighbour]] * 3)
    assert found == {(1,) * 5, (0, 0, 2, 2, 2)}
    assert parents == {}


def test_sisters_are_of_like_size():
    frames = [[MOTHER]] * 2 + [[(25, 22, 10), (27, 33, 5)]] * 3
    assert tracks(frames)[1] == {}


def test_granddaughters():
    second = [[(25, 13, 7), (25, 21, 7), (25, 31, 10)]] * 3
    found, parents = tracks([[MOTHER]] * 2 + [DAUGHTERS] * 3 + second)
    assert len(found) == 5
    assert parents == {2: 1, 3: 1, 4: 2, 5: 2}


def test_a_generated_movie_is_tracked_without_a_mistake():
    sample = time_lapse(seed=1)
    rng = np.random.default_rng(0)
    top = int(sample.labels.max())
    shuffled = np.stack(
        [np.concatenate([[0], 1 + rng.permutation(top)])[frame] for frame in sample.labels]
    )
    result = link_time(shuffled)
    pairs = np.unique(np.stack([sample.labels.ravel(), result.labels.ravel()]), axis=1)
    assert pairs.shape[1] == result.count + 1 == len(np.unique(sample.labels))
    own = dict(zip(pairs[1].tolist(), pairs[0].tolist(), strict=True))
    found = {own[child]: own[mother] for child, mother in result.parents.items()}
    assert found == sample.metadata["lineage"]


def test_volumes_move_in_depth():
    # From plane 0 to plane 2: no voxel in common, but 2 steps of 2 pixels are less than a diameter.
    movie = np.zeros((2, 6, 30, 30), np.int32)
    movie[0, 0:2, 10:16, 10:16] = 4
    movie[1, 2:4, 10:16, 10:16] = 9
    assert link_time(movie, step=2.0).count == 1
    assert link_time(movie, step=6.0).count == 2


def test_nothing_to_link():
    result = link_time(np.zeros((3, 16, 16), np.int32))
    assert (result.count, result.parents, result.labels.any()) == (0, {}, False)
