"""What the child does, in this process: train, compare, save, stop, go on, and fail cleanly."""

import errno
import json
import os
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from finetune_data import reviewed_row, write_data, write_job

from litert_steps import INT8, step_types, types_of
from napari_nucseg import segment
from napari_nucseg.errors import (
    Cancelled,
    CheckpointError,
    DatasetError,
    ModelError,
    NameTaken,
    WriteError,
)
from napari_nucseg.model.config import ModelConfig
from napari_nucseg.model.export import export_network
from napari_nucseg.model.folder import WEIGHTS, open_model
from napari_nucseg.model.network import build_network, encoder_layers
from napari_nucseg.registry import models_folder, read_provenance, save_model, store
from napari_nucseg.registry.user_models import user_names
from napari_nucseg.training import generated
from napari_nucseg.training.finetune import checkpoint, run, saving, tuner, windows
from napari_nucseg.training.finetune.checkpoint import load_checkpoint
from napari_nucseg.training.finetune.examination import MARGIN
from napari_nucseg.training.finetune.job import CANDIDATE, CHECKPOINT, PREVIEW, SPEC, read_spec
from napari_nucseg.training.finetune.messages import Scores, Verdict
from napari_nucseg.training.finetune.plan import plan_job
from napari_nucseg.training.finetune.run import run_job
from napari_nucseg.training.finetune.start import save_candidate
from napari_nucseg.training.finetune.target import JOBS, store_model
from napari_nucseg.training.finetune.temperature import TEMPERATURE
from napari_nucseg.widgets._unfinished_jobs import unfinished_jobs

pytestmark = pytest.mark.slow

STEPS = 5


