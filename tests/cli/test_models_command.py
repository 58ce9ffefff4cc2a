"""`napari-nucseg models`."""

import json
import zipfile

import pytest

from napari_nucseg.registry import Provenance, bundled_folder, find_model, model_names, save_model


@pytest.fixture
def mine():
    """A user's model, a copy of a bundled one."""
    provenance = Provenance(parent="nuclei", scores={"f1": 0.9}, created="2026-05-17T08:30:00Z")
    return save_model(bundled_folder() / "nuclei", "mine", provenance)


def fails(result, sentence):
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_without_a_command_models_are_listed(run, mine):
    assert run("models").exit_code == 0
    assert run("models").stdout == run("models", "list").stdout


def test_help_names_the_commands(run):
    result = run("models", "--help")
    for command in ("list", "show", "import", "export", "rename", "remove"):
        assert f"  {command} " in result.output


def test_list(run, mine, own_models):
    (own_models / "broken").mkdir()

    result = run("models", "list")

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "model   whose    score           made        made from",
        "nuclei  bundled",
        "broken  yours    cannot be used",
        "mine    yours    f1 0.9          2026-05-17  nuclei",
    ]
    assert f"broken: Model folder {own_models / 'broken'} has no config.json" in result.stderr
    assert result.stderr.endswith(f"Your models are in {own_models}.\n")


def test_list_as_json(run, mine):
    bundled, own = json.loads(run("models", "list", "--json").stdout)
    assert (bundled["name"], bundled["bundled"], bundled["provenance"]) == ("nuclei", True, None)
    assert (own["name"], own["bundled"], own["problem"]) == ("mine", False, None)
    assert own["provenance"]["parent"] == "nuclei"
    assert own["sha256"] == mine.hashes


def test_list_says_if_the_folder_cannot_be_read(run, own_models):
    own_models.write_text("")
    result = run("models", "list")
    assert result.exit_code == 0
    assert f"The folder of your models, {own_models}, cannot be read" in result.stderr


def test_show(run, mine):
    result = run("models", "show", "mine")
    assert result.exit_code == 0
    for line in (
        "name          mine (yours)",
        f"folder        {mine.path}",
        f"card          {mine.path / 'card.md'}",
        "parent        nuclei",
        f"sha256        {mine.hashes['model.tflite']} model.tflite",
    ):
        assert line in result.stdout.splitlines()
    assert "parameters    " in result.stdout


def test_export_and_import(run, mine, tmp_path):
    assert run("models", "export", "mine", tmp_path / "a.zip").exit_code == 0
    assert zipfile.is_zipfile(tmp_path / "a.zip")
    result = run("models", "import", tmp_path / "a.zip", "--name", "other")
    assert result.exit_code == 0
    other = find_model("other")
    assert result.stderr == f"Imported 'other' to {other.path}.\n"
    assert other.hashes == mine.hashes

    taken = run("models", "import", tmp_path / "a.zip")
    fails(taken, "A model named 'mine' exists already in ")
    assert "; choose another --name, or rename or remove that one." in taken.stderr
    fails(run("models", "export", "mine", tmp_path / "a.zip"), "a.zip exists already")
    assert run("models", "export", "mine", tmp_path / "a.zip", "--overwrite").exit_code == 0


def test_export_to_the_current_folder(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("models", "export", "nuclei").exit_code == 0
    assert zipfile.is_zipfile(tmp_path / "nuclei.zip")


def test_rename(run, mine):
    assert run("models", "rename", "mine", "ours").exit_code == 0
    assert model_names() == ["nuclei", "ours"]
    fails(run("models", "rename", "ours", "../ours"), "A model's name has 1 to 64 letters")
    fails(run("models", "rename", "nuclei", "ours2"), "'nuclei' came with napari-nucseg")
    fails(run("models", "rename", "mine", "x"), "There is no model 'mine' in ")


@pytest.mark.parametrize(("answer", "left"), [("y\n", []), ("n\n", ["mine"]), ("", ["mine"])])
def test_removing_asks(mine, answer, left):
    from typer.testing import CliRunner

    from napari_nucseg.cli import make_app

    result = CliRunner().invoke(make_app(), ["models", "remove", "mine"], input=answer)
    assert "Delete the model 'mine' for good?" in result.stderr
    assert result.exit_code == len(left)
    assert model_names() == ["nuclei", *left]


def test_remove(run, mine):
    assert run("models", "remove", "mine", "--yes").exit_code == 0
    assert model_names() == ["nuclei"]
    fails(run("models", "remove", "mine"), "There is no model 'mine' in ")
    fails(run("models", "remove", "nuclei", "--yes"), "'nuclei' came with napari-nucseg and cannot")


def test_an_own_model_segments(run, mine, image, output):
    assert run("segment", image, "--output", output, "--model", "mine").exit_code == 0
    result = run("segment", image, "--output", output, "--model", "mien")
    fails(result, "There is no model 'mien'. Bundled models: nuclei; yours: mine; or pass")


@pytest.mark.parametrize("command", ["show", "export"])
def test_an_unknown_model(run, command):
    fails(run("models", command, "nope"), "There is no model 'nope'. Bundled models: nuclei; yours")


def test_a_file_that_is_no_model(run, tmp_path):
    (tmp_path / "a.zip").write_text("text")
    fails(run("models", "import", tmp_path / "a.zip"), "is not a zip file, or is damaged")
    fails(run("models", "import", tmp_path / "b.zip"), "No such file or directory")


def test_the_doctor_looks_at_own_models_too(run, mine):
    (mine.path / "model.tflite").write_bytes(b"damaged")
    result = run("doctor")
    assert result.exit_code == 0
    assert "ok      nuclei in " in result.stdout
    assert f"warning mine: {mine.path / 'model.tflite'} is corrupt" in result.stdout
