from pathlib import Path

import pytest

from napari_nucseg.errors import ReadError
from napari_nucseg.io.inputs import find_inputs
from napari_nucseg.io.stems import output_stems


@pytest.fixture
def folder(tmp_path):
    for name in (
        "b.tif",
        "a.PNG",
        "c.jpeg",
        "notes.txt",
        ".hidden.tif",
        "b_labels.tif",
        "sub/d.tif",
        "sub/deep/e.bmp",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def names(folder, arguments):
    return [path.relative_to(folder).as_posix() for path in find_inputs(arguments)]


def test_folder_gives_the_images_directly_inside(folder):
    assert names(folder, [folder]) == ["a.PNG", "b.tif", "c.jpeg"]


def test_patterns(folder):
    assert names(folder, [f"{folder}/*.tif"]) == ["b.tif"]
    assert names(folder, [f"{folder}/*"]) == ["a.PNG", "b.tif", "c.jpeg"]
    assert names(folder, [f"{folder}/**/*.[tb]*"]) == ["b.tif", "sub/d.tif", "sub/deep/e.bmp"]


def test_files_are_taken_as_they_are(folder):
    arguments = [folder / "notes.txt", str(folder / "b_labels.tif")]
    assert names(folder, arguments) == ["notes.txt", "b_labels.tif"]


def test_file_whose_name_looks_like_a_pattern(folder):
    path = folder / "x[1].tif"
    path.touch()
    assert find_inputs([path]) == [path]


def test_duplicates_are_removed_and_order_is_kept(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert find_inputs(["c.jpeg", ".", folder / "b.tif"]) == [
        Path("c.jpeg"),
        Path("a.PNG"),
        Path("b.tif"),
    ]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("none.tif", r"no file or folder none\.tif \(in /"),
        ("*.gif", r"No images match \*\.gif \(in .*looked for \.tif, \.tiff, \.png"),
        ("*_labels.tif", r"except hidden files and results \(\*_labels\.tif\)"),
        ("empty", "No images in the folder empty"),
        ("~nobody_of_this_name/a.tif", "no file or folder ~nobody_of_this_name"),
    ],
)
def test_every_argument_must_give_something(folder, monkeypatch, argument, message):
    monkeypatch.chdir(folder)
    (folder / "empty").mkdir()
    with pytest.raises(ReadError, match=message):
        find_inputs(["b.tif", argument])


@pytest.mark.parametrize(
    ("files", "hint"),
    [
        (["images/1.tif", "labels/1.tif", "a/1.tif"], r"There are some in data/images\."),
        (["images/1.txt", "test/1.tif", "train/1.tif"], r"There are some in data/test\."),
        (["images/1.txt", ".x/1.tif", "a/b/1.tif"], r"results \(\*_labels\.tif\)\."),
    ],
)
def test_images_one_folder_deeper_are_hinted_at(tmp_path, monkeypatch, files, hint):
    monkeypatch.chdir(tmp_path)
    for name in files:
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True)
        path.touch()
    with pytest.raises(ReadError, match=f"^No images in the folder data; .*{hint}$"):
        find_inputs(["data"])


def test_no_arguments():
    with pytest.raises(ReadError, match="No images were given"):
        find_inputs([])


@pytest.mark.parametrize(
    ("paths", "stems"),
    [
        (["a.tif", "b.png"], ["a", "b"]),
        (["a.ome.tif", "b.OME.TIFF", "c.d.tif"], ["a", "b", "c.d"]),
        (["p/a.tif", "q/a.tif", "q/b.tif"], ["p_a", "q_a", "b"]),
        (["p/a.tif", "p/a.png", "p/a.ome.tif"], ["a_tif", "a_png", "a_ome_tif"]),
        (["p/a.tif", "p/A.png"], ["a_tif", "A_png"]),
        (["p/a.tif", "p/a.png", "q/a.tif"], ["p_a_tif", "p_a_png", "q_a_tif"]),
        (["r/p/a.tif", "s/p/a.tif"], ["a_1", "a_2"]),
        (["r/p/a.tif", "s/p/a.tif", "a_1.tif"], ["a_2", "a_3", "a_1"]),
        (["p/a.tif", "q/a.tif", "p_a.png"], ["p_a_tif", "q_a_tif", "p_a"]),
    ],
)
def test_output_stems_are_unique(paths, stems):
    paths = [Path(path) for path in paths]
    assert output_stems(paths, {}) == dict(zip(paths, stems, strict=True))


@pytest.mark.parametrize(
    ("kept", "new"),
    [
        ({"p/a.tif": "a"}, {"p/a.png": "a_png"}),
        ({"p/a.tif": "a"}, {"q/a.tif": "q_a"}),
        ({"p/a.png": "a_png"}, {}),
        ({"p/a.png": "a_png"}, {"p/a_png.tif": "p_a_png", "p/b.tif": "b"}),
        ({"p/a.png": "B"}, {"p/b.tif": "p_b"}),
        ({"p/A.tif": "A_1", "p/a.tif": "a_3"}, {"p/a.TIF": "a_2", "p/a.Tif": "a_4"}),
        ({"p/a.tif": "a", "p/a.ome.zarr": "a"}, {"p/a.png": "a_png"}),
    ],
)
def test_output_stems_that_there_are_stay(kept, new):
    kept = {Path(path): stem for path, stem in kept.items()}
    new = {Path(path): stem for path, stem in new.items()}
    assert output_stems([*new, *kept], kept) == new | kept
