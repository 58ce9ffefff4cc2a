"""The command line: one file per command, each thin.

The modules of the commands import nothing heavy; each command imports what it needs when it runs.
"""

import sys
from typing import TYPE_CHECKING, Annotated

if TYPE_CHECKING:
    import typer


def main() -> None:
    """Run `napari-nucseg`."""
    try:
        make_app()(prog_name="napari-nucseg")
    except KeyboardInterrupt:  # before typer could take care of it
        sys.exit(130)


def make_app() -> "typer.Typer":
    """Return the application with all commands."""
    import typer

    from napari_nucseg.cli.demo import demo
    from napari_nucseg.cli.doctor import doctor
    from napari_nucseg.cli.evaluate import evaluate
    from napari_nucseg.cli.finetune import finetune
    from napari_nucseg.cli.models import make_models_app
    from napari_nucseg.cli.segment import segment
    from napari_nucseg.cli.suggest import suggest
    from napari_nucseg.cli.train import train

    app = typer.Typer(
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # its tables cut long options, and errors become boxes
    )

    @app.callback()
    def options(
        version: Annotated[
            bool,
            typer.Option(
                "--version", callback=_show_version, is_eager=True, help="Show the version."
            ),
        ] = False,
    ) -> None:
        """Find nuclei in microscopy images; the same as in napari and Python."""
        del version  # its callback has done the work

    for command in (segment, suggest, finetune, train, evaluate, demo, doctor):
        app.command()(command)
    app.add_typer(make_models_app(), name="models")
    return app


def _show_version(wanted: bool) -> None:
    import typer

    import napari_nucseg

    if wanted:
        typer.echo(f"napari-nucseg {napari_nucseg.__version__}")
        raise typer.Exit