@pytest.fixture(scope="module", autouse=True)
def little():
    """Make epochs, windows, and what eight bits are fitted to small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuner, "STEPS", STEPS)
        patch.setattr(windows, "SIZE", 64)
        patch.setattr(saving, "WINDOWS", 4)
        patch.setattr(generated, "SIZE", 64)
        yield


@pytest.fixture(autouse=True)
def own_models(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_NUCSEG_MODELS", str(tmp_path / "models"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def trained(data, small_parent, tmp_path_factory):
    """Return (job folder, messages, Finished) of a training whose model was not saved."""
    job = tmp_path_factory.mktemp("job")
    write_job(job, data, small_parent, save="never", epochs=2)
    messages = []
    return job, messages, run_job(job, messages.append)


@pytest.fixture
def done(trained, tmp_path):
    """Return a copy of a job folder whose training has ended, and whose model is to be saved."""
    job = tmp_path / "done"
    shutil.copytree(trained[0], job)
    text = (job / SPEC).read_text().replace('"save": "never"', '"save": "always"')
    (job / SPEC).write_text(text)
    return job


def layers_by_name(folder):
    """Return the weights of each layer of a model folder."""
    model = open_model(folder)
    network = build_network(model.config.network)
    network.load_weights(model.weights)
    return network, {layer.name: layer.get_weights() for layer in network.layers if layer.weights}


def checkpoint_of(job):
    """Return state and arrays of the checkpoint in a job folder."""
    with np.load(job / CHECKPOINT) as file:
        fingerprint = json.loads(file["state"].tobytes())["fingerprint"]
    assert fingerprint.startswith(plan_job(read_spec(job)).fingerprint())
    return load_checkpoint(job / CHECKPOINT, fingerprint)


def after(steps):
    """Return a callback that is true once it was asked `steps` times."""
    asked = []
    return lambda: asked.append(1) or len(asked) > steps


def full_disk(*args, **kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def full_disk_for(write, name):
    """Return a function that writes arrays, but finds the disk full for those of this name."""

    def save(file, **arrays):
        write(file, **arrays)
        if name in arrays:
            full_disk()

    return save


def kinds(messages):
    return [message.type for message in messages]


def test_it_tells_what_it_does_in_order(trained):
    _, messages, finished = trained

    told = kinds(messages)
    assert told[:4] == ["split", "started", "validation", "preview"]
    rounds = [kind for kind in told[4:] if kind not in ("preview", "stage", "log")]
    assert rounds == (["progress"] * STEPS + ["validation"]) * 2
    steps = [message for message in messages if message.type == "progress"]
    assert [(m.step, m.total) for m in steps] == [(i, 2 * STEPS) for i in range(1, 2 * STEPS + 1)]
    assert steps[-1].seconds_left > 0
    split = messages[0]
    assert (split.training_nuclei, split.held_out_nuclei) == (40, 8)
    assert [area.image for area in split.held_out] == ["image0"]
    assert (finished.epochs, finished.cancelled) == (2, False)
    assert finished.best_epoch in (1, 2)


def test_before_now_and_best_are_scored_on_the_held_out_region(trained):
    _, messages, finished = trained
    validations = [message for message in messages if message.type == "validation"]

    assert [v.epoch for v in validations] == [0, 1, 2]
    assert validations[0].training_loss is None
    for validation in validations:
        assert validation.before == validations[0].now == finished.before
        assert np.isfinite(validation.loss)
        assert validation.now.true_nuclei == 8
    best = min(validations[1:], key=lambda v: v.loss)
    assert validations[-1].best_epoch == best.epoch == finished.best_epoch
    assert validations[-1].best == best.now


def test_the_preview_shows_the_held_out_crop(trained):
    with np.load(trained[0] / PREVIEW) as preview:
        width = 144 - 97 + MARGIN  # of what is held out, with its surroundings
        assert preview["image"].shape == (96, width, 1)
        assert len(np.unique(preview["true"])) == 1 + 8
        assert preview["before"].shape == preview["now"].shape == (96, width)


def test_the_new_model_says_where_it_comes_from(trained, small_parent):
    job, _, finished = trained

    model = open_model(Path(finished.candidate))
    assert model.config.name == "new"
    assert model.config.network == open_model(small_parent).config.network
    provenance = read_provenance(model.path)
    assert provenance.parent == "little"
    assert provenance.parent_sha256 == open_model(small_parent).hashes[WEIGHTS]
    assert provenance.data == plan_job(read_spec(job)).data()
    assert provenance.parameters["epochs"] == 2
    assert provenance.scores["ap"] == finished.after.ap
    assert provenance.scores["verdict"] == finished.verdict
    assert provenance.scores["temperature"] == TEMPERATURE
    assert provenance.command.startswith("napari-nucseg finetune --data ")
    card = (model.path / "card.md").read_text()
    assert run.compare("little", finished.verdict, finished.before, finished.after) in card
    assert "'image0' rows 0 to 95" in card


def test_the_new_model_segments(trained):
    image = reviewed_row().image[..., 0]

    result = segment(image, model=trained[2].candidate, diameter=16)

    assert result.labels.shape == image.shape


def test_the_new_model_computes_in_eight_bits(trained):
    types = step_types(Path(trained[2].candidate))

    assert types_of(types, "/decoder_") == {INT8}
    assert list(types.values()).count(INT8) > 0.8 * len(types)


def test_of_batch_normalisation_only_the_shift_is_trained(trained, small_parent):
    network, new = layers_by_name(Path(trained[2].candidate))
    _, old = layers_by_name(small_parent)
    shifted = 0
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            scale, shift, mean, variance = (
                np.array_equal(*pair) for pair in zip(new[layer.name], old[layer.name], strict=True)
            )
            assert all((scale, mean, variance))
            shifted += not shift
    assert shifted > 10


def test_all_layers_but_the_first_change(trained, small_parent):
    network, new = layers_by_name(Path(trained[2].candidate))
    _, old = layers_by_name(small_parent)
    with_weights = [layer.name for layer in network.layers if layer.weights]
    same = {
        name
        for name in with_weights
        if all(np.array_equal(*pair) for pair in zip(new[name], old[name], strict=True))
    }
    names = [layer.name for layer in encoder_layers(network) if layer.name in with_weights]
    first = names[: names.index("block_2_project_BN") + 1]

    assert same == set(first)


def test_kept_weights_lie_between_those_of_the_base_model_and_the_tuned_ones(
    data, small_parent, tmp_path
):
    job = write_job(tmp_path / "job", data, small_parent, save="never", epochs=1)
    run_job(job, [].append)
    _, arrays = checkpoint_of(job)
    network, _ = layers_by_name(small_parent)

    for base, tuned, kept in zip(
        network.get_weights(), arrays["average"], arrays["best"], strict=True
    ):
        np.testing.assert_allclose(kept, 0.55 * base + 0.45 * tuned, atol=1e-6)


def test_the_decoder_alone_leaves_the_encoder(data, small_parent, tmp_path):
    job = write_job(tmp_path / "job", data, small_parent, save="never", epochs=1, train="decoder")

    finished = run_job(job, lambda message: None)

    network, new = layers_by_name(Path(finished.candidate))
    _, old = layers_by_name(small_parent)
    encoder = {layer.name for layer in encoder_layers(network)}
    for name, weights in new.items():
        same = all(np.array_equal(a, b) for a, b in zip(weights, old[name], strict=True))
        assert same or name not in encoder
    assert not np.array_equal(new["foreground"][0], old["foreground"][0])


@pytest.mark.parametrize(
    ("verdict", "begins", "ends"),
    [
        (
            Verdict.NOT_BETTER,
            "The new model is not better than 'little' on 8 held-out nuclei: AP ",
            "It was not saved; 'little' stays the one to use.",
        ),
        (
            Verdict.UNTOLD,
            "Whether the new model is better than 'little' cannot be told from 8 held-out nuclei: ",
            "The difference may be chance, so it was not saved; look for yourself.",
        ),
    ],
)
def test_a_model_that_is_not_known_to_be_better_is_not_saved_but_kept(
    done, monkeypatch, verdict, begins, ends
):
    text = (done / SPEC).read_text().replace('"save": "always"', '"save": "if_better"')
    (done / SPEC).write_text(text)
    monkeypatch.setattr(run, "judge", lambda *_: verdict)

    finished = run_job(done, lambda message: None)

    assert finished.verdict is verdict
    assert finished.folder is None
    assert finished.text.startswith(begins)
    assert finished.text.endswith(ends)
    assert begins in (Path(finished.candidate) / "card.md").read_text()
    assert not user_names()
    assert save_candidate(done, "anyway") == models_folder() / "anyway"
    assert open_model(models_folder() / "anyway").name == "anyway"
    assert not done.exists()


def test_a_model_that_is_better_is_saved(done, monkeypatch):
    text = (done / SPEC).read_text().replace('"save": "always"', '"save": "if_better"')
    (done / SPEC).write_text(text)
    monkeypatch.setattr(Scores, "better_than", lambda self, other: True)

    assert run_job(done, lambda message: None).folder == str(models_folder() / "new")


def test_one_sentence_compares(trained):
    before = Scores(f1=0.5, ap=0.4, mean_ap=0.3, true_nuclei=9, predicted_nuclei=8)
    later = before.model_copy(update={"ap": 0.625, "f1": 0.75})

    assert run.compare("nuclei", Verdict.BETTER, before, later) == (
        "The new model is better than 'nuclei' on 9 held-out nuclei: AP 0.400 before, 0.625 "
        "after; F1 0.500 before, 0.750 after."
    )
    same = before.model_copy(update={"mean_ap": 0.25})
    assert run.compare("nuclei", Verdict.UNTOLD, before, same) == (
        "Whether the new model is better than 'nuclei' cannot be told from 9 held-out nuclei: AP "
        "0.400 and F1 0.500 as before; mean AP 0.300 before, 0.250 after."
    )


def test_cancelling_keeps_the_best_weights_so_far(data, small_parent, tmp_path):
    # Not saved: the checkpoint, which is compared with the model, goes with the saving.
    job = write_job(tmp_path / "job", data, small_parent, epochs=9, save="never")

    finished = run_job(job, lambda message: None, after(STEPS + 1))

    assert finished.cancelled
    assert (finished.epochs, finished.best_epoch) == (1, 1)
    state, arrays = checkpoint_of(job)
    assert state.epoch == 1
    network, found = layers_by_name(Path(finished.candidate))
    network.set_weights(arrays["best"])
    for layer in network.layers:
        if layer.name != "foreground":  # which is calibrated afterwards
            for kept, expected in zip(found.get(layer.name, []), layer.get_weights(), strict=True):
                np.testing.assert_array_equal(kept, expected)


def test_cancelling_in_the_first_epoch_makes_nothing(data, small_parent, tmp_path):
    job = write_job(tmp_path / "job", data, small_parent)

    with pytest.raises(Cancelled, match="before the first epoch was finished"):
        run_job(job, lambda message: None, after(1))

    assert not user_names()


def test_a_child_without_a_parent_stops_and_can_be_gone_on_with(
    trained, data, small_parent, tmp_path
):
    job = write_job(tmp_path / "job", data, small_parent, save="never", epochs=2)
    with pytest.raises(Cancelled, match="what is finished is kept in"):
        run_job(job, lambda message: None, abandoned=after(STEPS + 1))
    messages = []

    finished = run_job(job, messages.append)

    assert messages[1].resumed_epoch == 1
    assert [m.epoch for m in messages if m.type == "validation"] == [2]
    undisturbed, _ = layers_by_name(Path(trained[2].candidate))
    network, _ = layers_by_name(Path(finished.candidate))
    for found, wanted in zip(network.get_weights(), undisturbed.get_weights(), strict=True):
        assert np.linalg.norm(found - wanted) <= 1e-3 * np.linalg.norm(wanted) + 1e-5


def test_other_data_are_not_gone_on_with(done, data):
    path = data / "labels" / "image1.npy"
    kept = path.read_bytes()
    np.save(path, np.roll(reviewed_row().labels, 1))
    try:
        with pytest.raises(DatasetError, match="used other data, parameters, another base"):
            run_job(done, lambda message: None)
    finally:
        path.write_bytes(kept)


def test_weights_blended_otherwise_are_not_gone_on_with(done, monkeypatch):
    monkeypatch.setattr(tuner, "BLEND", 0.55)

    with pytest.raises(CheckpointError, match="or another version; start anew"):
        run_job(done, lambda message: None)


def test_a_training_of_other_layers_is_not_gone_on_with(done, monkeypatch):
    monkeypatch.setattr(tuner, "FIXED_LAYERS", ("Conv1", "bn_Conv1"))

    with pytest.raises(CheckpointError, match="or another version; start anew"):
        run_job(done, lambda message: None)


def test_nobody_waits_for_a_model_whose_napari_is_gone(done):
    """The parent dies when the training has ended: nothing is saved, a resume does the rest."""
    stages = []

    def report(message):
        if message.type == "stage":
            stages.append(message.text)

    with pytest.raises(Cancelled, match="what is finished is kept in"):
        run_job(done, report, abandoned=lambda: len(stages) == 3)

    assert stages == [
        "Calibrating the new model",
        "Exporting the new model",
        "Comparing old and new",
    ]
    assert not user_names()
    assert run_job(done, lambda message: None).folder == str(models_folder() / "new")
    assert not (done / CHECKPOINT).exists()  # there is nothing to go on with


def test_a_finished_training_goes_on_with_saving(done):
    messages = []

    finished = run_job(done, messages.append)

    assert "progress" not in kinds(messages)
    assert finished.folder == str(models_folder() / "new")
    assert user_names() == ["new"]
    assert not (done / CANDIDATE).exists()


def test_a_kill_after_saving_leaves_nothing_to_go_on_with(done, monkeypatch):
    job = models_folder() / JOBS / "new-1"
    shutil.copytree(done, job)
    assert [one.output for one in unfinished_jobs()] == ["new"]

    def store_and_die(*args):
        store_model(*args)
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(run, "store_model", store_and_die)
        with pytest.raises(SystemExit):
            run_job(job, lambda message: None)

    assert (job / CHECKPOINT).exists()
    assert user_names() == ["new"]
    assert unfinished_jobs() == []
    with pytest.raises(DatasetError, match="'new' is saved already"):
        run_job(job, lambda message: None)
    assert not (job / CHECKPOINT).exists()  # so that nobody advises to go on


def test_weights_that_are_no_numbers_are_said(data, small_parent, tmp_path):
    config = open_model(small_parent).config
    network = build_network(config.network)
    network.set_weights([np.full_like(weight, np.nan) for weight in network.get_weights()])
    export_network(network, config, tmp_path / "nan")
    job = write_job(tmp_path / "job", data, tmp_path / "nan", epochs=1)

    with pytest.raises(ModelError, match="'little' holds weights that cannot be trained"):
        run_job(job, lambda message: None)


@pytest.mark.parametrize(
    "stage", ["start", "preview", "checkpoint", "export", "h5py", "HDF5", "TensorFlow", "saving"]
)
def test_a_full_disk_at_any_stage_leaves_all_as_it_was(stage, done, monkeypatch):
    if stage == "start":
        usage = shutil.disk_usage(done)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=0))
    elif stage == "preview":
        (done / CHECKPOINT).unlink()
        monkeypatch.setattr(os, "fsync", full_disk)
    elif stage == "checkpoint":
        (done / CHECKPOINT).unlink()
        (done / SPEC).write_text((done / SPEC).read_text().replace('"epochs": 2', '"epochs": 1'))
        monkeypatch.setattr(checkpoint.np, "savez", full_disk_for(tuner.np.savez, "last-0"))
    elif stage == "saving":
        monkeypatch.setattr(store, "copy_file", full_disk)
    else:
        monkeypatch.setattr(saving, "export_network", lambda n, c, f, s: half_written(f, stage))
    before = (done / CHECKPOINT).stat().st_size if (done / CHECKPOINT).exists() else None

    with pytest.raises(WriteError, match=r"No space left|the disk is full|has 0 MB left"):
        run_job(done, lambda message: None)

    assert not user_names()
    assert not [p for p in models_folder().rglob("*") if p.is_file()]
    if before is not None:
        assert (done / CHECKPOINT).stat().st_size == before
    if stage in ("export", "h5py", "HDF5", "TensorFlow"):
        assert not (done / CANDIDATE).exists()


def half_written(folder, stage):
    """Write a part of a model, then fail as libraries do on a full disk."""
    folder.mkdir()
    (folder / WEIGHTS).write_bytes(b"half")
    if stage == "h5py":  # as seen on a full disk
        raise OSError("Unable to synchronously create file (file write failed: errno = 28, ...)")
    if stage == "HDF5":
        raise RuntimeError("Can't decrement id ref count (file write failed: errno = 28)")
    if stage == "TensorFlow":
        raise tf.errors.ResourceExhaustedError(None, None, "x.pb; No space left on device")
    full_disk()


def test_other_errors_of_an_export_are_not_hidden(done, monkeypatch):
    def fail(*args):
        raise RuntimeError("a bug")

    monkeypatch.setattr(saving, "export_network", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        run_job(done, lambda message: None)


def test_tensorflows_own_error_for_memory_is_one(done, monkeypatch):
    def fail(*args, **kwargs):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating\ntensor")

    monkeypatch.setattr(tuner.Tuner, "run", fail)
    with pytest.raises(MemoryError, match=r"^OOM when allocating$"):
        run_job(done, lambda message: None)


def test_a_name_that_was_taken_meanwhile_is_refused(done, small_parent):
    save_model(small_parent, "new")

    with pytest.raises(NameTaken, match="A model named 'new' exists already"):
        run_job(done, lambda message: None)


def test_a_base_model_whose_weights_do_not_fit_is_said(done, small_parent, tmp_path):
    wrong = shutil.copytree(small_parent, tmp_path / "wrong")
    config = ModelConfig.model_validate_json((wrong / "config.json").read_bytes())
    network = config.network.model_copy(update={"decoder_widths": (16, 8, 8, 8, 8)})
    other = config.model_copy(update={"network": network})
    (wrong / "config.json").write_text(other.model_dump_json())
    (done / SPEC).write_text((done / SPEC).read_text().replace(str(small_parent), str(wrong)))
    (done / CHECKPOINT).unlink()

    with pytest.raises(ModelError, match="does not fit its config"):
        run_job(done, lambda message: None)


@pytest.mark.parametrize(
    ("losses", "epochs", "ends"),
    [
        ([5, 4, 3, 2, 1, 0.9, 0.8], 0, False),
        ([3, 2, 1] + 11 * [1.5], 0, False),  # smoothed, it falls until the fifth epoch
        ([3, 2, 1] + 12 * [1.5], 0, True),
        ([1] + 13 * [2], 20, False),
    ],
)
def test_it_ends_when_the_smoothed_loss_stops_falling(losses, epochs, ends):
    class Stub:
        params = type("Params", (), {"epochs": epochs})
        state = type("State", (), {"history": [{"val_loss": v} for v in [9, *losses]]})

    assert tuner.Tuner._stagnates(Stub()) is ends


@pytest.mark.parametrize(
    ("losses", "loss", "kept"),
    [
        ([], 5.0, True),
        ([3.0, 2.0], 1.9, True),
        ([3.0, 2.0], 2.05, True),  # late, and nearly as good
        ([3.0, 2.0, 2.05], 2.07, False),  # measured by the smallest one, not by the last
        ([2.0], 2.2, False),
    ],
)
def test_a_later_epoch_is_kept_unless_it_is_clearly_worse(losses, loss, kept):
    class Stub:
        state = type("State", (), {"history": [{"val_loss": v} for v in [0.1, *losses]]})

    assert tuner.Tuner._is_kept(Stub(), loss) is kept
