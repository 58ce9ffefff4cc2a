import numpy as np
import pytest

from napari_nucseg.correction.changes import Changes, find_changes
from napari_nucseg.correction.snapshot import Snapshot, fingerprint
from napari_nucseg.errors import InputError


@pytest.fixture
def predicted():
    """Squares of 6 x 6: 1 and 2 side by side, 3, 4, 5 apart."""
    labels = np.zeros((40, 40), np.int32)
    for nucleus, (row, column) in enumerate([(2, 2), (2, 8), (12, 2), (22, 2), (32, 2)], 1):
        labels[row : row + 6, column : column + 6] = nucleus
    return labels


def test_nothing_changed(predicted):
    assert find_changes(predicted, predicted.copy()) == Changes()
    assert Changes().total == 0


def test_every_kind_at_once(predicted):
    current = predicted.copy()
    current[current == 2] = 1  # merged
    current[15:18, 2:8] = 7  # split: the lower half of 3
    current[current == 4] = 0  # deleted
    current[32:34, 2:8] = 0  # changed: a third less of 5
    current[20:25, 30:35] = 9  # added
    changes = find_changes(predicted, current)
    assert changes == Changes(added=(9,), deleted=(4,), changed=(5,), split=(3,), merged=(1,))
    assert changes.counts() == dict.fromkeys(("added", "deleted", "changed", "split", "merged"), 1)
    assert changes.total == 5


def test_another_id_is_no_change(predicted):
    assert find_changes(predicted, np.where(predicted == 3, 77, predicted)) == Changes()


def test_growing_into_a_neighbour_changes_both(predicted):
    current = predicted.copy()
    current[2:8, 8:10] = 1
    assert find_changes(predicted, current) == Changes(changed=(1, 2))


def test_two_cut_anew_as_two_are_changed(predicted):
    current = predicted.copy()
    current[2:8, 8:12] = 1  # all of 1 and two thirds of 2; the rest of 2 is a nucleus too
    assert find_changes(predicted, current) == Changes(changed=(1, 2))


def test_half_of_the_smaller_is_not_enough_to_correspond(predicted):
    current = np.where(predicted == 3, 0, predicted)
    current[15:21, 2:8] = 3  # three of its six rows lie in the old one
    assert find_changes(predicted, current) == Changes(added=(3,), deleted=(3,))
    current[14, 2:8], current[20, 2:8] = 3, 0
    assert find_changes(predicted, current) == Changes(changed=(3,))


def test_all_background_and_back(predicted):
    nothing = np.zeros_like(predicted)
    assert find_changes(predicted, nothing).deleted == (1, 2, 3, 4, 5)
    assert find_changes(nothing, predicted).added == (1, 2, 3, 4, 5)


@pytest.mark.parametrize("max_raw", [0, 10**9])
def test_a_snapshot_serves_as_well(predicted, max_raw):
    stack = np.stack([predicted, predicted[::-1], np.zeros_like(predicted)])[None]
    snapshot = Snapshot.of(stack, max_raw=max_raw)
    current = stack.copy()
    current[0, 2, 5:9, 5:9] = 8
    assert find_changes(snapshot, current) == Changes(added=(8,))
    np.testing.assert_array_equal(snapshot.array(), stack)
    assert (snapshot.top, snapshot.dtype, snapshot.shape) == (5, np.int32, (1, 3, 40, 40))
    assert snapshot.fingerprint == fingerprint(stack) != fingerprint(current)
    assert (snapshot.nbytes < stack.nbytes / 20) == (max_raw == 0)


def test_a_snapshot_is_a_copy(predicted):
    snapshot = Snapshot.of(predicted)
    predicted[:] = 0
    assert snapshot.array().max() == 5


def test_fingerprints_know_shape_and_dtype(predicted):
    prints = [predicted, predicted.astype(np.int64), predicted.reshape(20, 80), predicted.T]
    assert len({fingerprint(array) for array in prints}) == 4
    assert fingerprint(predicted.T) == fingerprint(np.ascontiguousarray(predicted.T))


def test_shapes_must_agree(predicted):
    with pytest.raises(InputError, match=r"shape \(39, 40\), the prediction \(40, 40\)"):
        find_changes(predicted, predicted[1:])
