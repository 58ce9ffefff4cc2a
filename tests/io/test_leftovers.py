"""What a killed process leaves is removed, and nothing else."""

import os

import pytest

from napari_nucseg.io.leftovers import PARTIAL, REPLACED, clear_leftovers, hidden_beside


@pytest.fixture
def target(tmp_path):
    return tmp_path / "well" / "0"


def make(path, text=""):
    path.mkdir(parents=True)
    (path / "content").write_text(text)
    return path


def test_what_is_not_complete_goes(target):
    make(target, "whole")
    make(hidden_beside(target, PARTIAL))
    make(hidden_beside(target, REPLACED), "older")
    make(target.with_name(".0.4711.partial"))  # of an older version, named by its process
    clear_leftovers([target])
    assert os.listdir(target.parent) == ["0"]
    assert (target / "content").read_text() == "whole"


def test_an_earlier_result_without_a_successor_comes_back(target):
    make(hidden_beside(target, REPLACED), "earlier")
    make(hidden_beside(target, PARTIAL), "half")
    clear_leftovers([target])
    assert os.listdir(target.parent) == ["0"]
    assert (target / "content").read_text() == "earlier"


@pytest.mark.parametrize(
    "name", [".1.ab.partial", ".0.notes.partial", ".0.ab.kept", "0.ab.partial"]
)
def test_what_belongs_to_others_stays(target, name):
    other = make(target.with_name(name))
    clear_leftovers([target, target.parent / "missing" / "1"])
    assert other.exists()


def test_two_writers_have_two_names(target):
    assert hidden_beside(target, PARTIAL) != hidden_beside(target, PARTIAL)
