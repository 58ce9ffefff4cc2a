"""Models by name and by path."""

import shutil

import pytest

from napari_nucseg.errors import ModelError
from napari_nucseg.registry import bundled_folder, find_model, model_names


def test_the_bundled_model_is_found_by_name():
    assert "nuclei" in model_names()

    model = find_model("nuclei")

    assert model.path == bundled_folder() / "nuclei"
    assert model.name == "nuclei"


def test_a_folder_is_found_by_its_path(tmp_path):
    shutil.copytree(bundled_folder() / "nuclei", tmp_path / "mine")

    assert find_model(str(tmp_path / "mine")).path == tmp_path / "mine"


def test_a_folder_in_the_home_directory_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copytree(bundled_folder() / "nuclei", tmp_path / "mine")

    assert find_model("~/mine").path == tmp_path / "mine"


@pytest.mark.parametrize("name", ["", "nucle", "no/such/folder", "~nobody-of-this-name/model"])
def test_an_unknown_model_is_refused_with_the_known_ones(name):
    with pytest.raises(ModelError, match=f"no model '{name}'. Bundled models: .*nuclei"):
        find_model(name)


def test_a_folder_without_a_model_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ModelError, match=r"has no config\.json"):
        find_model(".")


def test_a_bundled_name_never_means_a_folder_beside_the_user(tmp_path, monkeypatch):
    (tmp_path / "nuclei").mkdir()
    monkeypatch.chdir(tmp_path)

    assert find_model("nuclei").path == bundled_folder() / "nuclei"
