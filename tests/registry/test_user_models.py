"""The user's models among all models: lists, look-up, description, provenance."""

import json
import re
import threading
from datetime import UTC, datetime, timedelta

import platformdirs
import pytest
from pydantic import ValidationError

from napari_nucseg.errors import ModelError
from napari_nucseg.model.folder import CONFIG, LITERT, WEIGHTS
from napari_nucseg.registry import (
    Provenance,
    bundled_names,
    describe_model,
    find_entry,
    find_model,
    folder_problem,
    list_models,
    model_facts,
    model_names,
    models_folder,
    read_provenance,
    remove_model,
    rename_model,
    save_model,
    summarise_model,
)
from napari_nucseg.registry.provenance import PROVENANCE, write_provenance


def test_where_models_lie(monkeypatch, tmp_path):
    assert models_folder() == tmp_path / "models"

    monkeypatch.setenv("NAPARI_NUCSEG_MODELS", "~/shared")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert models_folder() == tmp_path / "shared"

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAPARI_NUCSEG_MODELS", "here")
    assert models_folder() == tmp_path / "here"

    for unset in (lambda: monkeypatch.setenv("NAPARI_NUCSEG_MODELS", ""), monkeypatch.undo):
        unset()
        monkeypatch.delenv("NAPARI_NUCSEG_MODELS", raising=False)
        data = platformdirs.user_data_path("napari-nucseg", appauthor=False)
        assert models_folder() == data / "models"


def test_without_own_models_there_are_the_bundled_ones(own_models):
    assert model_names() == bundled_names() == ["nuclei"]
    assert [entry.name for entry in list_models()] == ["nuclei"]
    assert list_models()[0].bundled
    assert folder_problem() is None
    assert not own_models.exists()


def test_an_own_model_is_used_like_a_bundled_one(source, monkeypatch, tmp_path):
    saved = save_model(source, "mine")
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)

    assert find_model("mine") == saved, "a name never means a folder beside the user"
    assert find_model(str(source)).name == "tiny"
    with pytest.raises(ModelError, match=r"no model 'tiny'\. Bundled.*: nuclei; yours: mine; or"):
        find_model("tiny")


def break_config(folder):
    (folder / CONFIG).write_text("{")


def drop_network(folder):
    (folder / LITERT).unlink()


def swap_config(folder):
    (folder / CONFIG).unlink()
    (folder / CONFIG).mkdir()


def keep_old_name(folder):
    text = (folder / CONFIG).read_text()
    (folder / CONFIG).write_text(text.replace('"broken"', '"another"'))


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (break_config, "is not a model config that this version knows"),
        (drop_network, r"has no model\.tflite"),
        (swap_config, r"has no config\.json"),
        (keep_old_name, "holds the model 'another'; it must have the name that its config"),
    ],
)
def test_a_broken_model_is_listed_with_the_reason(source, harm, problem):
    harm(save_model(source, "broken").path)
    save_model(source, "mine")

    assert model_names() == ["nuclei", "mine"]
    nuclei, broken, mine = list_models()
    assert (nuclei.problem, mine.problem) == (None, None)
    assert broken.model is None
    with pytest.raises(ModelError, match=problem) as error:
        find_model("broken")
    assert broken.problem == str(error.value)
    assert f"problem       {broken.problem}" in describe_model(broken).splitlines()
    assert summarise_model(broken)["problem"] == broken.problem


def test_a_file_that_cannot_be_read_is_a_broken_model(source, forbid_reading):
    save_model(source, "broken")
    forbid_reading("broken")
    assert model_names() == ["nuclei"]
    assert list_models()[1].problem.endswith("broken cannot be read: Permission denied.")


def test_a_folder_with_a_bundled_name_hides_nothing(source, own_models):
    save_model(source, "mine").path.rename(own_models / "nuclei")

    assert model_names() == ["nuclei"]
    assert find_model("nuclei").path != own_models / "nuclei"
    bundled, own = list_models()
    assert bundled.problem is None
    assert own.problem == "A bundled model is called 'nuclei' too; rename this one."
    remove_model("nuclei")
    assert list(own_models.iterdir()) == []


def test_hidden_folders_and_files_are_no_models(source, own_models):
    save_model(source, "mine").path.rename(own_models / ".mine.1.partial")
    (own_models / "notes.txt").write_text("x")
    (own_models / "a folder").mkdir()

    assert model_names() == ["nuclei"]
    assert len(list_models()) == 1


def test_a_folder_that_cannot_be_read(own_models):
    own_models.write_text("")

    assert model_names() == ["nuclei"]
    assert folder_problem() == (
        f"The folder of your models, {own_models}, cannot be read: Not a directory."
    )


