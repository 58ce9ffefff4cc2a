"""The Models widget, and choosers of models that follow what happens to models."""

import shutil
import threading

import pytest
from qtpy.QtCore import QEvent, QThread
from qtpy.QtWidgets import QApplication

from napari_nucseg import registry
from napari_nucseg.registry import Provenance, bundled_folder, export_model, model_names, save_model
from napari_nucseg.widgets.models_widget import ModelsWidget

NUCLEI = bundled_folder() / "nuclei"


@pytest.fixture
def mine():
    provenance = Provenance(
        parent="nuclei", scores={"f1": 0.9}, created="2026-05-17T08:30:00Z", command="<b>bold</b>"
    )
    return save_model(NUCLEI, "mine", provenance)


class Models:
    """The widget; what it asks is answered by `answers`, what it asked is in `asked`."""

    def __init__(self, widget, qtbot, monkeypatch):
        self.widget, self.qtbot = widget, qtbot
        self.answers, self.asked = {}, []
        for name in ("ask_zip", "ask_target", "ask_name", "confirm_removal", "open_path"):
            monkeypatch.setattr(ModelsWidget, name, self._answer(name))

    def _answer(self, name):
        def answer(_widget, *arguments):
            self.asked.append((name, *arguments))
            return self.answers.get(name)

        return answer

    @property
    def table(self):
        return self.widget.table

    def rows(self):
        columns, rows = self.table.columnCount(), self.table.rowCount()
        return [[self.table.item(r, c).text() for c in range(columns)] for r in range(rows)]

    def choose(self, name):
        names = [entry.name for entry in self.table.entries]
        self.table.selectRow(names.index(name))

    @property
    def chosen(self):
        return self.table.chosen.name if self.table.chosen else None

    def press(self, button):
        """Press a button and wait until what it starts is done; return the status."""
        getattr(self.widget, f"{button}_button").native.click()
        self.qtbot.waitUntil(lambda: not self.widget.running, timeout=60_000)
        return self.widget.status.value

    def enabled(self):
        names = ("import", "export", "rename", "remove", "folder")
        return {n for n in names if getattr(self.widget, f"{n}_button").enabled}


@pytest.fixture
def models(qtbot, monkeypatch):
    widget = ModelsWidget()
    qtbot.addWidget(widget.native)
    widget.native.show()
    return Models(widget, qtbot, monkeypatch)


def test_models_are_listed(mine, own_models, models):
    (own_models / "broken").mkdir()
    models.widget.refresh()

    assert models.rows() == [
        ["nuclei", "bundled", "", "", ""],
        ["broken", "yours", "cannot be used", "", ""],
        ["mine", "yours", "f1 0.9", "2026-05-17", "nuclei"],
    ]
    assert "has no config.json" in models.table.item(1, 0).toolTip()
    assert models.enabled() == {"import", "folder"}


@pytest.mark.parametrize(
    ("name", "enabled"),
    [
        ("nuclei", {"import", "export", "folder"}),
        ("broken", {"import", "remove", "folder"}),
        ("mine", {"import", "export", "rename", "remove", "folder"}),
    ],
)
def test_only_what_can_be_done_is_enabled(mine, own_models, models, name, enabled):
    (own_models / "broken").mkdir()
    models.widget.refresh()
    models.choose(name)
    assert models.enabled() == enabled


def test_details_are_plain_text(mine, models):
    models.choose("mine")
    text = models.widget.details.toPlainText()
    assert f"folder: {mine.path}" in text
    assert "made by: <b>bold</b>" in text
    assert models.widget.details.isReadOnly()


def test_import_and_export(models, tmp_path):
    models.choose("nuclei")
    models.answers["ask_target"] = tmp_path / "x.zip"
    assert models.press("export") == f"Exported 'nuclei' to {tmp_path / 'x.zip'}."
    assert models.asked[-1] == ("ask_target", "nuclei")

    models.answers["ask_zip"] = tmp_path / "x.zip"
    models.answers["ask_name"] = "mine"
    assert models.press("import") == "Imported 'mine'."  # 'nuclei' is taken, so it asked
    assert models.asked[-1][0] == "ask_name"
    assert "'nuclei' is the name of a bundled model" in models.asked[-1][1]
    assert model_names() == ["nuclei", "mine"]
    assert models.chosen == "mine"


