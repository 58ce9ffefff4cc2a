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
    Verdict,
)
from napari_nucseg.training.finetune.plan import Plan, plan_job
from napari_nucseg.training.finetune.rehearsal import Rehearsal
from napari_nucseg.training.finetune.saving import describe, export_candidate, write_records
from napari_nucseg.training.finetune.target import (
    check_output,
    check_space,
    is_stored,
    new_config,
    store_model,
)
from napari_nucseg.training.finetune.temperature import raise_temperature
from napari_nucseg.training.finetune.tuner import NetworkEngine, Report, Tuner
from napari_nucseg.training.finetune.verdict import judge
from napari_nucseg.training.finetune.windows import Windows
from napari_nucseg.training.finetune.working_size import adapt_config


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

    return _finish(job, spec, plan, tuner, begin, report)


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
        before = replace(before, scores=own.scores, scored=own.scored)
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
    begin: Callable[[str], None],
    report: Report,
) -> Finished:
    """Calibrate, export, compare old and new through the code that segments, and save."""
    begin("Calibrating the new model")
    network, before = tuner.best_network(), tuner.before.scores
    examination, engine = tuner.examination, NetworkEngine(tuner.model)
    temperature = raise_temperature(
        network, tuner.best_scores, lambda: examination.examine(engine).scores, before
    )
    if temperature != 1.0:
        report(Log(text="Probabilities were brought nearer to 0.5 for other images."))
    begin("Exporting the new model")
    config = new_config(examination.config, spec.output, plan.split.training_nuclei)
    candidate = export_candidate(network, config, job / CANDIDATE)
    begin("Comparing old and new")
    result = examination.examine(LiteRTEngine(candidate))
    after = result.scores
    verdict = judge(examination.areas, tuner.before, result)
    text = compare(plan.parent.name, verdict, before, after)
    provenance = describe(plan, spec, verdict, before, after, temperature)
    write_records(candidate, provenance, text)
    folder = None
    if spec.save == "always" or (spec.save == "if_better" and verdict is Verdict.BETTER):
        begin("Saving")
        folder = str(store_model(candidate.path, spec.output, provenance))
        (job / CHECKPOINT).unlink(missing_ok=True)  # there is nothing to go on with
        shutil.rmtree(candidate.path, ignore_errors=True)
    elif verdict is Verdict.UNTOLD:
        text += " The difference may be chance, so it was not saved; look for yourself."
    else:
        text += f" It was not saved; '{plan.parent.name}' stays the one to use."
    return Finished(
        verdict=verdict,
        before=before,
        after=after,
        epochs=tuner.state.epoch,
        best_epoch=tuner.state.best_epoch,
        cancelled=tuner.state.cancelled,
        candidate=None if folder else str(candidate.path),
        folder=folder,
        text=text,
    )


def compare(parent: str, verdict: Verdict, before: Scores, after: Scores) -> str:
    """Return old and new in one sentence."""
    nuclei = counted(before.true_nuclei, "held-out nucleus")
    if verdict is Verdict.UNTOLD:
        result = f"Whether the new model is better than '{parent}' cannot be told from {nuclei}"
    else:
        result = f"The new model is {verdict} than '{parent}' on {nuclei}"
    if before.ap == after.ap:  # and F1, which follows from it: the outlines decide
        return (
            f"{result}: AP {after.ap:.3f} and F1 {after.f1:.3f} as before; mean AP "
            f"{before.mean_ap:.3f} before, {after.mean_ap:.3f} after."
        )
    return (
        f"{result}: AP {before.ap:.3f} before, {after.ap:.3f} after; F1 {before.f1:.3f} before, "
        f"{after.f1:.3f} after."
    )
