"""What is known about a model, as lines of text and as plain data."""

from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from napari_nucseg.counted import counted
from napari_nucseg.errors import ModelError
from napari_nucseg.model.config import ModelConfig
from napari_nucseg.model.folder import CARD, WEIGHTS
from napari_nucseg.registry.catalog import Entry, find_model
from napari_nucseg.registry.provenance import Provenance
from napari_nucseg.registry.text import plain_text
from napari_nucseg.registry.weights_file import count_parameters

WIDTH = 12
"""Characters of the names of facts."""


COLUMNS = ("model", "whose", "score", "made", "made from")
"""Headings of what `model_row` returns."""


def model_row(entry: Entry) -> tuple[str, ...]:
    """Return a model's row in a table."""
    provenance = entry.provenance
    score = provenance.headline() if provenance else ""
    return (
        entry.name,
        "bundled" if entry.bundled else "yours",
        plain_text(score) if entry.model else "cannot be used",
        f"{provenance.created:%Y-%m-%d}" if provenance else "",
        plain_text(provenance.parent or "") if provenance else "",
    )


def model_facts(entry: Entry) -> list[tuple[str, str]]:
    """Return what is known about a model without looking through its weights, by name.

    Config and provenance may come from anyone: what could act on a terminal is left out.
    """
    return [(name, plain_text(text)) for name, text in _facts(entry)]


def describe_model(entry: Entry) -> str:
    """Return all that is known about a model, one fact in a line."""
    facts = model_facts(entry)
    if entry.model is not None:
        facts.append(("parameters", plain_text(_parameters(entry))))
    return "\n".join(f"{name:<{WIDTH}}  {text}" for name, text in facts)


def summarise_model(entry: Entry) -> dict[str, Any]:
    """Return a model's line in a list as plain data."""
    provenance = entry.provenance
    return {
        "name": entry.name,
        "bundled": entry.bundled,
        "path": str(entry.path),
        "description": entry.model.config.description if entry.model else "",
        "sha256": entry.model.hashes if entry.model else {},
        "provenance": provenance.model_dump(mode="json") if provenance else None,
        "problem": entry.problem,
    }


def _facts(entry: Entry) -> Iterator[tuple[str, str]]:
    yield "name", f"{entry.name} ({'bundled' if entry.bundled else 'yours'})"
    if entry.problem is not None:
        yield "problem", entry.problem
    yield "folder", str(entry.path)
    if (entry.path / CARD).is_file():
        yield "card", str(entry.path / CARD)
    if entry.model is not None:
        yield from _config_facts(entry.model.config)
        for file, digest in entry.model.hashes.items():
            yield "sha256", f"{digest} {file}"
    if entry.provenance is not None:
        yield from _provenance_facts(entry.provenance)


def _config_facts(config: ModelConfig) -> Iterator[tuple[str, str]]:
    low, high = config.diameter_range
    widths = "-".join(map(str, config.network.decoder_widths))
    if config.description:
        yield "about", config.description
    yield "network", f"{config.network.decoder} decoder {widths}"
    yield "outputs", ", ".join(config.network.outputs)
    yield "diameter", f"{config.diameter:g} px; {low:g} to {high:g} px without rescaling"
    if config.fixed_size is not None:
        yield "input", f"every image is resized to {config.fixed_size} x {config.fixed_size} pixels"


def _parameters(entry: Entry) -> str:
    try:
        return f"{count_parameters(entry.path / WEIGHTS):,}"
    except ModelError as error:
        return f"unknown: {error}"


def _provenance_facts(provenance: Provenance) -> Iterator[tuple[str, str]]:
    yield "made", provenance.created.isoformat(sep=" ")
    if provenance.parent is not None:
        yield "parent", f"{provenance.parent}{_parent_state(provenance)}"
    files = counted(len(provenance.data), "file")
    yield "data", f"{files}, with sha256 in provenance.json"
    for name, values in (
        ("scores", provenance.scores),
        ("settings", provenance.parameters),
        ("versions", provenance.versions),
    ):
        if values:
            yield name, _told({**values})
    if provenance.command:
        yield "made by", provenance.command


def _told(value: JsonValue) -> str:
    """Return plain data as text: numbers rounded, what is nested in brackets."""
    if isinstance(value, dict):
        return ", ".join(
            f"{name} ({_told(inner)})"
            if isinstance(inner, dict | list)
            else f"{name} {_told(inner)}"
            for name, inner in value.items()
        )
    if isinstance(value, list):
        return "; ".join(map(_told, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _parent_state(provenance: Provenance) -> str:
    """Say whether the parent can still be found."""
    digest = provenance.parent_sha256
    if digest is None or provenance.parent is None:
        return ""
    try:
        known = find_model(provenance.parent).hashes[WEIGHTS] == digest
    except (ModelError, OSError):
        return f" (no longer here; weights of sha256 {digest[:12]}...)"
    return "" if known else f" (not the one of that name here; weights of sha256 {digest[:12]}...)"