def test_an_import_whose_name_is_taken_can_be_given_up(models, tmp_path, notices):
    models.answers["ask_zip"] = export_model("nuclei", tmp_path)
    assert "is the name of a bundled model" in models.press("import")
    assert model_names() == ["nuclei"]
    assert models.enabled() == {"import", "folder"}


def test_exporting_replaces_a_file_that_the_dialog_asked_about(models, tmp_path):
    (tmp_path / "x.zip").write_text("old")
    models.choose("nuclei")
    models.answers["ask_target"] = tmp_path / "x.zip"
    models.press("export")
    assert (tmp_path / "x.zip").stat().st_size > 1000


def test_rename(mine, models):
    models.choose("mine")
    models.answers["ask_name"] = "ours"
    assert models.press("rename") == "Renamed 'mine' to 'ours'."
    assert [row[0] for row in models.rows()] == ["nuclei", "ours"]
    assert models.chosen == "ours"
    assert "name: ours (yours)" in models.widget.details.toPlainText()


def test_remove_only_after_a_confirmation(mine, models):
    models.choose("mine")
    models.answers["confirm_removal"] = False
    models.press("remove")
    assert model_names() == ["nuclei", "mine"]

    models.answers["confirm_removal"] = True
    assert models.press("remove") == "Removed 'mine'."
    assert [row[0] for row in models.rows()] == ["nuclei"]
    assert models.chosen is None
    assert models.widget.details.toPlainText() == ""
    assert models.enabled() == {"import", "folder"}


@pytest.mark.parametrize("button", ["import", "export", "rename", "remove"])
def test_giving_up_a_dialog_changes_nothing(mine, models, button):
    models.choose("mine")
    assert models.press(button) == ""
    assert model_names() == ["nuclei", "mine"]


def test_open_folder(mine, own_models, models):
    models.press("folder")
    assert models.asked[-1] == ("open_path", own_models)
    models.choose("nuclei")
    models.press("folder")
    assert models.asked[-1] == ("open_path", NUCLEI)


def test_open_folder_without_own_models(models, own_models):
    assert models.press("folder").startswith(f"{own_models} does not exist yet")
    assert models.asked == []


@pytest.mark.parametrize(
    ("button", "answers", "message"),
    [
        ("import", {"ask_zip": "bad.zip"}, "is not a zip file, or is damaged"),
        ("export", {"ask_target": "no/such/folder.zip"}, "does not exist"),
        ("rename", {"ask_name": "no good"}, "A model's name has 1 to 64 letters"),
        ("rename", {"ask_name": "nuclei"}, "'nuclei' is the name of a bundled model"),
    ],
)
def test_errors_are_shown_in_napari(mine, models, tmp_path, notices, button, answers, message):
    (tmp_path / "bad.zip").write_text("no zip")
    models.choose("mine")
    models.answers.update({k: v if k == "ask_name" else tmp_path / v for k, v in answers.items()})
    status = models.press(button)
    assert message in status
    assert notices == [status]
    assert model_names() == ["nuclei", "mine"]
    assert models.chosen == "mine"


def test_a_model_that_another_process_removed(mine, models, notices):
    models.choose("mine")
    shutil.rmtree(mine.path)
    models.answers["confirm_removal"] = True
    assert "There is no model 'mine' in " in models.press("remove")
    assert [row[0] for row in models.rows()] == ["nuclei"]


def test_a_folder_that_cannot_be_read_is_explained(own_models, models):
    own_models.write_text("")
    models.widget.refresh()
    assert "cannot be read: Not a directory" in models.widget.status.value


