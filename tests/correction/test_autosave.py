import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from napari_nucseg.correction import autosave
from napari_nucseg.correction.review import Reviewed
from napari_nucseg.correction.snapshot import Snapshot
from napari_nucseg.errors import ReadError, WriteError

BOX = [(1, 1), (1, 6), (6, 6), (6, 1)]


@pytest.fixture
def predicted():
    labels = np.zeros((2, 30, 40), np.int32)
    labels[0, 3:9, 3:9] = 1
    return labels


@pytest.fixture
def corrected(predicted):
    labels = predicted.copy()
    labels[0, 3:9, 3:6] = 2
    labels[1, 20:25, 30:35] = 3
    return labels


def save(folder, predicted, labels, name="cells nuclei", reviewed=None):
    reviewed = Reviewed(predicted.shape) if reviewed is None else reviewed
    return autosave.save(folder, name, Snapshot.of(predicted), labels, reviewed, {"added": 1})


def test_what_was_saved_comes_back(tmp_path, predicted, corrected):
    reviewed = Reviewed(predicted.shape).with_polygons([((1,), BOX)])
    assert save(tmp_path / "s", predicted, corrected, reviewed=reviewed)
    (saved,) = autosave.list_saved(tmp_path)
    assert (saved.layer, saved.shape) == ("cells nuclei", predicted.shape)
    assert saved.fingerprint == Snapshot.of(predicted).fingerprint
    assert saved.corrections == {"added": 1}
    assert saved.reviewed == 36 / predicted.size
    assert timedelta(0) <= datetime.now(UTC) - saved.time < timedelta(minutes=1)
    restored = autosave.restore(saved)
    np.testing.assert_array_equal(restored.labels, corrected)
    np.testing.assert_array_equal(restored.predicted, predicted)
    np.testing.assert_array_equal(restored.reviewed.mask(), reviewed.mask())
    assert restored.labels.dtype == np.int32


def test_the_newest_state_replaces_the_one_before(tmp_path, predicted, corrected):
    save(tmp_path / "s", predicted, corrected)
    corrected[0, 0, 0] = 9
    save(tmp_path / "s", predicted, corrected)
    (saved,) = autosave.list_saved(tmp_path)
    np.testing.assert_array_equal(autosave.restore(saved).labels, corrected)
    assert sorted(p.name for p in (tmp_path / "s").iterdir()) == [
        "corrections.npz",
        "predicted.npz",
    ]


def test_corrections_stay_with_the_labels_they_were_made_of(tmp_path, predicted, corrected):
    save(tmp_path / "s", np.roll(predicted, 9, axis=2), corrected)
    save(tmp_path / "s", predicted, corrected)  # those of other labels were restored
    restored = autosave.restore(*autosave.list_saved(tmp_path))
    np.testing.assert_array_equal(restored.predicted, predicted)
    np.testing.assert_array_equal(restored.labels, corrected)


def test_saving_from_several_threads(tmp_path, predicted, corrected):
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda _: save(tmp_path / "s", predicted, corrected), range(12)))
    (saved,) = autosave.list_saved(tmp_path)
    np.testing.assert_array_equal(autosave.restore(saved).labels, corrected)


def test_nothing_to_keep_leaves_no_folder(tmp_path, predicted, corrected):
    assert not save(tmp_path / "s", predicted, predicted)
    save(tmp_path / "s", predicted, corrected)
    assert not save(tmp_path / "s", predicted, predicted)  # everything was undone
    assert list(tmp_path.iterdir()) == []
    assert save(tmp_path / "s", predicted, predicted, reviewed=Reviewed(predicted.shape).with_all())


def test_the_same_labels_are_found_first_then_the_same_name(tmp_path, predicted, corrected):
    save(tmp_path / "a", predicted, corrected, name="other name")
    save(tmp_path / "b", predicted + 1, corrected)
    save(tmp_path / "c", predicted[:1], corrected[:1])
    fingerprint = Snapshot.of(predicted).fingerprint
    found = autosave.find_saved(tmp_path, "cells nuclei", predicted.shape, fingerprint)
    assert found.folder.name == "a"
    found = autosave.find_saved(tmp_path, "cells nuclei", predicted.shape, "unknown")
    assert found.folder.name == "b"
    assert autosave.find_saved(tmp_path, "third", predicted.shape, "unknown") is None
    assert autosave.find_saved(tmp_path / "none", "x", predicted.shape, fingerprint) is None


