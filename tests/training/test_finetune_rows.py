"""What a model may learn from: checks of images, labels and reviewed regions, and the folder."""

import cv2
import numpy as np
import pytest
import tifffile
from finetune_data import disks, reviewed_row
from small_data import draw_disks

from napari_nucseg.errors import DatasetError
from napari_nucseg.training.finetune.folder import read_rows, write_rows
from napari_nucseg.training.finetune.rows import make_row

LABELS = disks(2, 3)
IMAGE = (LABELS > 0).astype(np.uint8) * 200


def test_a_row_is_what_was_given():
    reviewed = np.zeros(LABELS.shape, np.uint8)
    reviewed[:24] = 255

    row = make_row("a", IMAGE, LABELS * 10, reviewed)

    assert row.image.shape == (*LABELS.shape, 1)
    np.testing.assert_array_equal(row.labels, LABELS)
    np.testing.assert_array_equal(row.reviewed, reviewed > 0)
    area = (LABELS == 1).sum()
    assert row.diameter == pytest.approx(np.sqrt(4 * area / np.pi))
    assert not row.remarks
    assert not row.color


def test_without_a_region_everything_was_reviewed():
    assert make_row("a", IMAGE, LABELS).reviewed.all()


def test_alpha_is_dropped():
    row = make_row("a", np.dstack([IMAGE] * 4), LABELS)

    assert row.image.shape == (*LABELS.shape, 3)
    assert row.color


@pytest.mark.parametrize(
    ("image", "labels", "reviewed", "message"),
    [
        (IMAGE, LABELS[:-1], None, r"labels of 'a' must be as large as its image, 48 x 72 pixels"),
        (IMAGE, LABELS.astype(float), None, "must be integers, .* got dtype float64"),
        (IMAGE, LABELS > 0, None, "must be integers, .* got dtype bool"),
        (IMAGE, LABELS - 1, None, "must be 0 for the background and positive for nuclei, got -1"),
        (IMAGE, LABELS, LABELS[:, 1:], "reviewed region of 'a' must be as large as its image"),
        (np.stack([IMAGE] * 5), LABELS, None, r"2D gray or RGB\(A\) plane, .* split stacks"),
        (IMAGE * 1j, LABELS, None, "real numbers .* got dtype complex128"),
        (IMAGE * np.nan, LABELS, None, "Every pixel of image 'a' is NaN"),
        (np.zeros((0, 5)), np.zeros((0, 5), int), None, "has no pixels"),
    ],
)
def test_what_cannot_be_used_is_said(image, labels, reviewed, message):
    with pytest.raises(DatasetError, match=message):
        make_row("a", image, labels, reviewed)


def test_an_id_in_two_places_far_apart_is_two_nuclei():
    labels = draw_disks((60, 200), [(20, 20, 8), (30, 100, 8)])
    labels[draw_disks((60, 200), [(40, 180, 8)]) > 0] = 1

    row = make_row("a", np.zeros(labels.shape, np.uint8), 7 * labels)

    assert row.labels.max() == 3
    assert {row.labels[20, 20], row.labels[30, 100], row.labels[40, 180]} == {1, 2, 3}
    (remark,) = row.remarks
    assert "In 'a', label 7 marks 2 objects" in remark
    assert "(20, 20) and (40, 180)" in remark


def test_a_nucleus_with_a_crack_stays_one():
    labels = draw_disks((60, 60), [(30, 30, 10)])
    labels[30] = 0

    row = make_row("a", np.zeros(labels.shape, np.uint8), labels)

    assert row.labels.max() == 1
    assert not row.remarks


def test_huge_ids_need_no_memory():
    row = make_row("a", IMAGE, LABELS.astype(np.uint32) * 700_000_000 // 2)

    np.testing.assert_array_equal(np.unique(row.labels), np.arange(7))


def test_a_folder_of_rows_reads_back_the_same(tmp_path):
    reviewed = np.zeros((96, 144), bool)
    reviewed[:, :50] = True
    rows = [reviewed_row("layer [1]: a/b", reviewed=reviewed), reviewed_row("z", seed=2)]

    write_rows(rows, tmp_path)

    found = read_rows(tmp_path)
    assert [row.sha256() for row in found] == [row.sha256() for row in rows]
    assert [row.name for row in found] == ["layer [1]_ a_b", "z"]


def test_files_of_any_kind_give_the_same_row(tmp_path):
    for kind in ("tif", "png"):
        for part, array in (("images", IMAGE), ("labels", LABELS.astype(np.uint16))):
            path = tmp_path / kind / part / f"a.{kind}"
            path.parent.mkdir(parents=True)
            if kind == "tif":
                tifffile.imwrite(path, array, byteorder=">")
            else:
                cv2.imwrite(str(path), array)

    (first,), (second,) = (read_rows(tmp_path / kind) for kind in ("tif", "png"))

    assert first.sha256() == second.sha256() == make_row("a", IMAGE, LABELS).sha256()


def test_a_folder_that_cannot_be_used_is_said(tmp_path):
    with pytest.raises(DatasetError, match="There is no data folder at"):
        read_rows(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="images does not exist; expected a data folder"):
        read_rows(tmp_path)
    (tmp_path / "images").mkdir()
    with pytest.raises(DatasetError, match=r"images holds no image; expected \.png"):
        read_rows(tmp_path)
    write_rows([reviewed_row("a")], tmp_path)
    (tmp_path / "reviewed" / "a.npy").rename(tmp_path / "reviewed" / "b.npy")
    with pytest.raises(DatasetError, match=r"b\.npy belongs to no image"):
        read_rows(tmp_path)
    (tmp_path / "labels" / "a.npy").write_bytes(b"text")
    (tmp_path / "reviewed" / "b.npy").unlink()
    with pytest.raises(DatasetError, match="it is not a NumPy array"):
        read_rows(tmp_path)
    (tmp_path / "labels" / "a.npy").rename(tmp_path / "labels" / "b.npy")
    with pytest.raises(DatasetError, match="has no labels: expected a file 'a'"):
        read_rows(tmp_path)
    (tmp_path / "images" / "a.png").touch()
    with pytest.raises(DatasetError, match=r"one file per image, found a\.npy and a\.png"):
        read_rows(tmp_path)


def test_layers_need_names_of_their_own(tmp_path):
    with pytest.raises(DatasetError, match="a name of its own, got 'a' twice"):
        write_rows([reviewed_row("a"), reviewed_row("a")], tmp_path)
