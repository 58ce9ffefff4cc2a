"""The Fine-tune widget: every state of a training, told by stand-ins for the child process."""

import gc
import itertools
import os
import shutil
import subprocess
import sys
import weakref

import numpy as np
import pytest
from finetuning import (
    NEW,
    OLD,
    SPLIT,
    STOPPED,
    TIMEOUT,
    WAIT,
    FineTuning,
    bright,
    disks,
    finished,
    save_bundled,
    tell,
    validation,
)
from napari.components import ViewerModel
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import QWidget

from napari_nucseg import segment
from napari_nucseg.finetune_params import FineTuneParams
from napari_nucseg.registry import bundled_folder, model_names, read_provenance, save_model
from napari_nucseg.training.finetune import messages
from napari_nucseg.training.finetune.folder import read_rows, write_rows
from napari_nucseg.training.finetune.job import CANDIDATE, CHECKPOINT, DATA, read_spec
from napari_nucseg.training.finetune.lock import job_lock
from napari_nucseg.training.finetune.messages import Verdict
from napari_nucseg.training.finetune.plan import plan_job
from napari_nucseg.training.finetune.rows import make_row
from napari_nucseg.training.finetune.start import create_job
from napari_nucseg.training.finetune.target import JOBS
from napari_nucseg.widgets import _finetune_messages, finetune_widget
from napari_nucseg.widgets._held_out_picture import draw_picture
from napari_nucseg.widgets._training_run import TrainingRun
from napari_nucseg.widgets._training_view import TrainingView
from napari_nucseg.widgets.finetune_widget import FineTuneWidget
from napari_nucseg.widgets.menu import segment_widget

NUCLEI = bundled_folder() / "nuclei"
STEP = messages.Progress(step=1, total=20, epoch=1, loss=0.9)


