"""``napari-nucseg doctor``: what works here, and what is missing."""

import os
from typing import Annotated

import typer

from napari_nucseg.cli import _checks
from napari_nucseg.counted import counted


def doctor(
    gpu: Annotated[
        bool,
        typer.Option(
            "--gpu", help="Also ask TensorFlow for GPUs, which takes some seconds to import."
        ),
    ] = False,
) -> None:
    """Show versions, and check models, engine, GPU, Qt, system libraries and display.

    Exit code 1: something that segmenting needs is broken. What only windows need is a warning.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    broken = 0
    for title, check in (
        ("Versions", _checks.check_versions),
        ("Libraries for segmenting", _checks.check_imports),
        ("Models", _checks.check_models),
        ("GPU", _checks.check_gpu if gpu else _checks.explain_gpu),
        ("Qt binding", _checks.check_qt),
        ("System libraries for windows", _checks.check_system_libraries),
        ("Display", _checks.check_display),
    ):
        typer.echo(title)
        for finding in check():
            typer.echo(f"  {finding.level:<8}{finding.text}")
            broken += finding.level is _checks.Level.BROKEN
    if broken:
        typer.echo(f"{counted(broken, 'check')} failed: segmenting does not work here.")
        raise typer.Exit(code=1)
    typer.echo("Segmenting works.")
