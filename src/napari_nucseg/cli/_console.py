"""What the commands share: errors as one sentence, and progress on stderr."""

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from napari_nucseg import _types
from napari_nucseg.cli._wording import in_shell_words
from napari_nucseg.errors import NucsegError

if TYPE_CHECKING:
    from rich.progress import Progress

    from napari_nucseg.batch.items import Item
    from napari_nucseg.batch.outcome import Outcome


INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


@contextmanager
def fail_clearly(name: str = "name") -> Iterator[None]:
    """Turn an expected error into one sentence on stderr and exit code 1.

    Parameters
    ----------
    name : str
        The option that gives a new model its name, for messages that ask for another one.
    """
    try:
        yield
    except NucsegError as error:
        message = str(error).replace("choose another name", f"choose another {name}")
        typer.echo(in_shell_words(message), err=True)
        raise typer.Exit(code=1) from error
    except ImportError as error:  # such as OpenCV without a library of the system
        typer.echo(
            f"A library that this needs cannot be loaded: {error}. "
            "`napari-nucseg doctor` says what is missing.",
            err=True,
        )
        raise typer.Exit(code=1) from error


class BatchProgress:
    """One line on stderr per file; in a terminal also bars for files and planes.

    Parameters
    ----------
    n_files : int
    bars : Progress, optional
    """

    def __init__(self, n_files: int, bars: "Progress | None" = None) -> None:
        self._n_files = n_files
        self._done = 0
        self._bars = bars
        if bars is not None:
            self._files = bars.add_task("files", total=n_files)
            self._planes = bars.add_task("", visible=False)

    def start(self, item: "Item") -> None:
        """Say which file is worked on."""
        if self._bars is not None:
            self._bars.update(self._files, description=item.source.name)
            self._bars.reset(self._planes, description="planes", visible=False)

    def show_tiles(self, done: int, total: int, message: str) -> None:
        """Show how many tiles of the file are done."""
        if self._bars is not None and total > 1:
            self._bars.update(
                self._planes, completed=done, total=total, description=message, visible=True
            )

    def finish(self, item: "Item", outcome: "Outcome") -> None:
        """Write the line of a file."""
        self._done += 1
        message, remark = in_shell_words(outcome.message), in_shell_words(outcome.remark)
        said = in_shell_words(replace(outcome, message=message, remark=remark).describe())
        line = f"[{self._done}/{self._n_files}] {item.source}: {said}"
        if self._bars is None:
            typer.echo(line, err=True)
        else:
            self._bars.update(self._files, completed=self._done)
            self._bars.console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def batch_progress(n_files: int) -> Iterator[BatchProgress]:
    """Show the progress of a batch of files on stderr."""
    if not sys.stderr.isatty():
        yield BatchProgress(n_files)
        return
    with _bars() as bars:
        yield BatchProgress(n_files, bars)


def training_progress() -> AbstractContextManager[_types.Progress]:
    """Show one bar for all batches; without a terminal, one line for every 100."""
    return _one_bar("loading", _show_line)


def blocks_progress() -> AbstractContextManager[_types.Progress]:
    """Show one bar for all blocks; without a terminal, one line for every 5 %."""
    return _one_bar("reading", _PercentLines().show)


@contextmanager
def _one_bar(first: str, line: _types.Progress) -> Iterator[_types.Progress]:
    """Show one bar, described as `first` to begin with; without a terminal, call `line`."""
    if not sys.stderr.isatty():
        yield line
        return
    with _bars() as bars:
        task = bars.add_task(first, total=None)

        def show(done: int, total: int, message: str) -> None:
            bars.update(task, completed=done, total=total, description=message)

        yield show


class _PercentLines:
    """Writes a line for every 5 %, with the time that is left at the speed so far."""

    def __init__(self) -> None:
        self._next = 0
        self._first: tuple[float, int] | None = None

    def show(self, done: int, total: int, message: str) -> None:
        """Write a line if it is time for one."""
        percent = 100 * done // total
        if self._first is None or done < self._first[1]:
            self._first = time.monotonic(), done
        if percent < self._next:
            return
        self._next = percent // 5 * 5 + 5
        started, before = self._first
        left = ""
        if before < done < total:
            seconds = (time.monotonic() - started) / (done - before) * (total - done)
            left = f", {seconds / 60:.0f} min left" if seconds >= 90 else f", {seconds:.0f} s left"
        typer.echo(f"[{percent} %] {message}{left}", err=True)


def _show_line(done: int, total: int, message: str) -> None:
    if done % 100 == 0 or done == total:
        typer.echo(f"{done}/{total} {message}", err=True)


def _bars() -> "Progress":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
