"""`napari-nucseg finetune`: adapt a model to corrected labels."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_nucseg.cli._console import INTERRUPTED, fail_clearly, training_progress
from napari_nucseg.cli._options import read_options, with_options
from napari_nucseg.counted import counted
from napari_nucseg.errors import Cancelled, InputError
from napari_nucseg.finetune_params import FineTuneParams

if TYPE_CHECKING:
    from napari_nucseg import _types
    from napari_nucseg.training.finetune.messages import Message


NOT_SAVED = 3
"""Exit code when there is a new model that was not saved."""


@with_options(FineTuneParams)
def finetune(
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Folder with images/, labels/ and, where not everything was reviewed, reviewed/ "
            "(same stems; non-zero pixels were reviewed).",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            metavar="NAME",
            help="Name of the new model among yours; with a slash, the folder to write.",
        ),
    ] = None,
    always: Annotated[
        bool,
        typer.Option("--always", help="Save the new model even if it is not known to be better."),
    ] = False,
    resume: Annotated[
        Path | None,
        typer.Option(
            "--resume",
            metavar="JOB",
            help="Go on with a job folder after a crash; only --output and --always may change.",
        ),
    ] = None,
    **options: Any,
) -> None:
    """Adapt a model to corrected labels, and save it if it is better on what is held out.

    Ctrl-C ends the training with the best weights so far, a second one at once. Exit code 3: the
    new model was not saved, as it is not better or that cannot be told.
    """
    with fail_clearly("--output"), training_progress() as progress:
        from napari_nucseg.training.finetune.start import change_job, create_job, run_process

        params = read_options(FineTuneParams, options)
        if resume is None:
            if data is None or output is None:
                raise InputError("finetune needs --data DIR and --output NAME, or --resume JOB.")
            job = create_job(data, output, params, save="always" if always else "if_better")
        elif data is None and params == FineTuneParams():
            job = resume.absolute()
            change_job(job, output, "always" if always else None)
        else:
            raise InputError(
                "--resume goes on with what was asked for; only --output and --always may change."
            )
        try:
            result = run_process(job, Reporter(progress))
        except Cancelled as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(code=INTERRUPTED) from error
    typer.echo(result.text)
    if result.folder is None:
        go_on = f"napari-nucseg finetune --resume {result.job} --always"
        typer.echo(f"The new model lies in {result.job}; to save it: {go_on}", err=True)
        raise typer.Exit(code=NOT_SAVED)
    typer.echo(f"Saved in {result.folder}.")


class Reporter:
    """Writes the messages of the child to stderr.

    Parameters
    ----------
    progress : callable
    """

    def __init__(self, progress: "_types.Progress") -> None:
        self._progress = progress

    def __call__(self, message: "Message") -> None:
        """Show one message."""
        from napari_nucseg.training.finetune import messages

        if isinstance(message, messages.Progress):
            left = "" if message.seconds_left is None else f", {message.seconds_left:.0f} s left"
            text = f"epoch {message.epoch}, loss {message.loss:.4f}{left}"
            self._progress(message.step, message.total, text)
        elif isinstance(message, messages.SplitTold):
            areas = "; ".join(map(str, message.held_out))
            _say(
                f"{counted(message.training_nuclei, 'nucleus')} to learn from, "
                f"{message.held_out_nuclei:,} held out for scoring: {areas}."
            )
        elif isinstance(message, messages.Validation):
            _say(
                f"epoch {message.epoch}: held-out loss {message.loss:.4f}, "
                f"F1 {message.now.f1:.3f}, AP {message.now.ap:.3f} "
                f"(before {message.before.ap:.3f}, best {message.best.ap:.3f})"
            )
        elif isinstance(message, messages.Log | messages.Stage):
            _say(message.text)


def _say(line: str) -> None:
    typer.echo(line, err=True)
