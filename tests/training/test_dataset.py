"""Data folders: reading, refusing, splitting by group."""

import csv
from dataclasses import replace

import cv2
import numpy as np
import pytest
import tifffile
from small_data import draw_disks, make_item, write_folder

from napari_nucseg.errors import DatasetError
from napari_nucseg.training.dataset import load_folder, median_diameter
from napari_nucseg.training.split import split_by_group


def _write_index(folder, rows):
    with (folder / "index.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_images_and_labels_are_matched_by_stem(data_folder):
    items = load_folder(data_folder)

    assert [item.name for item in items] == [f"image{i}" for i in range(6)]
    assert [item.group for item in items] == [
        "group0",
        "group0",
        "group1",
        "group1",
        "group2",
        "group2",
    ]
    assert {item.kind for item in items} == {"disks"}
    assert items[0].image.shape == (96, 96, 1)
    assert items[0].labels.dtype == np.int32
    assert items[0].diameter == pytest.approx(16, abs=0.5)


def test_without_an_index_every_image_is_its_own_group(tmp_path):
    items = load_folder(write_folder(tmp_path / "data", index=False))

    assert [item.group for item in items] == [item.name for item in items]


@pytest.mark.parametrize("suffix", [".tif", ".TIF", ".tiff"])
def test_tiff_is_read_like_png(tmp_path, suffix):
    folder = write_folder(tmp_path / "data")
    expected = load_folder(folder)[0]
    for name, pixels in (("images", expected.image[..., 0]), ("labels", expected.labels)):
        (folder / name / "image0.png").unlink()
        tifffile.imwrite(folder / name / f"image0{suffix}", pixels)

    found = load_folder(folder)[0]

    np.testing.assert_array_equal(found.image, expected.image)
    np.testing.assert_array_equal(found.labels, expected.labels)


def test_colours_are_red_green_blue_and_alpha_is_dropped(data_folder):
    colours = np.zeros((96, 96, 4), np.uint8)
    colours[..., 0], colours[..., 3] = 200, 255
    cv2.imwrite(str(data_folder / "images" / "image0.png"), colours[..., [2, 1, 0, 3]])

    image = load_folder(data_folder)[0].image

    assert image.shape == (96, 96, 3)
    np.testing.assert_array_equal(image[0, 0], [200, 0, 0])


def test_label_numbers_with_gaps_are_closed(data_folder):
    labels = 40000 * draw_disks((96, 96), [(20, 20, 8)]) + 7 * draw_disks((96, 96), [(60, 60, 8)])
    cv2.imwrite(str(data_folder / "labels" / "image0.png"), labels.astype(np.uint16))

    found = load_folder(data_folder)[0].labels

    np.testing.assert_array_equal(np.unique(found), [0, 1, 2])
    assert (found[20, 20], found[60, 60]) == (2, 1)


def test_labels_without_background_are_kept(data_folder):
    cv2.imwrite(str(data_folder / "labels" / "image0.png"), np.full((96, 96), 5, np.uint16))

    assert (load_folder(data_folder)[0].labels == 1).all()


def test_rows_that_the_index_rejects_are_left_out(tmp_path):
    folder = write_folder(tmp_path / "data")
    _write_index(
        folder,
        [
            {
                "id": "image0",
                "group": "a",
                "label_source": "original_rejected",
                "shares_group_with_test": "0",
            },
            {"id": "image1", "group": "b", "label_source": "fixed", "shares_group_with_test": "1"},
            {"id": "image2", "group": "c", "label_source": "fixed", "shares_group_with_test": "0"},
        ],
    )

    names = [item.name for item in load_folder(folder)]
    all_names = [item.name for item in load_folder(folder, include_test_groups=True)]

    assert names == ["image2", "image3", "image4", "image5"]
    assert all_names == ["image1", "image2", "image3", "image4", "image5"]


def test_images_in_test_groups_are_trained_on_and_change_no_split(data_folder):
    _write_index(
        data_folder,
        [
            {"id": f"image{i}", "group": f"g{i // 2}", "shares_group_with_test": str(int(i < 2))}
            for i in range(6)
        ],
    )

    without = split_by_group(load_folder(data_folder), 0.4, 1)
    items = load_folder(data_folder, include_test_groups=True)
    training, validation = split_by_group(items, 0.4, 1)

    assert [i.name for i in validation] == [i.name for i in without[1]]
    assert [i.name for i in training] == ["image0", "image1", *(i.name for i in without[0])]


def test_a_group_of_which_one_image_is_near_withheld_ones_is_trained_on_whole():
    items = _items(*(("k", f"group{i // 2}") for i in range(20)))
    items = [replace(item, in_test_group=item.name in ("0", "2", "4")) for item in items]

    for seed in range(5):
        training, _ = split_by_group(items, 0.3, seed)
        assert {"group0", "group1", "group2"} < {item.group for item in training}


@pytest.mark.parametrize(
    ("mark", "left_out"),
    [
        ("1", True),
        ("True", True),
        ("yes", True),
        ("1.0", True),
        ("0", False),
        ("False", False),
        ("", False),
    ],
)
def test_marks_are_understood_however_they_are_written(data_folder, mark, left_out):
    _write_index(data_folder, [{"id": "image0", "shares_group_with_test": mark}])

    assert ("image0" not in {item.name for item in load_folder(data_folder)}) == left_out


def test_a_mark_that_is_not_understood_is_refused(data_folder):
    _write_index(data_folder, [{"id": "image0", "shares_group_with_test": "perhaps"}])

    with pytest.raises(DatasetError, match=r"must be 1 or 0 .* got 'perhaps'"):
        load_folder(data_folder)


def test_nothing_but_images_near_withheld_ones_is_refused(data_folder):
    _write_index(
        data_folder,
        [{"id": f"image{i}", "group": f"g{i}", "shares_group_with_test": "1"} for i in range(6)],
    )

    with pytest.raises(DatasetError, match=r"All 6 groups of .* share a field of view"):
        load_folder(data_folder, include_test_groups=True)


def test_missing_folders_are_named(tmp_path):
    with pytest.raises(DatasetError, match=r"images does not exist; expected a data folder"):
        load_folder(tmp_path)

    (tmp_path / "images").mkdir()
    with pytest.raises(DatasetError, match=r"images holds no image; expected \.png, \.tif"):
        load_folder(tmp_path)


def test_an_image_without_labels_is_named(data_folder):
    (data_folder / "labels" / "image3.png").unlink()

    with pytest.raises(DatasetError, match=r"1 of 6 images .* the first is 'image3'"):
        load_folder(data_folder)


def test_different_sizes_are_refused_with_both(data_folder):
    cv2.imwrite(str(data_folder / "labels" / "image2.png"), np.ones((96, 90), np.uint16))

    with pytest.raises(DatasetError, match=r"image2\.png is \(96, 96\) .* \(96, 90\)"):
        load_folder(data_folder)


@pytest.mark.parametrize(
    "labels",
    [
        np.zeros((96, 96, 3), np.uint8),
        np.zeros((96, 96), np.float32),
        np.full((96, 96), -1, np.int16),
    ],
)
def test_labels_that_are_no_labels_are_refused(data_folder, labels):
    (data_folder / "labels" / "image2.png").unlink()
    tifffile.imwrite(data_folder / "labels" / "image2.tif", labels)

    with pytest.raises(DatasetError, match=r"image2\.tif must be a 2D integer image"):
        load_folder(data_folder)


@pytest.mark.parametrize("shape", [(96, 96, 2), (96, 96, 5), (2, 96, 96, 3)])
def test_images_that_are_neither_gray_nor_colour_are_refused(data_folder, shape):
    (data_folder / "images" / "image2.png").unlink()
    tifffile.imwrite(
        data_folder / "images" / "image2.tif", np.zeros(shape, np.uint8), photometric="minisblack"
    )

    with pytest.raises(DatasetError, match=r"image2\.tif must be a 2D gray or RGB\(A\) image"):
        load_folder(data_folder)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n", b"II*\x00\x08\x00"])
def test_a_broken_file_is_named(data_folder, suffix, content):
    (data_folder / "images" / "image1.png").unlink()
    (data_folder / "images" / f"image1{suffix}").write_bytes(content)

    with pytest.raises(DatasetError, match=rf"Cannot read .*image1\{suffix}: "):
        load_folder(data_folder)


def test_a_truncated_image_is_refused(data_folder):
    path = data_folder / "images" / "image1.png"
    path.write_bytes(path.read_bytes()[:-40])

    with pytest.raises(DatasetError, match=r"image1\.png: the image is damaged or incomplete"):
        load_folder(data_folder)


def test_two_files_of_one_stem_are_refused_and_hidden_files_left_out(data_folder):
    (data_folder / "labels" / "._image1.tif").write_bytes(b"macOS")
    assert len(load_folder(data_folder)) == 6
    (data_folder / "images" / "image1.tif").write_bytes(b"")

    with pytest.raises(DatasetError, match=r"found image1\.png and image1\.tif"):
        load_folder(data_folder)


def test_an_index_saved_by_a_spreadsheet_is_read(data_folder):
    path = data_folder / "index.csv"
    path.write_text("\ufeffid,group\nimage0,a\nimage1,a\n", encoding="utf-8")

    assert [item.group for item in load_folder(data_folder)[:2]] == ["a", "a"]


def test_an_index_without_id_is_refused(data_folder):
    _write_index(data_folder, [{"name": "image0", "group": "a"}])

    with pytest.raises(DatasetError, match="no column 'id'; it has name, group"):
        load_folder(data_folder)


def test_one_group_alone_cannot_be_split(data_folder):
    _write_index(data_folder, [{"id": f"image{i}", "group": "same"} for i in range(6)])

    with pytest.raises(DatasetError, match="6 usable images in fewer than two groups"):
        load_folder(data_folder)


def _items(*groups):
    """Return one item for every (kind, group)."""
    return [make_item(name=str(i), group=g, kind=k) for i, (k, g) in enumerate(groups)]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("fraction", [0.05, 0.15, 0.5, 0.9])
def test_the_split_keeps_groups_whole_and_neither_side_empty(seed, fraction):
    rng = np.random.default_rng(seed)
    items = _items(*((f"kind{rng.integers(3)}", f"group{rng.integers(9)}") for _ in range(30)))

    training, validation = split_by_group(items, fraction, seed)

    assert training
    assert validation
    assert not {item.group for item in training} & {item.group for item in validation}
    assert sorted(i.name for i in training + validation) == sorted(i.name for i in items)


def test_kinds_that_share_their_groups_still_leave_something_to_train_on():
    items = _items(*((f"stain{k}", f"field{g}") for k in range(6) for g in range(4)))

    training, validation = split_by_group(items, 0.25, 0)

    assert len(validation) == 6  # one field, in every stain
    assert len(training) == 18


def test_the_split_depends_on_the_seed_alone():
    items = _items(*(("k", f"group{i}") for i in range(20)))

    def names(seed):
        return [item.name for item in split_by_group(items, 0.3, seed)[1]]

    assert names(1) == names(1)
    assert names(1) != names(2)
    assert len(names(1)) == 6


def test_a_kind_of_a_single_group_is_trained_on():
    items = _items(("rare", "only"), *(("common", f"group{i}") for i in range(10)))

    training, _ = split_by_group(items, 0.3, 0)

    assert "only" in {item.group for item in training}


def test_the_median_diameter_is_that_of_a_circle_of_the_median_area():
    labels = np.zeros((30, 30), np.int32)
    labels[:4, :4], labels[10:15, 10:15], labels[20:26, 20:26] = 1, 2, 5  # 16, 25 and 36 pixels

    assert median_diameter(labels) == pytest.approx(np.sqrt(4 * 25 / np.pi))
    assert median_diameter(np.zeros((4, 4), np.int32)) == 0.0
