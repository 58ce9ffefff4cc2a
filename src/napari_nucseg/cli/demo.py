"""``napari-nucseg demo``: the plugin at work on generated nuclei."""

import os
from pathlib import Path
from typing import Annotated

import typer

from napari_nucseg.cli._checks import has_display
from napari_nucseg.cli._console import fail_clearly

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

        display = has_display()
        picture = screenshot or (None if display else PICTURE)
        if picture is not None:
            check_target(picture.absolute(), overwrite=picture == PICTURE)
        if not display:
            os.environ["QT_QPA_PLATFORM"] = "offscreen"
            # It warns of window hints that it cannot pass on.
            os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")
        from napari_nucseg.cli import _demo

        if picture is None:
            _demo.show()
            return
        found, content = _demo.take_window() if display else _demo.take_offscreen()
        replaced = " (replaced)" if picture.exists() else ""
        _demo.write(picture, content)
    typer.echo(f"{found}\nPicture: {picture.absolute()}{replaced}")
    if not display:
        typer.echo(
            "There is no display (DISPLAY and WAYLAND_DISPLAY are not set), so the picture shows "
            "the widget and one plane with outlines rather than napari's window."
        )
