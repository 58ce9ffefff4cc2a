"""From tuned weights to a model folder that says what it is and how good it is."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import keras
import tensorflow as tf

import napari_nucseg
from napari_nucseg.errors import WriteError
from napari_nucseg.model.config import ModelConfig
from napari_nucseg.model.export import export_network
from napari_nucseg.model.folder import CARD, WEIGHTS, ModelFolder, open_model, write_text
from napari_nucseg.registry import Provenance
from napari_nucseg.registry.provenance import write_provenance
from napari_nucseg.training.finetune.job import JobSpec, command_line
from napari_nucseg.training.finetune.messages import Scores, Verdict
from napari_nucseg.training.finetune.plan import Plan
from napari_nucseg.training.finetune.target import check_space
from napari_nucseg.training.generated import generated_samples

WINDOWS = 12
"""Generated windows that the steps of eight bits are found on. With 24, as for the bundled model,
tuned models are no better, and the export takes 7 s longer (see `docs/finetune.md`)."""


def export_candidate(network: keras.Model, config: ModelConfig, folder: Path) -> ModelFolder:
    """Write weights, LiteRT file, config and hashes of a tuned network.

    Raises
    ------
    WriteError
        The disk is full or cannot be written; nothing is left of the folder.
    """
    shutil.rmtree(folder, ignore_errors=True)  # what a killed child left
    check_space(folder)
    try:
        with _write_errors(folder):
            export_network(network, config, folder, generated_samples(config, WINDOWS))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return open_model(folder)


def describe(
    plan: Plan,
    spec: JobSpec,
    verdict: Verdict,
    before: Scores,
    after: Scores,
    temperature: float,
) -> Provenance:
    """Return where the new model comes from."""
    return Provenance(
        parent=plan.parent.name,
        parent_sha256=plan.parent.hashes[WEIGHTS],
        data=plan.data(),
        parameters=spec.params.model_dump(mode="json"),
        versions={
            "napari-nucseg": napari_nucseg.__version__,
            "keras": keras.__version__,
            "tensorflow": metadata.version("tensorflow"),
        },
        scores={
            "f1": after.f1,
            "ap": after.ap,
            "mean_ap": after.mean_ap,
            "before": {"f1": before.f1, "ap": before.ap, "mean_ap": before.mean_ap},
            "verdict": verdict.value,
            "held_out": [str(area) for area in plan.split.areas],
            "temperature": temperature,
        },
        command=command_line(spec),
    )


def write_records(model: ModelFolder, provenance: Provenance, comparison: str) -> None:
    """Write card and provenance into a model folder.

    Raises
    ------
    WriteError
    """
    held_out = provenance.scores["held_out"]
    lines = [
        f"# {model.name}",
        "",
        model.config.description,
        "",
        comparison,
        "",
        "Held out for scoring, never learned from (but the best epoch was chosen on it):",
        "",
        *(f"* {area}" for area in (held_out if isinstance(held_out, list) else [])),
        "",
        "| | F1 at 0.5 | AP at 0.5 | mean AP 0.5 to 0.9 |",
        "| --- | --- | --- | --- |",
        _table_row(f"before ('{provenance.parent}')", provenance.scores["before"]),
        _table_row("after", provenance.scores),
        "",
        "## Made by",
        "",
        "```",
        provenance.command,
        "```",
        "",
        "What it was made from (base model, data, parameters, versions) is in `provenance.json`.",
    ]
    with _write_errors(model.path):
        write_text(model.path / CARD, "\n".join(lines) + "\n")
        write_provenance(model.path, provenance)


def _table_row(title: str, scores: object) -> str:
    values = scores if isinstance(scores, dict) else {}
    numbers = " | ".join(f"{values[name]:.3f}" for name in ("f1", "ap", "mean_ap"))
    return f"| {title} | {numbers} |"


@contextmanager
def _write_errors(folder: Path) -> Iterator[None]:
    """Turn what libraries raise on a full disk into one sentence."""
    try:
        yield
    except (OSError, RuntimeError, tf.errors.OpError) as error:
        text = str(error)  # HDF5 and TensorFlow have their own
        if "space left" in text or "errno = 28" in text:
            raise WriteError(f"Cannot write {folder}: No space left on device.") from error
        if isinstance(error, OSError):
            raise WriteError(f"Cannot write {folder}: {error.strerror or error}.") from error
        raise
