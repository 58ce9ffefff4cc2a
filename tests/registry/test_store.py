"""Saving, renaming and removing, whatever happens meanwhile."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from napari_nucseg import registry
from napari_nucseg.errors import InputError, ModelError, NameTaken, WriteError
from napari_nucseg.model.folder import WEIGHTS, open_model
from napari_nucseg.registry import (
    Provenance,
    catalog,
    find_model,
    list_models,
    model_names,
    read_provenance,
    remove_model,
    rename_model,
    save_model,
)
from napari_nucseg.registry.folders import LEFTOVER_AGE
from napari_nucseg.registry.store import new_model

BUNDLED = ["nuclei"]


def whole_models(folder: Path) -> set[str]:
    """Return the names of the models in a folder; each is complete and intact."""
    names = set()
    for path in folder.iterdir():
        if not path.name.startswith("."):
            model = open_model(path)
            assert model.weights.is_file()
            assert model.litert.is_file()
            assert model.name == path.name
            names.add(model.name)
    return names


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_a_saved_model_is_found_by_its_name(source, own_models, changes):
    saved = save_model(source, "mine")

    assert saved.path == own_models / "mine"
    assert find_model("mine") == saved
    assert saved.name == "mine"
    assert saved.weights.read_bytes() == (source / WEIGHTS).read_bytes()
    assert sorted(path.name for path in saved.path.iterdir()) == [
        "card.md",
        "config.json",
        "hashes.json",
        "model.tflite",
        "model.weights.h5",
    ]
    assert model_names() == [*BUNDLED, "mine"]
    assert changes == [("", "mine")]
    assert hidden(own_models) == []


def test_provenance_is_saved_with_the_model(source):
    provenance = Provenance(
        parent="nuclei",
        parent_sha256="0" * 64,
        data={"a.tif": "1" * 64},
        parameters={"epochs": 20, "layers": ["decoder"]},
        versions={"keras": "3.15"},
        scores={"f1": 0.91234, "before": {"f1": 0.8}},
        command="napari-nucseg finetune",
    )

    saved = save_model(source, "mine", provenance)

    assert read_provenance(saved.path) == provenance
    assert provenance.created.tzinfo is not None
    assert provenance.headline() == "f1 0.912"
    renamed = rename_model("mine", "ours")
    assert read_provenance(renamed.path) == provenance
    again = save_model(renamed.path, "theirs")
    assert read_provenance(again.path) == provenance


def test_a_corrupt_source_is_not_saved(source, own_models):
    (source / WEIGHTS).write_bytes(b"other")

    with pytest.raises(ModelError, match=f"{WEIGHTS} is corrupt or was replaced"):
        save_model(source, "mine")

    assert not own_models.exists()


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../up", "a/b", "a\\b", "/abs", ".hidden", "-x", "a b", "ü", "a" * 65, "end.",
     "a\n", "a:b"],
)  # fmt: skip
def test_names_that_are_no_folder_names_are_refused(source, own_models, name):
    with pytest.raises(InputError, match="A model's name has 1 to 64 letters"):
        save_model(source, name)
    assert not own_models.exists()


@pytest.mark.parametrize("name", ["CON", "nul", "com1", "LPT9.model", "aux.b.c"])
def test_names_that_windows_keeps_are_refused(source, name):
    with pytest.raises(InputError, match=f"Windows keeps the name '{name}'"):
        save_model(source, name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nuclei", "'nuclei' is the name of a bundled model"),
        ("NUCLEI", "differs from the name of the model 'nuclei' only in upper and lower case"),
        ("mine", "A model named 'mine' exists already in "),
        ("Mine", "differs from the name of the model 'mine' only in upper and lower case"),
    ],
)
def test_names_that_exist_are_refused(source, own_models, name, message):
    save_model(source, "mine")
    save_model(source, "other")

    with pytest.raises(NameTaken, match=message):
        save_model(source, name)
    with pytest.raises(NameTaken, match=message):
        rename_model("other", name)

    assert whole_models(own_models) == {"mine", "other"}
    assert hidden(own_models) == []


def test_renaming_keeps_all_that_lies_in_the_folder(source, own_models, changes):
    save_model(source, "mine")
    (own_models / "mine" / "notes").mkdir()
    (own_models / "mine" / "notes" / "day1.txt").write_text("good")
    (own_models / "mine" / "link").symlink_to("card.md")

    renamed = rename_model("mine", "ours")

    assert whole_models(own_models) == {"ours"}
    assert (renamed.path / "notes" / "day1.txt").read_text() == "good"
    assert os.readlink(renamed.path / "link") == "card.md"
    assert changes == [("", "mine"), ("mine", "ours")]
    assert hidden(own_models) == []


def test_a_model_put_in_place_of_the_old_one_meanwhile_is_kept(source, own_models, monkeypatch):
    save_model(source, "mine")
    publish = registry.store._publish

    def replace_old(partial, target):
        publish(partial, target)
        monkeypatch.setattr(registry.store, "_publish", publish)
        shutil.move(own_models / "mine", own_models / "elsewhere")  # its inode is not used again
        save_model(source, "mine", Provenance(command="new"))

    monkeypatch.setattr(registry.store, "_publish", replace_old)
    rename_model("mine", "ours")

    assert read_provenance(own_models / "mine").command == "new"
    assert (own_models / "ours").is_dir()


def test_removing(source, own_models, changes):
    save_model(source, "mine")
    save_model(source, "other")
    remove_model("mine")

    assert whole_models(own_models) == {"other"}
    assert hidden(own_models) == []
    assert changes[-1] == ("mine", "")
    with pytest.raises(ModelError, match=r"There is no model 'mine' in .*; yours: other"):
        remove_model("mine")


def test_a_broken_model_can_be_removed_but_not_renamed(own_models):
    (own_models / "broken").mkdir(parents=True)

    with pytest.raises(ModelError, match=r"has no config\.json"):
        rename_model("broken", "good")
    remove_model("broken")

    assert list(own_models.iterdir()) == []


def test_a_linked_model_is_unlinked(source, own_models):
    elsewhere = save_model(source, "mine").path.rename(own_models.parent / "elsewhere")
    (own_models / "mine").symlink_to(elsewhere)

    remove_model("mine")

    assert list(own_models.iterdir()) == []
    assert (elsewhere / WEIGHTS).is_file()


def test_bundled_models_stay_as_they_are():
    with pytest.raises(WriteError, match="'nuclei' came with napari-nucseg and cannot be renamed"):
        rename_model("nuclei", "mine")
    with pytest.raises(WriteError, match="'nuclei' came with napari-nucseg and cannot be removed"):
        remove_model("nuclei")


@pytest.mark.parametrize("name", ["..", "../training", "/", ""])
def test_nothing_outside_is_removed_or_renamed(source, own_models, name):
    save_model(source, "mine")

    with pytest.raises(ModelError, match="There is no model"):
        remove_model(name)
    with pytest.raises(ModelError, match="There is no model"):
        rename_model(name, "good")

    assert (source / WEIGHTS).is_file()
    assert whole_models(own_models) == {"mine"}


def test_a_file_in_place_of_the_folder(source, own_models):
    own_models.write_text("")

    with pytest.raises(WriteError, match=r"cannot be saved in .*models: .* is a file, expected"):
        save_model(source, "mine")
    with pytest.raises(ModelError, match="There is no model 'mine'"):
        remove_model("mine")
    assert model_names() == BUNDLED


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EPERM])
def test_a_folder_that_cannot_be_written_to(source, own_models, monkeypatch, number):
    save_model(source, "mine")

    def refuse(*_args, **_options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "mkdir", refuse)
    monkeypatch.setattr(os, "rename", refuse)
    sentence = r"^Model '\w+' cannot be \w+ (in|from) .*: nothing can be written there \(.*\)\.$"
    for action in (
        lambda: save_model(source, "other"),
        lambda: rename_model("mine", "ours"),
        lambda: remove_model("mine"),
    ):
        with pytest.raises(WriteError, match=sentence):
            action()
    assert whole_models(own_models) == {"mine"}
    assert hidden(own_models) == []


def test_the_old_model_stays_if_it_cannot_be_removed(source, own_models, monkeypatch):
    save_model(source, "mine")

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(registry.store, "discard", refuse)
    with pytest.raises(WriteError, match="'ours' was made, but 'mine' cannot be removed from"):
        rename_model("mine", "ours")

    assert whole_models(own_models) == {"mine", "ours"}


def test_an_error_in_between_leaves_nothing(own_models):
    def write_and_fail():
        with new_model("mine") as folder:
            (folder / "half").write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert list(own_models.iterdir()) == []


def test_leftovers_are_swept_when_they_are_old(source, own_models):
    for name in (".a.1.partial", ".b.2.removed", ".c.3.partial", ".jobs"):
        (own_models / name).mkdir(parents=True)
        (own_models / name / "file").write_text("x")
    for path in (*own_models.iterdir(), *own_models.glob("*/file")):
        if ".c." not in str(path):
            age = path.stat().st_mtime - LEFTOVER_AGE - 1
            os.utime(path, (age, age))
    (own_models / ".c.3.partial" / "fresh").write_text("x")
    os.utime(own_models / ".c.3.partial", (0, 0))

    assert model_names() == BUNDLED
    save_model(source, "mine")

    assert sorted(hidden(own_models)) == [".c.3.partial", ".jobs"]


def start_saving(source: Path, check: bool) -> subprocess.Popen:
    """Start a process that saves 'mine' as soon as it is told to."""
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from napari_nucseg.errors import NameTaken\n"
        "from napari_nucseg.registry import save_model, store\n"
        f"{'' if check else 'store._check_free = lambda name: None'}\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "try:\n"
        "    save_model(Path(sys.argv[1]), 'mine')\n"
        "except NameTaken as error:\n"
        "    sys.exit(f'{error}')\n"
    )
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", code, str(source)], stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )


@pytest.mark.parametrize("check", [True, False], ids=["checked", "all pass the check"])
def test_of_processes_that_save_the_same_name_one_wins(source, own_models, check):
    processes = [start_saving(source, check) for _ in range(4)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    messages = [process.communicate(timeout=60)[1] for process in processes]

    codes = sorted(process.returncode for process in processes)
    assert codes == [0, 1, 1, 1]
    lost = [message for message in messages if message]
    assert len(lost) == 3
    assert all(m.startswith("A model named 'mine' exists already in ") for m in lost)
    assert all(len(m.splitlines()) == 1 for m in lost)
    assert whole_models(own_models) == {"mine"}
    assert hidden(own_models) == []


def test_another_process_never_sees_half_a_model(source, own_models):
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from napari_nucseg.registry import remove_model, rename_model, save_model\n"
        "for _ in range(40):\n"
        "    save_model(Path(sys.argv[1]), 'mine')\n"
        "    rename_model('mine', 'ours')\n"
        "    remove_model('ours')\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(source)])
    seen = set()
    while process.poll() is None:
        entries = list_models()
        assert [entry.problem for entry in entries] == [None] * len(entries)
        seen.add(tuple(entry.name for entry in entries[1:]))
        assert set(model_names()) <= {"nuclei", "mine", "ours"}

    assert process.returncode == 0
    assert seen <= {(), ("mine",), ("mine", "ours"), ("ours",)}
    assert list(own_models.iterdir()) == []


def test_a_model_that_comes_back_while_it_is_read_is_whole(source, own_models, monkeypatch):
    save_model(source, "mine")
    reads = []

    def renamed_meanwhile(name):
        reads.append(name)
        if len(reads) == 1:
            raise FileNotFoundError(2, "No such file or directory")
        return open_user_model(name)

    open_user_model = catalog.open_user_model
    monkeypatch.setattr(catalog, "open_user_model", renamed_meanwhile)
    assert [(e.name, e.problem) for e in list_models()[1:]] == [("mine", None)]
    assert reads == ["mine", "mine"]


BEFORE_AND_AFTER = {
    "save": ({"old"}, {"old", "new"}),
    "rename": ({"old"}, {"new"}),
    "remove": ({"old"}, set()),
    "import": ({"old"}, {"old", "new"}),
}
FEWEST_STEPS = {"save": 15, "rename": 15, "remove": 7, "import": 12}


def interrupt(how: str, action: str, source: Path, base: Path, own_models: Path) -> list[Path]:
    """Return a registry for every step at which the action was interrupted, and the last."""
    save_model(source, "old")
    base.mkdir()
    shutil.move(own_models, base / "start")
    shutil.copytree(source, base / "source")
    registry.export_model(str(source), base / "new.zip")
    script = Path(__file__).with_name("interrupted.py")
    subprocess.run([sys.executable, script, how, action, base], check=True, timeout=300)
    tries = [path for path in base.iterdir() if path.is_dir() and path.name.isdigit()]
    return sorted(tries, key=lambda path: int(path.name))


@pytest.mark.parametrize("action", BEFORE_AND_AFTER)
def test_a_kill_at_any_step_leaves_whole_models(action, source, tmp_path, own_models, monkeypatch):
    *killed, last = interrupt("kill", action, source, tmp_path / "tries", own_models)
    before, after = BEFORE_AND_AFTER[action]

    assert len(killed) >= FEWEST_STEPS[action]
    assert whole_models(last) == after
    assert hidden(last) == []
    for folder in killed:
        found = whole_models(folder)
        assert before & after <= found <= before | after
        assert found >= before or found >= after, "nothing is lost"
        assert all(name.endswith((".partial", ".removed")) for name in hidden(folder))
        monkeypatch.setenv("NAPARI_NUCSEG_MODELS", str(folder))
        assert model_names() == [*BUNDLED, *sorted(found)]
        save_model(source, "next")
    assert whole_models(killed[0]) == before | {"next"}


@pytest.mark.parametrize("action", BEFORE_AND_AFTER)
def test_a_full_disk_at_any_step_changes_nothing(action, source, tmp_path, own_models):
    *full, last = interrupt("full", action, source, tmp_path / "tries", own_models)
    before, after = BEFORE_AND_AFTER[action]

    assert len(full) >= FEWEST_STEPS[action]
    assert whole_models(last) == after
    refused = 0
    for folder in full:
        told = folder.with_suffix(".txt")
        found = whole_models(folder)
        assert found in (before, after)
        assert told.is_file() == (found == before)
        assert hidden(folder) == []
        if told.is_file():
            name = "old" if action == "remove" else "new"
            assert told.read_text().startswith(f"WriteError: Model '{name}' cannot be ")
            assert told.read_text().endswith(": the disk is full.")
            refused += 1
    assert refused >= (0 if action == "remove" else FEWEST_STEPS[action] - 8)