def test_one_thing_at_a_time(mine, models, tmp_path, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()

    def slow(*_args, **_options):
        begun.set()
        go_on.wait(60)
        return mine

    monkeypatch.setattr(registry, "import_model", slow)
    models.answers["ask_zip"] = tmp_path / "x.zip"
    models.widget.import_button.native.click()
    models.qtbot.waitUntil(begun.is_set)
    models.choose("mine")
    assert models.enabled() == {"folder"}
    models.widget.import_model()  # ignored
    go_on.set()
    models.qtbot.waitUntil(lambda: not models.widget.running)
    assert models.widget.status.value == "Imported 'mine'."
    assert "import" in models.enabled()


def test_the_list_follows_what_other_threads_do(models, qtbot, monkeypatch):
    threads = []
    refresh = ModelsWidget.refresh

    def note(widget, chosen=None):
        threads.append(QThread.currentThread())
        refresh(widget, chosen)

    monkeypatch.setattr(ModelsWidget, "refresh", note)
    thread = threading.Thread(target=save_model, args=(NUCLEI, "mine"))
    thread.start()
    qtbot.waitUntil(lambda: models.table.rowCount() == 2)
    thread.join()
    assert set(threads) == {QApplication.instance().thread()}


def test_the_list_follows_other_processes_when_the_window_gets_active(models, own_models):
    shutil.copytree(NUCLEI, own_models / "mine")
    QApplication.sendEvent(models.widget.native, QEvent(QEvent.Type.WindowActivate))
    assert [row[0] for row in models.rows()] == ["nuclei", "mine"]


def test_the_chosen_model_stays_chosen(mine, models, qtbot):
    models.choose("mine")
    save_model(NUCLEI, "another")
    qtbot.waitUntil(lambda: models.table.rowCount() == 3)
    assert models.chosen == "mine"
    registry.rename_model("mine", "zebra")
    qtbot.waitUntil(lambda: models.chosen == "zebra")


def test_a_closed_widget_is_left_alone(qtbot, mine):
    widget = ModelsWidget()
    widget.native.deleteLater()
    qtbot.waitUntil(lambda: not _alive(widget))
    registry.rename_model("mine", "ours")
    QApplication.processEvents()


def _alive(widget):
    from qtpy.compat import isalive

    return isalive(widget.native)


def test_the_widget_opens_in_napari(without_opengl, make_napari_viewer, mine):
    viewer = make_napari_viewer()
    _, widget = viewer.window.add_plugin_dock_widget("napari-nucseg", "Models")
    assert isinstance(widget, ModelsWidget)
    assert widget.table.rowCount() == 2


@pytest.fixture
def chooser(windowless_bench):
    return windowless_bench.widget.fields["model"]


def test_the_segment_widget_offers_own_models(mine, chooser, qtbot):
    assert list(chooser.choices) == ["nuclei", "mine"]
    chooser.value = "mine"
    save_model(NUCLEI, "another")
    qtbot.waitUntil(lambda: list(chooser.choices) == ["nuclei", "another", "mine"])
    assert chooser.value == "mine"


def test_the_choice_follows_a_new_name(mine, chooser, qtbot, notices):
    chooser.value = "mine"
    registry.rename_model("mine", "ours")
    qtbot.waitUntil(lambda: chooser.value == "ours")
    assert list(chooser.choices) == ["nuclei", "ours"]
    assert notices == []


def test_a_choice_that_is_gone_is_told(mine, windowless_bench, chooser, qtbot, notices):
    chooser.value = "mine"
    registry.remove_model("mine")
    qtbot.waitUntil(lambda: chooser.value == "nuclei")
    told = "The model 'mine' is no longer there; 'nuclei' is chosen now."
    assert windowless_bench.status == told
    assert notices == [told]


@pytest.mark.parametrize("kind", ["Show", "FocusIn", "MouseButtonPress", "WindowActivate"])
def test_the_chooser_looks_again_when_someone_is_about_to_use_it(chooser, own_models, kind):
    shutil.copytree(NUCLEI, own_models / "mine")
    text = (own_models / "mine" / "config.json").read_text()
    (own_models / "mine" / "config.json").write_text(text.replace('"nuclei"', '"mine"'))
    assert list(chooser.choices) == ["nuclei"]
    watch = chooser.native.findChild(registry_watch())
    watch.eventFilter(chooser.native, QEvent(getattr(QEvent.Type, kind)))
    assert list(chooser.choices) == ["nuclei", "mine"]


def registry_watch():
    from napari_nucseg.widgets._model_choice import RegistryWatch

    return RegistryWatch


def test_the_usual_model_is_offered_even_if_it_is_missing(own_models, monkeypatch, tmp_path):
    from napari_nucseg.registry import catalog
    from napari_nucseg.widgets._model_choice import model_choices

    monkeypatch.setattr(catalog, "bundled_folder", lambda: tmp_path / "nowhere")
    assert model_choices() == ["nuclei"]


def test_an_own_model_runs_from_the_widget(mine, windowless_bench, field):
    windowless_bench.viewer.add_image(field)
    usual = windowless_bench.run().data.copy()
    windowless_bench.set(model="mine")
    labels = windowless_bench.run()
    assert (labels.data == usual).all()
    assert labels.metadata["napari_nucseg"]["model"] == "mine"
