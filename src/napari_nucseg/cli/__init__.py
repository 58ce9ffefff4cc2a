"""The command line: one file per command, each thin."""


def main() -> None:
    """Run `napari-nucseg`."""
    import typer

    from napari_nucseg.cli.evaluate import evaluate
    from napari_nucseg.cli.train import train

    app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
    for command in (train, evaluate):
        app.command()(command)
    app()