def gone(pid):
    """Whether a process has ended and was waited for."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.fixture
def tuning(qtbot, monkeypatch):
    viewer = ViewerModel()
    widget = FineTuneWidget(viewer)
    qtbot.addWidget(widget.native)
    yield FineTuning(viewer, widget, qtbot, monkeypatch)
    if widget.running:
        widget._close()
    qtbot.waitUntil(lambda: not widget.running and not TrainingRun.active, timeout=TIMEOUT)


@pytest.fixture
def ready(tuning):
    """An image with 24 reviewed nuclei is open."""
    tuning.add()
    tuning.choose()
    return tuning


def is_ready(widget):
    return widget.run_button.enabled and not widget.cancel_button.enabled and not widget.running


def jobs(own_models):
    return sorted((own_models / JOBS).glob("*"))


# what the form proposes


def test_defaults_are_the_parameters(tuning):
    assert tuning.widget.params() == FineTuneParams()
    assert tuning.widget.name_field.value == "nuclei-tuned-1"
    assert tuning.widget.until_box.value
    assert not tuning.widget.fields["epochs"].native.isVisibleTo(tuning.widget.native)
    assert not tuning.widget.fields["seed"].native.isVisibleTo(tuning.widget.native)
    tuning.widget.advanced_box.value = True
    assert tuning.widget.fields["seed"].native.isVisibleTo(tuning.widget.native)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 7),
        ("train", "decoder"),
        ("learning_rate", 1e-6),
        ("augmentation", 0.75),
        ("rehearsal", 0.0),
        ("seed", 2**31 - 1),
    ],
)
def test_fields_give_the_parameters(tuning, name, value):
    tuning.widget.fields[name].value = value
    assert getattr(tuning.widget.params(), name) == pytest.approx(value)


def test_a_number_of_epochs_or_until_it_stops_improving(tuning):
    epochs = tuning.widget.fields["epochs"]
    tuning.widget.until_box.native.click()
    assert (epochs.value, tuning.widget.params().epochs) == (10, 10)
    assert epochs.native.isVisibleTo(tuning.widget.native)
    tuning.widget.until_box.native.click()
    assert tuning.widget.params().epochs == 0
    epochs.value = 3
    assert not tuning.widget.until_box.value


def test_a_name_is_proposed_that_is_free(tuning, own_models):
    save_model(NUCLEI, "Nuclei-tuned-1")
    save_model(NUCLEI, "mine")
    tuning.qtbot.waitUntil(lambda: "mine" in tuning.widget.fields["model"].choices)
    tuning.widget.fields["model"].value = "mine"
    assert tuning.widget.name_field.value == "mine-tuned-1"
    tuning.widget.fields["model"].value = "nuclei"
    assert tuning.widget.name_field.value == "nuclei-tuned-2"
    tuning.widget.name_field.value = "liver"
    tuning.widget.fields["model"].value = "mine"
    assert tuning.widget.name_field.value == "liver"


@pytest.mark.parametrize("active", ["b", "b labels"])
def test_the_first_row_proposes_the_active_layers(qtbot, active):
    viewer = ViewerModel()
    for name in "abc":
        labels = viewer.add_labels(disks(), name=f"{name} labels")
        labels.metadata["napari_nucseg"] = {"source": name, "axes": "YX", "plane": None}
        viewer.add_image(bright(disks()), name=name)
    viewer.layers.selection.active = viewer.layers[active]
    widget = FineTuneWidget(viewer)
    qtbot.addWidget(widget.native)
    row = widget.rows.rows[0]
    assert (row.image_box.value.name, row.labels_box.value.name) == ("b", "b labels")
    assert row.region_box.value == "reviewed"


def test_labels_are_proposed_with_their_image_whatever_its_name(qtbot):
    viewer = ViewerModel()
    for name in ("cells", "other"):
        image = viewer.add_image(bright(disks()), name="cells")
        made = {"source": "cells", "source_id": str(image.unique_id), "axes": "YX", "plane": None}
        viewer.add_labels(disks(), name=f"{name} labels", metadata={"napari_nucseg": made})
        image.name = name
    for active in ("cells", "other", "cells labels", "other labels"):
        viewer.layers.selection.active = viewer.layers[active]
        widget = FineTuneWidget(viewer)
        qtbot.addWidget(widget.native)
        row = widget.rows.rows[0]
        assert row.labels_box.value.name == f"{row.image_box.value.name} labels"
        assert active in (row.image_box.value.name, row.labels_box.value.name)


def test_layers_that_are_opened_later_are_offered(tuning):
    tuning.add()
    tuning.viewer.add_shapes([[[0, 0], [0, 50], [50, 50], [50, 0]]], name="drawn")
    row = tuning.widget.rows.rows[0]
    assert (row.image_box.value.name, row.labels_box.value.name) == ("cells", "cells labels")
    assert [str(choice) for choice in row.region_box.choices] == ["reviewed", "whole", "drawn"]
    tuning.viewer.layers["cells"].name = "renamed"
    assert row.image_box.value.name == "renamed"


def test_rows_come_and_go(tuning):
    tuning.add("a")
    tuning.add("b", labels=disks(3, 3))
    assert not tuning.widget.rows.rows[0].remove_button.native.isVisibleTo(tuning.widget.native)
    tuning.widget.rows.add_button.native.click()
    rows = tuning.widget.rows.rows
    assert [row.labels_box.value.name for row in rows] == ["a labels", "b labels"]
    rows[0].remove_button.native.click()
    assert [row.labels_box.value.name for row in rows] == ["b labels"]


# what is learned from


def job_of(tuning, own_models):
    """The job folder that the widget writes, of a child that breaks at once."""
    tuning.train("(job / 'checkpoint.npz').touch()\nsys.exit(1)")
    return jobs(own_models)[-1]


def test_the_widget_and_the_command_write_the_same_job(ready, own_models, tmp_path):
    ready.widget.fields["epochs"].value = 3
    job = job_of(ready, own_models)
    labels = disks()
    write_rows([make_row("cells", bright(labels), labels)], tmp_path / "data")
    params = FineTuneParams(epochs=3)
    by_command = create_job(tmp_path / "data", "nuclei-tuned-1", params)

    assert plan_job(read_spec(job)).fingerprint() == plan_job(read_spec(by_command)).fingerprint()
    assert read_spec(job).model_dump(exclude={"data"}) == read_spec(by_command).model_dump(
        exclude={"data"}
    )
    for path in sorted(p for p in (tmp_path / "data").rglob("*") if p.is_file()):
        mine = job / DATA / path.relative_to(tmp_path / "data")
        assert mine.read_bytes() == path.read_bytes()


def test_a_data_folder_alone_is_used_where_it_lies(tuning, own_models, tmp_path, monkeypatch):
    labels = disks()
    write_rows([make_row("x", bright(labels), labels)], tmp_path / "data")
    monkeypatch.setattr(type(tuning.widget.rows), "ask_folder", lambda self: tmp_path / "data")
    tuning.widget.rows.folder_button.native.click()
    assert tuning.widget.rows.folder_text.value == str(tmp_path / "data")
    spec = read_spec(job_of(tuning, own_models))
    assert spec.data == str(tmp_path / "data")
    tuning.widget.rows.forget_button.native.click()
    assert tuning.widget.rows.folder is None


def test_layers_and_a_folder_are_learned_from_together(ready, own_models, tmp_path):
    labels = disks()
    write_rows([make_row("cells", bright(labels, 1), labels)], tmp_path / "data")
    ready.widget.rows.set_folder(tmp_path / "data")
    rows = read_rows(job_of(ready, own_models) / DATA)
    assert [row.name for row in rows] == ["cells", "cells (2)"]


def test_only_what_was_marked_in_correct_is_reviewed(tuning, own_models):
    from napari_nucseg.correction.review import Reviewed
    from napari_nucseg.correction.snapshot import Snapshot
    from napari_nucseg.widgets._correction import CORRECTION, begin

    stack = np.stack([disks(), disks()[::-1], disks()])
    _, labels = tuning.add(labels=stack)
    labels.metadata[CORRECTION] = begin(labels, Snapshot.of(stack))
    half = np.array([[-0.5, -0.5], [-0.5, 71.5], [96, 71.5], [96, -0.5]])
    reviewed = Reviewed(stack.shape).with_plane((1,)).with_polygons([((2,), half)])
    labels.metadata[CORRECTION].reviewed = reviewed

    rows = read_rows(job_of(tuning, own_models) / DATA)

    assert [row.name for row in rows] == ["cells z0001", "cells z0002"]
    np.testing.assert_array_equal(rows[0].image[..., 0], bright(stack)[1])
    assert rows[0].reviewed.all()
    np.testing.assert_array_equal(rows[1].reviewed, reviewed.plane((2,)))
    assert rows[1].reviewed[:, :71].all()
    assert not rows[1].reviewed[:, 73:].any()
    np.testing.assert_array_equal(rows[1].labels > 0, stack[2] > 0)


def test_shapes_tell_what_is_reviewed_also_under_transforms(tuning, own_models):
    image = tuning.viewer.add_image(bright(disks()), name="cells", scale=(2, 2), translate=(7, 9))
    tuning.viewer.add_labels(disks(), name="l", scale=(2, 2), translate=(7, 9))
    corners = np.array([[0, 0], [0, 71.4], [96, 71.4], [96, 0]])
    shapes = tuning.viewer.add_shapes([[image.data_to_world(c) for c in corners]])
    tuning.choose(shapes)
    (row,) = read_rows(job_of(tuning, own_models) / DATA)
    np.testing.assert_array_equal(row.reviewed[50], np.arange(144) <= 71)


def test_channels_colours_and_labels_of_one_plane(tuning, own_models):
    labels = disks()
    channels = np.stack([bright(labels) * 0, bright(labels)])
    made = {"source": "two", "axes": "CYX", "parameters": {"channels": (1,)}}
    layer = tuning.viewer.add_labels(labels, metadata={"napari_nucseg": made})
    tuning.viewer.add_image(channels, name="two")
    colour = np.stack([bright(labels)] * 3, axis=-1)
    tuning.viewer.add_image(colour, name="colour", rgb=True)
    middle = bright(labels) // 2
    tuning.viewer.add_image(np.stack([middle * 0, middle, middle * 0]), name="stack")
    made = {"source": "stack", "axes": "ZYX", "plane": {"Z": 1}}
    plane = tuning.viewer.add_labels(labels[None], metadata={"napari_nucseg": made})
    for name, chosen in (("two", layer), ("colour", layer), ("stack", plane)):
        row = tuning.widget.rows.rows[0] if name == "two" else tuning.widget.rows.add_row()
        row.image_box.value = tuning.viewer.layers[name]
        row.labels_box.value = chosen
        row.region_box.value = "whole"
    assert tuning.widget.rows.rows[0].channel_box.value == 1

    rows = read_rows(job_of(tuning, own_models) / DATA)

    assert [row.name for row in rows] == ["colour", "stack z0001", "two"]
    assert [row.image.shape[-1] for row in rows] == [3, 1, 1]
    for row, pixels in zip(rows[1:], (middle, bright(labels)), strict=True):
        np.testing.assert_array_equal(row.image[..., 0], pixels)


def test_the_labels_are_those_of_the_moment_when_the_button_was_pressed(ready, own_models):
    layer = ready.viewer.layers["cells labels"]
    ready.child("(job / 'checkpoint.npz').touch()\nsys.exit(1)")
    ready.press()
    layer.data[:] = 0
    ready.wait()
    (row,) = read_rows(jobs(own_models)[0] / DATA)
    np.testing.assert_array_equal(row.labels, disks())


# bad input


def expect(tuning, text, notices, own_models):
    """Press Fine-tune; this is said aloud, nothing is written, nothing is lost."""
    names = [layer.name for layer in tuning.viewer.layers]
    status = tuning.train("raise SystemExit('must not start')")
    assert text in status
    assert notices == [status]
    assert not list(own_models.rglob("*.npy"))
    assert not jobs(own_models)
    assert [layer.name for layer in tuning.viewer.layers] == names
    assert is_ready(tuning.widget)


def test_no_layers(tuning, notices, own_models):
    expect(tuning, "There is nothing to learn from", notices, own_models)
    assert tuning.widget.validation_error().startswith("There is nothing to learn from")


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (disks(3, 3), "labels' are 72 x 72 pixels but the image 'cells' is 96 x 144 pixels"),
        (-disks(), "must be 0 for the background and positive for nuclei, got -24"),
        ((disks() == 3) * 1, "hold 1 nucleus; at least 8 are needed"),
        (disks() * 0, "hold no nucleus; at least 8 are needed"),
    ],
)
def test_labels_that_cannot_be_used(tuning, notices, own_models, labels, text):
    tuning.add(labels=labels, image=bright(disks()))
    tuning.choose()
    expect(tuning, text, notices, own_models)


def test_nothing_reviewed(tuning, notices, own_models):
    tuning.add()
    text = "Nothing of 'cells labels' is marked as reviewed"
    assert text in tuning.widget.validation_error()
    expect(tuning, text, notices, own_models)


def test_an_empty_shapes_layer(tuning, notices, own_models):
    tuning.add()
    tuning.choose(tuning.viewer.add_shapes(name="drawn"))
    expect(tuning, "The reviewed region is empty", notices, own_models)


def test_labels_with_floats_in_a_folder(tuning, notices, own_models, tmp_path):
    for part in ("images", "labels"):
        (tmp_path / "d" / part).mkdir(parents=True)
        np.save(tmp_path / "d" / part / "x.npy", disks().astype(float))
    tuning.widget.rows.set_folder(tmp_path / "d")
    expect(tuning, "must be integers, one id per nucleus", notices, own_models)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", "Give the new model a name."),
        ("nuclei", "A model named 'nuclei' exists already"),
        ("a/b", "A model's name has 1 to 64 letters"),
        ("con", "Windows keeps the name 'con'"),
    ],
)
def test_names_that_cannot_be_used(ready, notices, own_models, name, text):
    ready.widget.name_field.value = name
    expect(ready, text, notices, own_models)


def test_a_folder_that_cannot_be_written(ready, notices, own_models):
    own_models.write_text("")
    status = ready.train("")
    assert "it, or a part of its path, is a file" in status
    assert notices == [status]
    assert is_ready(ready.widget)


def test_a_read_only_folder(ready, notices, own_models, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_args: False)
    status = ready.train("")
    assert "permission denied" in status
    assert notices == [status]


def test_a_full_disk(ready, notices, own_models, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=5_000_000))
    expect(ready, "has 5 MB left; a fine-tuning needs 200 MB", notices, own_models)


def test_a_base_model_that_was_deleted(ready, notices, own_models):
    mine = save_model(NUCLEI, "mine")
    ready.qtbot.waitUntil(lambda: "mine" in ready.widget.fields["model"].choices)
    ready.widget.fields["model"].value = "mine"
    shutil.rmtree(mine.path)
    expect(ready, "There is no model", notices, own_models)


def test_ids_far_apart_are_told(ready, notices):
    text = "In 'cells', label 3 marks 2 objects that lie far apart"
    ready.train(
        tell(messages.Log(level="warning", text=text), finished(verdict=Verdict.NOT_BETTER))
    )
    assert notices[0] == text
    assert ready.widget.view.notes.value == text


# how a training goes


def write_preview(path):
    """Write the picture of a model that now finds nothing."""
    labels = disks()
    np.savez(path, image=bright(labels)[..., None], true=labels, before=labels, now=labels * 0)
    return path


def test_a_training_is_shown(ready, tmp_path):
    preview = write_preview(tmp_path / "preview.npz")
    code = tell(
        messages.Stage(text="Loading TensorFlow"),
        SPLIT,
        messages.Started(model="nuclei", output="x"),
        validation(0),
        STEP,
        STEP.model_copy(update={"step": 10, "loss": 0.7, "seconds_left": 125.0}),
        validation(1, 0.45),
        messages.Preview(path=str(preview), epoch=1),
        STEP.model_copy(update={"step": 11, "epoch": 2, "loss": 0.6, "seconds_left": 59.0}),
    )
    ready.start(code + STOPPED, lambda w: w.view.progress.value == 11)
    view = ready.widget.view

    assert ready.status == "Epoch 2, loss 0.600, at most 59 s left"
    assert (view.progress.max, view.progress.visible) == (20, False)  # no window is shown
    assert "15 nuclei to learn from; 6 are held out" in view.split.value
    assert "'cells' rows 0 to 95, columns 96 to 143 (6 nuclei)" in view.split.value
    assert view.curves.training == [(1, 0.9), (10, 0.7), (11, 0.6)]
    assert view.curves.held_out == [(0, 0.5), (10, 0.45)]
    for value in (OLD.f1, OLD.ap, NEW.f1, NEW.ap):
        assert f"{value:.3f}" in view.scores.value
    assert view.picture.is_shown
    assert not ready.widget.run_button.enabled
    assert ready.widget.cancel_button.enabled


def test_a_preview_that_is_cut_off_is_not_drawn(tmp_path):
    path = write_preview(tmp_path / "preview.npz")
    path.write_bytes(path.read_bytes()[:100])
    assert draw_picture(path) is None  # raising would end the training


@pytest.mark.parametrize("height", [150, 300, 450, 900])
def test_nothing_is_printed_over_the_curves(height, qtbot, tmp_path):
    """A layout is short of room for a moment when a text is shown, before its parents know."""
    window = QWidget()
    qtbot.addWidget(window)
    view = TrainingView()
    view.native.setParent(window)
    picture = draw_picture(write_preview(tmp_path / "preview.npz"))
    for message in (SPLIT, validation(0), STEP, messages.Log(text="A remark."), validation(1)):
        view.show_message(message, None)
    view.show_message(messages.Preview(path="", epoch=1), picture)
    view.native.resize(340, height)
    window.show()
    parts = [view.split, view.notes, view.scores, view.curves, view.legend, view.picture]
    places = [getattr(part, "native", part).geometry() for part in parts]

    assert all(getattr(part, "native", part).isVisible() for part in parts)
    assert not any(a.intersects(b) for a, b in itertools.combinations(places, 2))
    if height == 900:
        assert (view.curves.height(), view.picture.height()) == (120, 150)


def test_a_better_model_is_saved_and_offered(ready, own_models):
    # as the child does: the model lies among the user's before it says so
    status = ready.train(tell(SPLIT, STEP) + save_bundled(own_models))
    assert status.startswith("It is better.")
    assert "Saved as 'nuclei-tuned-1'" in status
    assert not jobs(own_models)
    assert "nuclei-tuned-1" in ready.widget.fields["model"].choices
    assert ready.widget.fields["model"].value == "nuclei"
    assert ready.widget.name_field.value == "nuclei-tuned-2"
    assert ready.widget.segment_button.native.isVisibleTo(ready.widget.native)
    assert not ready.widget.save_button.native.isVisibleTo(ready.widget.native)
    assert is_ready(ready.widget)


@pytest.fixture
def worse(ready, notices):
    """A training that ended with a model that is not better; it lies in the job folder."""
    code = f"shutil.copytree({str(NUCLEI)!r}, job / {CANDIDATE!r})\n"
    code += "(job / 'checkpoint.npz').touch()\n"
    told = finished(verdict=Verdict.NOT_BETTER, text="It is not better. It was not saved.")
    assert ready.train(code + tell(told)) == told.text
    return ready


def test_a_model_that_is_not_better_is_not_saved(worse, own_models, notices):
    assert model_names() == ["nuclei"]
    assert notices == [worse.status]
    widget = worse.widget
    assert widget.save_button.native.isVisibleTo(widget.native)
    assert not widget.segment_button.native.isVisibleTo(widget.native)
    assert widget.offer.value == ""  # it is finished


def test_where_it_cannot_be_told_the_user_is_asked_to_look(ready, own_models, notices):
    told = finished(verdict=Verdict.UNTOLD, text="Whether it is better cannot be told.")
    code = f"shutil.copytree({str(NUCLEI)!r}, job / {CANDIDATE!r})\n"
    status = ready.train(code + tell(told))
    assert status == f"{told.text} Save it, then Segment again."
    assert notices == [status]
    ready.press("save")
    ready.wait()
    assert ready.widget.segment_button.native.isVisibleTo(ready.widget.native)


def test_it_can_be_saved_all_the_same(worse, own_models):
    worse.widget.name_field.value = "stubborn"
    worse.press("save")
    assert worse.wait() == "Saved as 'stubborn': it can be chosen in Segment now."
    assert model_names() == ["nuclei", "stubborn"]
    assert not jobs(own_models)
    assert worse.widget.segment_button.native.isVisibleTo(worse.widget.native)


def test_saving_under_a_name_that_exists_is_refused(worse, own_models):
    save_model(NUCLEI, "mine")
    worse.widget.name_field.value = "mine"
    worse.press("save")
    assert "A model named 'mine' exists already" in worse.wait()
    assert len(jobs(own_models)) == 1
    assert worse.widget.save_button.native.isVisibleTo(worse.widget.native)


def test_a_name_that_was_taken_meanwhile_loses_nothing(ready, own_models, notices):
    text = "A model named 'nuclei-tuned-1' exists already."
    code = f"shutil.copytree({str(NUCLEI)!r}, job / {CANDIDATE!r})\n"
    assert text in ready.train(code + tell(messages.Failed(text=text)))
    ready.widget.name_field.value = "other"
    ready.press("save")
    assert ready.wait() == "Saved as 'other': it can be chosen in Segment now."
    assert model_names() == ["nuclei", "other"]


def test_it_can_be_dropped(worse, own_models):
    worse.press("drop")
    assert worse.wait() == "The new model was deleted; the old one stays as it was."
    assert not jobs(own_models)
    assert not worse.widget.save_button.native.isVisibleTo(worse.widget.native)


def test_what_was_not_deleted_is_not_called_deleted(worse, own_models, monkeypatch):
    def fail(_job):
        raise OSError("the disk is gone")

    monkeypatch.setattr(finetune_widget, "remove_job", fail)
    with worse.qtbot.captureExceptions():  # napari shows them
        worse.press("drop")
        status = worse.wait()
    assert status == "Deleting the fine-tuning failed: OSError: the disk is gone"
    assert len(jobs(own_models)) == 1
    assert is_ready(worse.widget)


def test_cancel_keeps_the_best_weights(ready, notices):
    done = finished(cancelled=True, verdict=Verdict.NOT_BETTER, text="It was cancelled.")
    ready.start(tell(STEP) + WAIT + tell(STEP, done), lambda w: w.view.progress.value == 1)
    ready.press("cancel")
    assert ready.status.startswith("Cancelling: the best weights so far")
    assert ready.wait() == "It was cancelled."
    assert is_ready(ready.widget)


def test_the_second_cancel_stops_at_once(ready, own_models, notices):
    ready.start(tell(STEP) + WAIT + STOPPED, lambda w: w.view.progress.value == 1)
    ready.press("cancel")
    ready.press("cancel")
    assert ready.wait() == "The training was stopped."
    assert not jobs(own_models)
    assert notices == []


def test_cancel_before_the_child_starts(ready, own_models, monkeypatch):
    import threading

    from napari_nucseg.widgets import _training_data

    begun, go_on = threading.Event(), threading.Event()
    real = _training_data.create_job

    def slow(*args, **options):
        begun.set()
        go_on.wait(60)
        return real(*args, **options)

    monkeypatch.setattr(_training_data, "create_job", slow)
    ready.child("raise SystemExit('must not start')")
    ready.press()
    ready.qtbot.waitUntil(begun.is_set)
    ready.press("cancel")
    go_on.set()
    assert ready.wait() == "Cancelled before anything started; nothing was changed."
    assert not jobs(own_models)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (tell(messages.Failed(text="No nuclei.")) + "sys.exit(1)", "No nuclei."),
        (tell(messages.Failed(kind="memory", text="No memory.")), "No memory."),
        ("os.kill(os.getpid(), signal.SIGKILL)", "was killed (signal 9): by the system"),
        ("raise KeyError('oh')", "crashed (exit code 1: KeyError: 'oh')"),
    ],
)
def test_a_child_that_fails_is_told_and_nothing_is_lost(ready, notices, code, text):
    before = [layer.data.copy() for layer in ready.viewer.layers]
    status = ready.train(tell(STEP) + code)
    assert text in status
    assert notices == [status]
    for layer, data in zip(ready.viewer.layers, before, strict=True):
        np.testing.assert_array_equal(layer.data, data)
    assert is_ready(ready.widget)


# resuming


@pytest.fixture
def crashed(ready):
    """A training that was killed after its first checkpoint."""
    ready.train("(job / 'checkpoint.npz').touch()\nos.kill(os.getpid(), signal.SIGKILL)")
    return ready


def test_a_crash_is_resumed(crashed, own_models):
    widget = crashed.widget
    assert "'nuclei-tuned-1'" in widget.offer.value
    assert "is not finished" in widget.offer.value
    (job,) = jobs(own_models)
    code = f"assert (job / {CHECKPOINT!r}).is_file()\n"
    started = messages.Started(model="nuclei", output="nuclei-tuned-1", resumed_epoch=3)
    crashed.child(code + tell(started) + save_bundled(own_models))
    crashed.press("resume")
    assert crashed.wait().startswith("It is better.")
    assert widget.view.notes.value == "Goes on after epoch 3, from its checkpoint."
    assert not job.exists()
    assert widget.offer.value == ""


def test_what_is_missing_to_resume_is_said_with_the_offer(ready, own_models, qtbot):
    save_model(NUCLEI, "mine")
    model = ready.widget.fields["model"]
    qtbot.waitUntil(lambda: "mine" in model.choices)
    model.value = "mine"
    ready.train("(job / 'checkpoint.npz').touch()\nos.kill(os.getpid(), signal.SIGKILL)")
    assert ready.widget.offer.value.endswith("is not finished, or its model was not saved.")
    shutil.move(own_models / "mine", own_models.parent / "mine")

    def offer():
        widget = FineTuneWidget(ViewerModel())
        qtbot.addWidget(widget.native)
        return widget.offer.value

    assert offer().endswith(
        "It cannot be resumed now, as its base model 'mine' is missing or damaged: import the same "
        "model again."
    )
    shutil.move(own_models.parent / "mine", own_models / "mine")
    assert offer().endswith("is not finished, or its model was not saved.")


def test_a_job_out_of_reach_ends_the_training(crashed, monkeypatch):
    """Nothing may keep the end from the widget, which is busy until it is told."""
    from napari_nucseg.training.finetune import process

    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(process, "base_model_problem", fail)
    crashed.child("sys.exit(3)")
    crashed.press("resume")
    assert crashed.wait().endswith("cannot be read: Input/output error.")
    assert not TrainingRun.active
    assert is_ready(crashed.widget)


def test_a_new_widget_offers_what_another_left(crashed, qtbot):
    widget = FineTuneWidget(ViewerModel())
    qtbot.addWidget(widget.native)
    assert "'nuclei-tuned-1'" in widget.offer.value
    widget.forget_button.native.click()
    qtbot.waitUntil(lambda: not widget.running)
    assert widget.offer.value == ""
    assert widget.status.value == "The unfinished fine-tuning was deleted."


def test_a_training_under_way_is_not_offered(crashed, qtbot):
    crashed.child(tell(STEP) + STOPPED)
    crashed.press("resume")
    qtbot.waitUntil(lambda: crashed.widget.view.progress.value == 1)
    widget = FineTuneWidget(ViewerModel())
    qtbot.addWidget(widget.native)
    assert widget.offer.value == ""


def test_folders_that_are_no_jobs_are_not_offered(tuning, own_models, qtbot):
    (own_models / JOBS / "x").mkdir(parents=True)
    (own_models / JOBS / "x" / CHECKPOINT).touch()
    widget = FineTuneWidget(tuning.viewer)
    qtbot.addWidget(widget.native)
    assert widget.offer.value == ""


def test_a_training_in_another_napari_is_left_alone(crashed, own_models, qtbot, notices):
    """Another process holds the lock; it takes the offered job while this widget is open."""
    (job,) = jobs(own_models)
    with job_lock(job):
        widget = FineTuneWidget(ViewerModel())
        qtbot.addWidget(widget.native)
        assert widget.offer.value == ""
        crashed.press("resume")
        assert "is at work in another process, such as another napari" in crashed.status
        crashed.press("forget")
        crashed.wait()
        assert "is at work in another process" in crashed.status
        assert notices[-2:] == [crashed.status] * 2
    assert (job / CHECKPOINT).exists()
    assert is_ready(crashed.widget)


# what users do meanwhile


def test_a_layer_that_is_removed_is_told_and_the_training_goes_on(ready):
    ready.start(
        tell(STEP) + WAIT + tell(finished(verdict=Verdict.NOT_BETTER)),
        lambda w: w.view.progress.value == 1,
    )
    ready.viewer.layers.remove("cells labels")
    ready.viewer.layers.remove("cells")
    assert ready.widget.view.notes.value.splitlines() == [
        f"'{name}' was removed; the training goes on with the copy that was made of it."
        for name in ("cells labels", "cells")
    ]
    assert ready.widget.child is not None
    ready.press("cancel")
    ready.wait()


def test_one_training_at_a_time(ready, qtbot, notices):
    ready.start(tell(STEP) + STOPPED, lambda w: w.view.progress.value == 1)
    widget = FineTuneWidget(ready.viewer)
    qtbot.addWidget(widget.native)
    widget.rows.rows[0].region_box.value = "whole"
    widget.run_button.native.click()
    assert "Another fine-tuning is running" in widget.status.value
    assert notices == [widget.status.value]
    ready.widget.run()  # ignored
    assert ready.widget.child is not None


def test_napari_asks_for_nothing_while_a_child_runs(ready):
    """The main thread never waits: events are handled although the child says nothing."""
    ready.start(tell(STEP) + STOPPED, lambda w: w.view.progress.value == 1)
    assert QThreadPool.globalInstance().activeThreadCount() == 0


@pytest.fixture
def docked(without_opengl, make_napari_viewer, qtbot, monkeypatch):
    viewer = make_napari_viewer()
    viewer.add_image(bright(disks()), name="cells")
    viewer.add_labels(disks(), name="cells labels")
    dock, widget = viewer.window.add_plugin_dock_widget("napari-nucseg", "Fine-tune")
    tuning = FineTuning(viewer, widget, qtbot, monkeypatch)
    tuning.dock = dock
    tuning.choose()
    yield tuning
    qtbot.waitUntil(lambda: not TrainingRun.active, timeout=TIMEOUT)


@pytest.mark.parametrize("how", ["dock", "viewer"])
def test_closing_ends_the_child(docked, own_models, how, notices):
    code = "(job / 'checkpoint.npz').touch()\n" + tell(STEP) + STOPPED
    docked.start(code, lambda w: w.view.progress.value == 1)
    pid = docked.widget.child
    if how == "dock":
        docked.viewer.window.remove_dock_widget(docked.dock)
    else:
        docked.viewer.close()
    docked.qtbot.waitUntil(lambda: not TrainingRun.active, timeout=TIMEOUT)
    assert gone(pid)
    assert len(jobs(own_models)) == 1  # and can be resumed
    assert notices == []


def test_a_deaf_child_is_killed_when_the_dock_is_closed(docked, monkeypatch):
    from napari_nucseg.widgets import _training_run

    monkeypatch.setattr(_training_run, "GRACE", 0.0)
    deaf = "import threading\nthreading.Event().wait()\n"
    docked.start(tell(STEP) + deaf, lambda w: w.view.progress.value == 1)
    pid = docked.widget.child
    docked.viewer.window.remove_dock_widget(docked.dock)
    docked.qtbot.waitUntil(lambda: not TrainingRun.active, timeout=TIMEOUT)
    assert gone(pid)


def test_opening_it_twice_shows_the_same_widget(docked):
    _, again = docked.viewer.window.add_plugin_dock_widget("napari-nucseg", "Fine-tune")
    assert again is docked.widget


def test_segment_again_uses_the_new_model(docked, own_models):
    docked.train(save_bundled(own_models))
    docked.press("segment")
    segment = docked.viewer.window.dock_widgets["Segment nuclei (Nucleus Segmentation)"]
    docked.qtbot.waitUntil(lambda: not segment.running, timeout=TIMEOUT)
    new = docked.viewer.layers["cells nuclei"]
    assert new.metadata["napari_nucseg"]["model"] == "nuclei-tuned-1"
    np.testing.assert_array_equal(docked.viewer.layers["cells labels"].data, disks())


def test_segment_again_waits_for_the_segmentation_that_is_running(docked, own_models, notices):
    docked.train(save_bundled(own_models))
    segment = segment_widget(docked.viewer)
    segment.run()
    docked.press("segment")
    assert docked.status == _finetune_messages.SEGMENT_BUSY
    assert notices == [_finetune_messages.SEGMENT_BUSY]
    docked.qtbot.waitUntil(lambda: not segment.running, timeout=TIMEOUT)
    assert docked.viewer.layers["cells nuclei"].metadata["napari_nucseg"]["model"] == "nuclei"


@pytest.mark.parametrize("when", ["during", "after"])
def test_an_image_that_is_removed_gives_its_memory_back(ready, own_models, when):
    layers = [weakref.ref(layer) for layer in ready.viewer.layers]
    ready.viewer.add_points()  # napari keeps the layer that was active last
    if when == "during":
        ready.start(
            tell(STEP) + WAIT + save_bundled(own_models), lambda w: w.view.progress.value == 1
        )
        ready.viewer.layers.clear()
        ready.press("cancel")
        ready.wait()
    else:
        ready.train(save_bundled(own_models))
        ready.viewer.layers.clear()
    gc.collect()
    assert [layer() for layer in layers] == [None, None]


def test_segment_again_finds_the_image_that_was_opened_again(docked, own_models, notices):
    docked.train(save_bundled(own_models))
    layers = docked.viewer.layers
    layers.remove("cells")
    docked.viewer.add_image(bright(disks(), 1), name="other")
    docked.viewer.add_image(bright(disks()), name="cells")
    docked.press("segment")
    segment = docked.viewer.window.dock_widgets["Segment nuclei (Nucleus Segmentation)"]
    docked.qtbot.waitUntil(lambda: not segment.running, timeout=TIMEOUT)
    assert segment.image_form.image.value is layers["cells"]
    assert layers["cells nuclei"].metadata["napari_nucseg"]["model"] == "nuclei-tuned-1"
    assert notices == []


def test_an_image_that_is_gone_cannot_be_segmented_again(docked, own_models, notices):
    docked.train(save_bundled(own_models))
    docked.viewer.layers.clear()
    docked.press("segment")
    assert docked.status == (
        "The image 'cells', 96 x 144 pixels, is no longer open, so it cannot be segmented again; "
        "open it under this name."
    )
    docked.viewer.add_labels(disks(), name="cells")
    docked.press("segment")
    assert "is no longer open" in docked.status
    docked.viewer.layers.clear()
    docked.viewer.add_image(bright(disks(3, 3)), name="cells")
    docked.press("segment")
    assert docked.status == (
        "The image 'cells' that was learned from is 96 x 144 pixels, the one that is open 72 x 72 "
        "pixels; open the former again, or use Segment."
    )
    assert len(notices) == 3


def test_the_widget_loads_no_tensorflow():
    code = "import napari_nucseg.widgets.finetune_widget, sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {module.partition(".")[0] for module in done.stdout.split()}
    assert not loaded & {"tensorflow", "keras", "matplotlib"}


@pytest.mark.slow
def test_a_real_training_from_the_button_to_the_new_labels(ready, own_models):
    """The real child, the bundled model, one epoch of ten batches of the decoder."""
    widget = ready.widget
    widget.fields["epochs"].value = 1
    widget.fields["train"].value = "decoder"
    ready.press()
    ready.qtbot.waitUntil(lambda: widget.child is not None, timeout=TIMEOUT)
    pid = widget.child
    ready.qtbot.waitUntil(lambda: not widget.running, timeout=10 * TIMEOUT)

    assert gone(pid)
    assert "4 held-out nuclei: AP" in ready.status
    assert [step for step, _ in widget.view.curves.training] == list(range(1, 11))
    assert [step for step, _ in widget.view.curves.held_out] == [0, 10]
    assert widget.view.picture.is_shown
    if widget.save_button.native.isVisibleTo(widget.native):
        ready.press("save")
        assert ready.wait().startswith("Saved as 'nuclei-tuned-1'")
    ready.qtbot.waitUntil(lambda: "nuclei-tuned-1" in widget.fields["model"].choices)
    assert read_provenance(own_models / "nuclei-tuned-1").parent == "nuclei"
    assert not jobs(own_models)
    image = ready.viewer.layers["cells"].data
    assert segment(image, model="nuclei-tuned-1", diameter=16).labels.shape == image.shape
