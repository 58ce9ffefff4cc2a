"""One fine-tuning from its job folder to a saved model: what the child process does."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import tensorflow as tf

from napari_nucseg._types import CancelCheck
from napari_nucseg.counted import counted
from napari_nucseg.errors import Cancelled, DatasetError, ModelError
from napari_nucseg.inference.engine import LiteRTEngine
from napari_nucseg.training.finetune.examination import Examination
from napari_nucseg.training.finetune.job import CANDIDATE, CHECKPOINT, JobSpec, read_spec
from napari_nucseg.training.finetune.messages import (
    Finished,
    Log,
    Scores,
    SplitTold,
    Stage,
    Started,
)
from napari_nucseg.training.finetune.plan import Plan, plan_job
from napari_nucseg.training.finetune.recalibration import recalibrate
from napari_nucseg.training.finetune.rehearsal import Rehearsal
from napari_nucseg.training.finetune.saving import describe, export_candidate, write_records
from napari_nucseg.training.finetune.target import (
    check_output,
    check_space,
    is_stored,
    new_config,
    store_model,
)
from napari_nucseg.training.finetune.tuner import NetworkEngine, Report, Tuner
from napari_nucseg.training.finetune.windows import Windows
from napari_nucseg.training.finetune.working_size import adapt_config

FEW = 50
"""Held-out nuclei below which a verdict is rough: three models called not better on 19 nuclei had
gained 0.049 to 0.074 in AP on other animals (see `docs/finetune.md`)."""


def run_job(
    job: Path,
    report: Report,
    cancelled: CancelCheck = lambda: False,
    abandoned: CancelCheck = lambda: False,
) -> Finished:
    """Fine-tune, compare, and save the new model if it is better.

    A checkpoint in the job folder, of a child that was killed, is gone on with.

    Parameters
    ----------
    job : Path
        Folder with a `job.json`.
    report : callable
        Told how it goes.
    cancelled : callable
        Asked before every batch; the best weights so far are compared and saved.
    abandoned : callable
        Asked before every batch; training stops, and the checkpoint stays.

    Raises
    ------
    NucsegError
        In particular Cancelled: it was abandoned, or cancelled before the first epoch ended.
    MemoryError
        Also where TensorFlow has its own error for it.
    """
    try:
        return _run(job, report, cancelled, abandoned)
    except tf.errors.ResourceExhaustedError as error:
        raise MemoryError(str(error).partition("\n")[0]) from error


def _run(job: Path, report: Report, cancelled: CancelCheck, abandoned: CancelCheck) -> Finished:
    spec = read_spec(job)
    if is_stored(job, spec.output):
        (job / CHECKPOINT).unlink(missing_ok=True)
        raise DatasetError(
            f"'{spec.output}' is saved already; there is nothing to go on with in {job}."
        )
    check_output(spec.output)
    check_space(job)
    plan = plan_job(spec)
    for row in plan.rows:
        for remark in row.remarks:
            report(Log(level="warning", text=remark))
    report(
        SplitTold(
            training_nuclei=plan.split.training_nuclei,
            held_out_nuclei=plan.split.held_out_nuclei,
            held_out=plan.split.areas,
        )
    )
    engine = LiteRTEngine(plan.parent)
    tuner = _make_tuner(job, plan, engine, report)
    before = tuner.before.scores
    resumes = (job / CHECKPOINT).is_file()
    if resumes:
        tuner.resume()
    report(Started(model=plan.parent.name, output=spec.output, resumed_epoch=tuner.state.epoch))
    tuner.run(lambda: cancelled() or abandoned())
    if tuner.state.best_epoch == 0 and not tuner.state.cancelled:
        raise ModelError(
            f"The losses are no numbers: '{plan.parent.name}' holds weights that cannot be trained."
        )
    if tuner.state.best_epoch == 0 and not abandoned():
        raise Cancelled("Cancelled before the first epoch was finished, so nothing was made.")

    def begin(stage: str) -> None:
        if abandoned():  # nobody waits for the model; what is left is quickly done by a resume
            raise Cancelled(f"Training was interrupted; what is finished is kept in {job}.")
        report(Stage(text=stage))

    return _finish(job, spec, plan, tuner, before, begin, report)


def _make_tuner(
    job: Path,
    plan: Plan,
    engine: LiteRTEngine,
    report: Report,
) -> Tuner:
    config = adapt_config(plan.rows, plan.parent.config)
    rehearsal = Rehearsal(plan.parent.config, engine, plan.params.seed, plan.rows)
    examination = Examination(plan.rows, plan.split, config)
    before = examination.examine(engine)
    if config != plan.parent.config:
        # The base model is scored as it is used, at its own scale; loss and picture need the new.
        own = Examination(plan.rows, plan.split, plan.parent.config).examine(engine)
        before = replace(before, scores=own.scores)
    return Tuner(
        plan.parent,
        Windows(plan.rows, plan.split, config, plan.params, rehearsal),
        examination,
        plan.params,
        before,
        job=job,
        fingerprint=plan.fingerprint(),
        report=report,
    )


def _finish(
    job: Path,
    spec: JobSpec,
    plan: Plan,
    tuner: Tuner,
    before: Scores,
    begin: Callable[[str], None],
    report: Report,
) -> Finished:
    """Calibrate, export, compare old and new through the code that segments, and save."""
    begin("Calibrating the new model")
    network = tuner.best_network()
    examination, engine = tuner.examination, NetworkEngine(tuner.model)
    recalibration = recalibrate(
        network, examination.areas, lambda: examination.examine(engine), before
    )
    if remark := recalibration.describe():
        report(Log(text=remark))
    begin("Exporting the new model")
    config = new_config(examination.config, spec.output, plan.split.training_nuclei)
    candidate = export_candidate(network, config, job / CANDIDATE)
    begin("Comparing old and new")
    after = tuner.examination.examine(LiteRTEngine(candidate)).scores
    better = after.better_than(before)
    text = compare(plan.parent.name, before, after)
    provenance = describe(plan, spec, before, after, recalibration)
    write_records(candidate, provenance, text)
    folder = None
    if spec.save == "always" or (spec.save == "if_better" and better):
        begin("Saving")
        folder = str(store_model(candidate.path, spec.output, provenance))
        (job / CHECKPOINT).unlink(missing_ok=True)  # there is nothing to go on with
        shutil.rmtree(candidate.path, ignore_errors=True)
    else:
        text += f" It was not saved; '{plan.parent.name}' stays the one to use."
        if not better and before.true_nuclei < FEW:
            text += " So few nuclei tell little: on other images it may do better all the same."
    return Finished(
        better=better,
        before=before,
        after=after,
        epochs=tuner.state.epoch,
        best_epoch=tuner.state.best_epoch,
        cancelled=tuner.state.cancelled,
        candidate=None if folder else str(candidate.path),
        folder=folder,
        text=text,
    )


def compare(parent: str, before: Scores, after: Scores) -> str:
    """Return old and new in one sentence."""
    verdict = "better" if after.better_than(before) else "not better"
    # where as many nuclei are found, the outlines decide
    means = f"; mean AP {before.mean_ap:.3f} before, {after.mean_ap:.3f} after"
    return (
        f"The new model is {verdict} than '{parent}' on "
        f"{counted(before.true_nuclei, 'held-out nucleus')}: "
        f"AP {before.ap:.3f} before, {after.ap:.3f} after; F1 {before.f1:.3f} before, "
        f"{after.f1:.3f} after{means if before.ap == after.ap else ''}."
    )
