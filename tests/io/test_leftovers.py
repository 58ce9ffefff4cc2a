"""What a killed process leaves is removed, and nothing else."""

import os
from pathlib import Path

import pytest

from napari_nucseg.io.atomic import atomic_file
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


def test_what_is_left_of_a_file_goes(tmp_path):
    target = tmp_path / "a_labels.tif"
    with atomic_file(target) as file:
        left = Path(file.name)
    assert not left.exists()
    for path in (left, left.with_name(".a_labels.tif.4711.part"), left.with_name(".b.tif.1.part")):
        path.write_bytes(b"half")
    clear_leftovers([target])
    assert sorted(os.listdir(tmp_path)) == [".b.tif.1.part", "a_labels.tif"]


def test_two_threads_may_write_the_same_file(tmp_path):
    target = tmp_path / "a.txt"
    with atomic_file(target, overwrite=True) as first:
        with atomic_file(target, overwrite=True) as second:
            second.write(b"second")
        first.write(b"first")
    assert target.read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize(
    "name", [".1.ab.partial", ".0.notes.partial", ".0.ab.kept", "0.ab.partial"]
)
def test_what_belongs_to_others_stays(target, name):
    other = make(target.with_name(name))
    clear_leftovers([target, target.parent / "missing" / "1"])
    assert other.exists()


def test_two_writers_have_two_names(target):
    assert hidden_beside(target, PARTIAL) != hidden_beside(target, PARTIAL)
