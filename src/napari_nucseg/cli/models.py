"""`napari-nucseg models`: list, show, share, rename and remove models."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from napari_nucseg.cli._console import fail_clearly
from napari_nucseg.cli._options import place


def make_models_app() -> typer.Typer:
    """Return the application with the commands about models."""
    app = typer.Typer(
        invoke_without_command=True,
        rich_markup_mode=None,
        callback=_list_without_command,
    )
    app.command("list")(list_)
    app.command("import")(import_)
    for command in (show, export, rename, remove):
        app.command()(command)
    return app


def _list_without_command(context: typer.Context) -> None:
    """List, show, share, rename and remove models.

    Without a command, list them.
    """
    if context.invoked_subcommand is None:
        list_()


def list_(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print everything as JSON, one object per model.")
    ] = False,
) -> None:
    """List the bundled models and yours, also those that cannot be used, with the reason."""
    with fail_clearly():
        from napari_nucseg import registry

        entries = registry.list_models()
        if as_json:
            typer.echo(json.dumps([*map(registry.summarise_model, entries)], indent=2))
        else:
            for line in _table([registry.COLUMNS, *map(registry.model_row, entries)]):
                typer.echo(line)
            for entry in entries:
                if entry.problem is not None:
                    typer.echo(f"{entry.name}: {registry.plain_text(entry.problem)}", err=True)
            where = f"Your models are in {registry.models_folder()}."
            typer.echo(registry.folder_problem() or where, err=True)


def show(
    name: Annotated[str, typer.Argument(help="Name of a model, or the path of its folder.")],
) -> None:
    """Show where a model is, what it is and what it was made from."""
    with fail_clearly():
        from napari_nucseg.registry import describe_model, find_entry

        typer.echo(describe_model(find_entry(name)))


def import_(
    file: Annotated[Path, typer.Argument(help="A zip file that `models export` wrote.")],
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the model (default: its own).")
    ] = None,
) -> None:
    """Add the model in a zip file to yours.

    Nothing in the file is executed. It is refused unless it holds a model and nothing else, its
    hashes match and the network runs.
    """
    with fail_clearly("--name"):
        from napari_nucseg.registry import import_model

        model = import_model(file, name)
    typer.echo(f"Imported '{model.name}' to {model.path}.", err=True)


def export(
    name: Annotated[str, typer.Argument(help="Name of a model, or the path of its folder.")],
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            parser=place,
            help="File, or folder for it (default: NAME.zip here).",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file if it exists.")
    ] = False,
) -> None:
    """Write a model to one zip file, to share it."""
    with fail_clearly():
        from napari_nucseg.registry import export_model

        path = export_model(name, file, overwrite=overwrite)
    typer.echo(f"Exported '{name}' to {path}.", err=True)


def rename(
    old: Annotated[str, typer.Argument(help="Name of one of your models.")],
    new: Annotated[str, typer.Argument(help="Its new name.")],
) -> None:
    """Rename one of your models."""
    with fail_clearly():
        from napari_nucseg.registry import rename_model

        model = rename_model(old, new)
    typer.echo(f"Renamed '{old}' to '{model.name}'.", err=True)


def remove(
    name: Annotated[str, typer.Argument(help="Name of one of your models.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete one of your models."""
    with fail_clearly():
        from napari_nucseg.registry import check_removable, remove_model

        check_removable(name)  # before asking
        if not yes:
            typer.confirm(f"Delete the model '{name}' for good?", abort=True, err=True)
        remove_model(name)
    typer.echo(f"Removed '{name}'.", err=True)


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines whose columns are aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)) for row in rows)
    return [line.rstrip() for line in lines]