def test_description(source):
    made = datetime(2026, 5, 17, 8, 30, tzinfo=UTC)
    provenance = Provenance(
        parent="nuclei",
        parent_sha256=find_model("nuclei").hashes[WEIGHTS],
        data={"a.tif": "1" * 64, "b.tif": "2" * 64},
        parameters={"epochs": 20},
        versions={"keras": "3.15"},
        scores={"f1": 0.91234, "before": {"f1": 0.8}, "held_out": ["rows 0 to 9", "rows 20 to 29"]},
        created=made,
        command="napari-nucseg finetune --epochs 20",
    )
    saved = save_model(source, "mine", provenance)

    assert describe_model(find_entry("mine")).splitlines()[:-1] == [
        "name          mine (yours)",
        f"folder        {saved.path}",
        f"card          {saved.path}/card.md",
        "network       separable decoder 128-96-64-48-24",
        "outputs       foreground, distance, offset",
        "diameter      20 px; 10 to 40 px without rescaling",
        f"sha256        {saved.hashes['model.weights.h5']} model.weights.h5",
        f"sha256        {saved.hashes['model.tflite']} model.tflite",
        "made          2026-05-17 08:30:00+00:00",
        "parent        nuclei",
        "data          2 files, with sha256 in provenance.json",
        "scores        f1 0.9123, before (f1 0.8), held_out (rows 0 to 9; rows 20 to 29)",
        "settings      epochs 20",
        "versions      keras 3.15",
        "made by       napari-nucseg finetune --epochs 20",
    ]
    assert summarise_model(find_entry("mine")) == {
        "name": "mine",
        "bundled": False,
        "path": str(saved.path),
        "description": "",
        "sha256": saved.hashes,
        "provenance": json.loads((saved.path / PROVENANCE).read_text()),
        "problem": None,
    }


def test_parameters_are_counted_if_the_weights_can_be_read(source):
    save_model(source, "mine")

    shown = describe_model(find_entry("nuclei")).splitlines()[-1]
    assert re.fullmatch(r"parameters    \d,\d{3},\d{3}", shown)
    last = describe_model(find_entry("mine")).splitlines()[-1]
    assert last.startswith("parameters    unknown: ")
    assert "parameters" not in dict(model_facts(find_entry("mine")))


@pytest.mark.parametrize(
    ("parent", "digest", "text"),
    [
        ("gone", "a" * 64, "gone (no longer here; weights of sha256 aaaaaaaaaaaa...)"),
        ("nuclei", "b" * 64, "nuclei (not the one of that name here; weights of sha256 bbbb"),
        ("gone", None, "gone"),
    ],
)
def test_a_parent_that_was_deleted(source, parent, digest, text):
    provenance = Provenance(parent=parent, parent_sha256=digest)
    save_model(source, "mine", provenance)

    assert f"parent        {text}" in describe_model(find_entry("mine"))
    assert find_model("mine").name == "mine"


def test_a_model_outlives_its_parent(source):
    parent = save_model(source, "parent")
    save_model(
        parent.path, "child", Provenance(parent="parent", parent_sha256=parent.hashes[WEIGHTS])
    )
    assert "(no longer here" not in describe_model(find_entry("child"))
    rename_model("parent", "renamed")

    assert find_model("child").weights.is_file()
    assert "parent        parent (no longer here; " in describe_model(find_entry("child"))


def test_what_could_act_on_a_terminal_is_not_shown(source):
    save_model(source, "mine", Provenance(command="\x1b[2Jx\ny", parameters={"\x07": "\r"}))
    text = describe_model(find_entry("mine"))
    assert all(line.isprintable() for line in text.splitlines())
    assert "made by        [2Jx y" in text.splitlines()


def test_a_folder_is_described_by_its_path(source):
    entry = find_entry(str(source))
    assert (entry.name, entry.path, entry.bundled) == ("tiny", source, False)
    with pytest.raises(ModelError, match="There is no model 'nope'"):
        find_entry("nope")


def test_provenance_that_cannot_be_used_does_not_break_a_model(source):
    saved = save_model(source, "mine")
    (saved.path / PROVENANCE).write_text("{}")
    assert read_provenance(saved.path).parent is None
    (saved.path / PROVENANCE).write_text('{"format": 7}')

    with pytest.raises(ModelError, match=r"not a provenance that this version knows: format"):
        read_provenance(saved.path)
    assert model_names() == ["nuclei", "mine"]
    entry = find_entry("mine")
    assert entry.model is not None
    assert "not a provenance that this version knows" in entry.problem


@pytest.mark.parametrize(
    "values",
    [
        {"parent_sha256": "A" * 64},
        {"parent_sha256": "a" * 63},
        {"data": {"a.tif": "no hash"}},
        {"created": datetime(2026, 5, 17)},
        {"scores": {"f": object()}},
        {"code": "x"},
    ],
)
def test_provenance_is_checked(values):
    with pytest.raises(ValidationError):
        Provenance(**values)


def test_provenance_survives_the_disk(tmp_path):
    provenance = Provenance(parameters={"a": [1, 2.5, None, {"b": True}]}, parent="µ")
    write_provenance(tmp_path, provenance)

    assert read_provenance(tmp_path) == provenance
    assert abs(datetime.now(UTC) - provenance.created) < timedelta(days=1)
    assert provenance.headline() == ""
    assert Provenance(scores={"t": True, "x": {"ap": 0.5}}).headline() == "ap 0.5"


def test_changes_are_told_in_the_thread_that_made_them(source, changes):
    thread = threading.Thread(target=save_model, args=(source, "mine"))
    thread.start()
    thread.join()
    assert changes == [("", "mine")]
