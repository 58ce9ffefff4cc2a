"""``napari-nucseg suggest``: say where to correct."""

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_nucseg._native import native_messages_hidden
from napari_nucseg.cli._axes import Axes
from napari_nucseg.cli._console import INTERRUPTED, fail_clearly
from napari_nucseg.cli._options import read_options, whole_number, with_options
from napari_nucseg.cli._pixel_size import PixelSize
from napari_nucseg.cli._wording import in_shell_words
from napari_nucseg.counted import counted
from napari_nucseg.errors import NucsegError
from napari_nucseg.io.pixel_size import parse_pixel_size
from napari_nucseg.params import SegmentParams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_nucseg.correction.suggestions import Suggestion

SMALLEST_SIZE = 32
"""Of a region, in pixels."""

COLUMNS = ("image", "plane", "y", "x", "height", "width", "doubt")


@with_options(SegmentParams, "model", "diameter", "channels")
def suggest(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...", help="Images and folders, as for segment.", show_default=False
        ),
    ],
    count: Annotated[
        int,
        typer.Option("--count", metavar="N", parser=whole_number(1), help="Regions wanted."),
    ] = 5,
    size: Annotated[
        int,
        typer.Option(
            "--size",
            metavar="N",
            parser=whole_number(SMALLEST_SIZE),
            help=f"Height and width of a region in pixels, at least {SMALLEST_SIZE}.",
        ),
    ] = 256,
    axes: Axes = None,
    pixel_size: PixelSize = None,
    **options: Any,
) -> None:
    """Say where to correct labels for fine-tuning: where the model doubts most.

    Prints a CSV table of regions, one of each image before the second of any; planes, rows and
    columns count from 0. Exit code 1: some images could not be read. Ctrl-C ends it with the
    regions of the images so far.
    """
    with fail_clearly():
        params = read_options(SegmentParams, options)
        sizes = parse_pixel_size(pixel_size)
        from napari_nucseg.batch.finding import find_items
        from napari_nucseg.batch.work import load_network
        from napari_nucseg.correction.suggestions import spread_out, suggest_regions

        with native_messages_hidden():
            load_network(params)  # LiteRT greets; fails rather than for each image
        items = find_items(inputs, Path(), {})
        found: list[tuple[str, Sequence[Suggestion]]] = []
        code = 0
        for number, item in enumerate(items, start=1):
            name = " ".join((str(item.source), *item.place.values()))
            try:
                image = item.read(axes)
                if sizes is not None:
                    image = image.resized(sizes)
                regions = suggest_regions(
                    image.data,
                    image.axes,
                    count=count,
                    size=size,
                    params=params,
                    pixel_size=image.pixel_size,
                )
            except NucsegError as error:
                typer.echo(f"{name}: {in_shell_words(str(error))}", err=True)
                code = 1
            except KeyboardInterrupt:
                code = INTERRUPTED
                break
            else:
                found.append((name, regions))
                typer.echo(f"{number}/{len(items)} {name}", err=True)
        chosen = spread_out(found, count)
        _print(chosen)
    if found and not chosen:
        typer.echo("The model is sure of everything in these images.", err=True)
    elif found and len(chosen) < count:
        typer.echo(
            f"{len(chosen)} of {counted(count, 'region')}: they do not overlap, not even in "
            "different planes, and there is no other with doubt.",
            err=True,
        )
    if code:
        raise typer.Exit(code=code)


def _print(chosen: "Sequence[tuple[str, Suggestion]]") -> None:
    if not chosen:
        return
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(COLUMNS)
    for name, suggestion in chosen:
        rows, columns = suggestion.window
        plane = " ".join(f"{axis}{index}" for axis, index in suggestion.position.items())
        height, width = rows.stop - rows.start, columns.stop - columns.start
        doubt = f"{suggestion.doubt:.4f}"
        table.writerow((name, plane, rows.start, columns.start, height, width, doubt))
