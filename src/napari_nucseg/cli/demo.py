"""``napari-nucseg demo``: the plugin at work on generated nuclei."""

import os
from pathlib import Path
from typing import Annotated

import typer

from napari_nucseg.cli._console import fail_clearly
from napari_nucseg.cli._display import display_problem
from napari_nucseg.errors import WriteError

PICTURE = Path("napari-nucseg-demo.png")


def demo(
    screenshot: Annotated[
        Path | None,
        typer.Option(
            "--screenshot",
            metavar="FILE",
            help="Write a picture (PNG) and exit instead of staying open. Without a display this "
            f"is the default, with {PICTURE} in the current folder, which is replaced; another "
            "file is never replaced.",
        ),
    ] = None,
) -> None:
    """Open napari on a generated z stack with the widget docked, and segment it.

    Without a display the same happens off screen, and a picture of it is written.
    """
    with fail_clearly():
        from napari_nucseg.io.atomic import check_target

        problem = display_problem()
        picture = screenshot or (None if problem is None else PICTURE)
        if picture is not None:
            if picture.exists() and picture != PICTURE:  # this command has no --overwrite
                raise WriteError(f"{picture} exists already; choose another --screenshot.")
            check_target(picture.absolute(), overwrite=True)
        if problem is not None:
            os.environ["QT_QPA_PLATFORM"] = "offscreen"
            # It warns of window hints that it cannot pass on.
            os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")
        from napari_nucseg.cli import _demo

        if picture is None:
            _demo.show()
            return
        found, content = _demo.take_window() if problem is None else _demo.take_offscreen()
        replaced = " (replaced)" if picture.exists() else ""
        _demo.write(picture, content)
    typer.echo(f"{found}\nPicture: {picture.absolute()}{replaced}")
    if problem is not None:
        typer.echo(
            f"There is no display ({problem}), so the picture shows the widget and one plane with "
            "outlines rather than napari's window."
        )
