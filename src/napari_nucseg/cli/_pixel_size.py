"""The option ``--pixel-size``."""

from typing import Annotated

import typer

PixelSize = Annotated[
    str | None,
    typer.Option(
        "--pixel-size",
        metavar="MICROMETRES",
        help="Micrometres per pixel of all images, instead of what each file states: one "
        "number for Y and X, such as 0.32, or one for each axis, such as Z=2,Y=0.32,X=0.32.",
        show_default=False,
    ),
]
"""Of commands that take the option; `parse_pixel_size` reads what they get."""
