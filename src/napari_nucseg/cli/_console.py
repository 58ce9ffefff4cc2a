"""What the commands share: progress bars, and errors as one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from napari_nucseg import _types
from napari_nucseg.errors import NucsegError

errors = Console(stderr=True, soft_wrap=True, highlight=False)


@contextmanager
def fail_clearly() -> Iterator[None]:
    """Turn an expected error into one sentence on stderr and exit code 1."""
    try:
        yield
    except NucsegError as error:
        errors.print(f"Error: {error}", markup=False)
        raise typer.Exit(code=1) from error


@contextmanager
def training_progress() -> Iterator[_types.Progress]:
    """Show one bar for all batches; without a terminal, one line for every 100."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=errors,
        disable=not errors.is_terminal,
    )
    task = bar.add_task("loading", total=None)

    def show(done: int, total: int, message: str) -> None:
        bar.update(task, completed=done, total=total, description=message)
        if not errors.is_terminal and (done % 100 == 0 or done == total):
            errors.print(f"{done}/{total} {message}", markup=False)

    with bar:
        yield show


def show_training_table(output: Path) -> None:
    """Print the table that the training wrote."""
    Console().print((output / "scores.md").read_text(encoding="utf-8"), markup=False)
