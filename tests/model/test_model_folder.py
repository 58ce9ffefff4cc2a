"""A model folder with a missing, corrupt or mismatching file."""

import json
import shutil

import pytest

from napari_nucseg.errors import ModelError
from napari_nucseg.model.folder import CONFIG, HASHES, LITERT, WEIGHTS, open_model, write_text


@pytest.fixture
def folder(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "copy")


def _change(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ModelError, match=f"no model folder at {tmp_path / 'nowhere'}"):
        open_model(tmp_path / "nowhere")


@pytest.mark.parametrize("name", [CONFIG, HASHES, LITERT])
def test_a_missing_file_is_named_with_all_that_are_needed(folder, name):
    (folder / name).unlink()

    with pytest.raises(ModelError, match=f"has no {name}; it needs {CONFIG}, {WEIGHTS}, {LITERT}"):
        open_model(folder)


def test_missing_weights_matter_only_to_those_who_need_them(folder):
    (folder / WEIGHTS).unlink()

    model = open_model(folder)

    assert model.litert.is_file()
    with pytest.raises(ModelError, match=f"has no {WEIGHTS}"):
        _ = model.weights


@pytest.mark.parametrize("name", [WEIGHTS, LITERT])
def test_a_changed_file_is_refused(folder, name):
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    model = open_model(folder)

    with pytest.raises(ModelError, match=f"{name} is corrupt or was replaced"):
        _ = model.litert if name == LITERT else model.weights


def test_a_truncated_file_is_refused(folder):
    content = (folder / LITERT).read_bytes()
    (folder / LITERT).write_bytes(content[: len(content) // 2])

    with pytest.raises(ModelError, match="corrupt"):
        _ = open_model(folder).litert


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "config.json is not a model config"),
        (b"{ not json", "config.json is not a model config"),
        (b"\xff\xfe\x00", "config.json is not a model config"),
        (b"[]", "config.json is not a model config"),
        (b"{}", "name: Field required"),
    ],
)
def test_a_corrupt_config_is_refused(folder, content, message):
    (folder / CONFIG).write_bytes(content)

    with pytest.raises(ModelError, match=message):
        open_model(folder)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"format": 2}, "format"),
        ({"trust_me": "__import__('os')"}, "trust_me"),
        ({"diameter": -1}, "diameter"),
        ({"network": {"decoder": "mystery"}}, "network.decoder"),
    ],
)
def test_a_config_of_another_version_is_refused_by_place(folder, change, place):
    _change(folder / CONFIG, **change)

    with pytest.raises(ModelError, match=f"this version knows: {place}: "):
        open_model(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not valid JSON"),
        ("[1]", "must map file names"),
        ('{"model.tflite": 3}', "must map file names"),
        ("{}", f"states no sha256 of {WEIGHTS} and {LITERT}"),
    ],
)
def test_corrupt_hashes_are_refused(folder, content, message):
    (folder / HASHES).write_text(content)

    with pytest.raises(ModelError, match=message):
        open_model(folder)


def test_text_is_written_whole_or_not_at_all(tmp_path):
    write_text(tmp_path / "a.txt", "first")
    write_text(tmp_path / "a.txt", "µ")

    assert (tmp_path / "a.txt").read_bytes() == "µ".encode()
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
