"""Pairs of files in two folders."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from napari_nucseg.errors import Cancelled, DatasetError, InputError, ReadError
from napari_nucseg.evaluation.folders import evaluate_folders, read_labels

LABELS = np.array([[0, 1, 1], [300, 300, 0]], np.uint16)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    labels, predictions = tmp_path / "labels", tmp_path / "predictions"
    labels.mkdir()
    predictions.mkdir()
    return labels, predictions


def write(path: Path, labels: np.ndarray = LABELS) -> None:
    if path.suffix.lower() == ".png":
        assert cv2.imwrite(str(path), labels)
    else:
        tifffile.imwrite(path, labels)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.TIFF", "Zellkerne ä 核.png"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_ids_are_read_as_they_are(tmp_path, name, dtype):
    labels = (LABELS % 256).astype(dtype)
    path = tmp_path / name
    if path.suffix == ".png":
        path.write_bytes(cv2.imencode(".png", labels)[1].tobytes())
    else:
        write(path, labels)
    read = read_labels(path)
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, labels)


def test_stack_of_int32_is_read(tmp_path):
    stack = np.arange(60, dtype=np.int32).reshape(2, 5, 6) * 100_000
    tifffile.imwrite(tmp_path / "a.tif", stack, compression="zlib")
    np.testing.assert_array_equal(read_labels(tmp_path / "a.tif"), stack)


@pytest.mark.parametrize(
    ("true", "predicted"),
    [
        ("a.png", "a_labels.tif"),
        ("a.tif", "a.png"),
        ("a.tiff", "a.tiff"),
        ("a.PNG", "a_labels.TIF"),
        ("a_labels.tif", "a_labels.tif"),
        ("a.b.tif", "a.b_labels.tif"),
    ],
)
def test_names_that_belong_together(folders, true, predicted):
    write(folders[0] / true)
    write(folders[1] / predicted)
    result = evaluate_folders(*folders)
    assert result.failures == ()
    assert result.summary is not None
    assert result.summary.n_true == 2
    assert result.summary.mean_average_precision.pooled == 1
    assert result.summary.images[0].name == Path(true).stem


def test_labels_beside_their_image_are_preferred(folders):
    write(folders[0] / "a.tif")
    write(folders[1] / "a.tif", np.zeros_like(LABELS))  # the image itself
    write(folders[1] / "a_labels.tif")
    summary = evaluate_folders(*folders).summary
    assert summary is not None
    assert summary.mean_average_precision.pooled == 1


def test_failed_pairs_do_not_stop_the_others(folders):
    labels, predictions = folders
    for name in ("good", "missing", "size", "corrupt", "colour", "twice", "float"):
        write(labels / f"{name}.png")
    write(predictions / "good_labels.tif")
    write(predictions / "size_labels.tif", LABELS[:, :2])
    (predictions / "corrupt_labels.tif").write_bytes(b"II*\0")
    write(predictions / "colour.png", np.zeros((2, 3, 3), np.uint8))
    write(predictions / "twice_labels.tif")
    write(predictions / "twice_labels.png")
    write(predictions / "float.tif", LABELS.astype(np.float32))
    write(predictions / "unused.tif")
    (labels / "notes.txt").write_text("not an image")
    (labels / "._good.png").write_bytes(b"left by macOS")
    steps = []
    result = evaluate_folders(*folders, progress=lambda *step: steps.append(step))
    assert result.summary is not None
    assert [image.name for image in result.summary.images] == ["good"]
    failures = dict(
        zip(
            ("colour", "corrupt", "float", "missing", "size", "twice"), result.failures, strict=True
        )
    )
    assert (
        f"{predictions / 'colour.png'} is a colour image of shape (2, 3, 3)" in failures["colour"]
    )
    assert f"Cannot read {predictions / 'corrupt_labels.tif'}: " in failures["corrupt"]
    assert "received dtype float32" in failures["float"]
    assert f"{labels / 'missing.png'} has no prediction" in failures["missing"]
    assert str(labels / "size.png") in failures["size"]
    assert str(predictions / "size_labels.tif") in failures["size"]
    assert "received (2, 3) (true) and (2, 2) (predicted)" in failures["size"]
    assert "found twice_labels.png and twice_labels.tif" in failures["twice"]
    assert [done for done, _, _ in steps] == [1, 2, 3, 4, 5, 6, 7]
    assert steps[-1][1:] == (7, "Compared twice")
    assert result.to_dict()["failures"] == list(result.failures)


def test_all_pairs_failed(folders):
    write(folders[0] / "a.png")
    (folders[1] / "a.tif").write_bytes(b"")
    result = evaluate_folders(*folders)
    assert result.summary is None
    assert len(result.failures) == 1
    scores = {"n_images": 0, "images": [], "warnings": []}
    assert result.to_dict() == {**scores, "failures": list(result.failures)}


def drawn(shape: tuple[int, int], size: int) -> np.ndarray:
    """Squares that touch on all sides, each with an id of its own."""
    rows, columns = np.indices(shape) // size
    return (rows * (shape[1] // size + 1) + columns + 1).astype(np.uint16)


def test_crowded_labels_are_beyond_doubt(folders):
    crowded = drawn((300, 300), 6)
    crowded[::50] = 0  # even where some fall apart
    write(folders[0] / "plane.tif", crowded)
    write(folders[1] / "plane.tif", crowded[:, ::-1])
    write(folders[0] / "stack.tif", np.stack([crowded] * 5))
    write(folders[1] / "stack.tif", np.zeros((5, 300, 300), np.uint16))
    result = evaluate_folders(*folders)
    assert result.warnings == result.failures == ()


def test_what_does_not_look_like_labels(folders):
    labels, predictions = folders
    right = drawn((90, 90), 15)
    image = np.random.default_rng(0).poisson(right + 40.0).astype(np.uint16)
    write(labels / "image.tif", image)
    write(predictions / "image_labels.tif", right)
    write(labels / "mask.png", right)
    write(predictions / "mask_labels.png", (right % 5 == 0) * np.uint8(255))
    write(labels / "stack.tif", np.stack([image] * 5))
    write(predictions / "stack.tif", np.stack([right] * 5))
    result = evaluate_folders(*folders)
    assert result.failures == ()
    assert result.summary is not None
    assert len(result.summary.images) == 3
    doubted = [labels / "image.tif", predictions / "mask_labels.png", labels / "stack.tif"]
    assert [text.partition(" does not look")[0] for text in result.warnings] == list(
        map(str, doubted)
    )
    assert "an id lies in 7.0 separate pieces on average, expected one" in result.warnings[1]
    assert result.to_dict()["warnings"] == list(result.warnings)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.98])
@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
def test_truncated_file(tmp_path, name, part, compression):
    noise = np.random.default_rng(0).integers(0, 60000, (64, 64)).astype(np.uint16)
    path = tmp_path / name
    if name == "a.png":
        write(path, noise)
    else:
        tifffile.imwrite(path, noise, compression=compression)
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    with pytest.raises(ReadError, match=name):
        read_labels(path)


def test_file_that_does_not_exist(tmp_path):
    for name in ("a.png", "a.tif"):
        with pytest.raises(ReadError, match=name):
            read_labels(tmp_path / name)


def test_colour_tiff(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 9, 3), np.uint8), photometric="rgb")
    with pytest.raises(ReadError, match=r"colour image of shape \(8, 9, 3\)"):
        read_labels(tmp_path / "a.tif")


def test_no_pairs_at_all(folders):
    write(folders[0] / "a.png")
    write(folders[1] / "b_mask.tif")
    with pytest.raises(DatasetError, match=r"for a\.png, expected a_labels or a .* b_mask\.tif"):
        evaluate_folders(*folders)


def test_folders_that_cannot_be_used(folders):
    labels, predictions = folders
    with pytest.raises(DatasetError, match=r"folder of labels must hold .*\.png"):
        evaluate_folders(labels, predictions)
    write(labels / "a.png")
    with pytest.raises(DatasetError, match="folder of predictions must hold"):
        evaluate_folders(labels, predictions)
    with pytest.raises(DatasetError, match="two folders"):
        evaluate_folders(labels, labels)
    with pytest.raises(DatasetError, match=r"folder of predictions does not exist: .*nowhere"):
        evaluate_folders(labels, labels / "nowhere")


def test_thresholds_are_checked_before_files(folders):
    with pytest.raises(InputError, match=r"received 1\.5"):
        evaluate_folders(*folders, thresholds=[0.5, 1.5])


def test_cancelling(folders):
    for name in ("a.png", "b.png"):
        write(folders[0] / name)
        write(folders[1] / name)
    done = []
    with pytest.raises(Cancelled):
        evaluate_folders(
            *folders, progress=lambda *step: done.append(step), cancelled=lambda: bool(done)
        )
    assert len(done) == 1