def test_old_corrections_expire(tmp_path, predicted, corrected, monkeypatch):
    save(tmp_path / "new", predicted, corrected)

    class Earlier(datetime):
        @classmethod
        def now(cls, zone):
            return datetime.now(zone) - timedelta(days=40)

    with monkeypatch.context() as patch:
        patch.setattr(autosave, "datetime", Earlier)
        save(tmp_path / "old", predicted, corrected)
    assert [s.folder.name for s in autosave.list_saved(tmp_path)] == ["new", "old"]
    assert autosave.expire(tmp_path, days=50) == 0
    assert autosave.expire(tmp_path) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_broken_files_are_left_out_of_the_list(tmp_path, predicted, corrected):
    save(tmp_path / "good", predicted, corrected)
    save(tmp_path / "cut", predicted, corrected)
    cut = tmp_path / "cut" / "corrections.npz"
    cut.write_bytes(cut.read_bytes()[:100])
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "corrections.npz").touch()
    text = np.frombuffer(json.dumps({"format": 99}).encode(), np.uint8)
    (tmp_path / "future").mkdir()
    np.savez(tmp_path / "future" / "corrections.npz", about=text)
    assert [s.folder.name for s in autosave.list_saved(tmp_path)] == ["good"]


def test_pickles_are_not_read(tmp_path, predicted, corrected):
    save(tmp_path / "s", predicted, corrected)
    (saved,) = autosave.list_saved(tmp_path)
    np.savez(tmp_path / "s" / "predicted.npz", labels=np.array([{"a": 1}], object))
    with pytest.raises(ReadError, match=r"cannot be read: Object arrays cannot be loaded"):
        autosave.restore(saved)


def test_a_missing_prediction_is_explained(tmp_path, predicted, corrected):
    save(tmp_path / "s", predicted, corrected)
    (saved,) = autosave.list_saved(tmp_path)
    (tmp_path / "s" / "predicted.npz").unlink()
    with pytest.raises(ReadError, match=r"The corrections in .*s cannot be read"):
        autosave.restore(saved)


def test_a_folder_that_cannot_be_written_is_explained(tmp_path, predicted, corrected):
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="Cannot write"):
        save(tmp_path / "file" / "s", predicted, corrected)


def test_what_was_restored_stays_until_it_is_discarded(tmp_path, predicted, corrected):
    save(tmp_path / "old", predicted, corrected)
    snapshot, nothing = Snapshot.of(predicted), Reviewed(predicted.shape)

    def find():
        found = autosave.find_saved(tmp_path, "x", predicted.shape, snapshot.fingerprint)
        return found and found.folder.name

    def go_on(labels):
        autosave.save(tmp_path / "new", "x", snapshot, labels, nothing, restored="old")

    go_on(corrected)
    assert find() == "new"
    go_on(predicted)  # restoring was undone
    assert find() == "old"
    go_on(corrected)
    (newest, _) = autosave.list_saved(tmp_path)
    autosave.discard_saved(newest, keep=["new"])
    assert find() == "new"
    autosave.discard_saved(newest, keep=["old"])
    assert find() == "old"
    go_on(corrected)
    (newest, _) = autosave.list_saved(tmp_path)
    autosave.discard_saved(newest)
    assert find() is None
    assert autosave.list_saved(tmp_path) == []


def test_discarding(tmp_path, predicted, corrected):
    save(tmp_path / "s", predicted, corrected)
    autosave.discard(tmp_path / "s")
    autosave.discard(tmp_path / "s")
    assert list(tmp_path.iterdir()) == []


def test_the_folder_can_be_chosen(monkeypatch):
    assert autosave.autosave_folder() == Path(os.environ["NAPARI_NUCSEG_STATE"]) / "autosave"
    monkeypatch.delenv("NAPARI_NUCSEG_STATE")
    assert autosave.autosave_folder().parts[-2:] == ("napari-nucseg", "autosave")
