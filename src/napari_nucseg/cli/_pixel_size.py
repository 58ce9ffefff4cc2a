"""The option ``--pixel-size``."""

from typing import Annotated

import typer

from napari_nucseg.errors import InputError
from napari_nucseg.io.pixel_size import check_pixel_size

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

IN_PLANE = "YX"
"""What a single number is for: the step from plane to plane is rarely the same."""


def parse_pixel_size(text: str | None) -> dict[str, float] | None:
    """Turn ``0.32`` or ``Z=2,Y=0.32,X=0.32`` into micrometres by axis; None if it was not given.

    Raises
    ------
    InputError
        It is neither, or a size is not above 0.
    """
    if text is None:
        return None
    parts = [part.strip().rpartition("=") for part in text.split(",")]
    try:
        if len(parts) == 1 and not parts[0][1]:
            sizes = dict.fromkeys(IN_PLANE, float(text))
        else:
            sizes = {axis.strip(): float(size) for axis, _, size in parts}
    except ValueError as error:
        raise _not_understood(text) from error
    if not set(sizes) <= set("ZYX") or len(sizes) < len(parts):
        raise _not_understood(text)
    check_pixel_size(sizes)
    return sizes


def _not_understood(text: str) -> InputError:
    return InputError(
        "--pixel-size must be micrometres per pixel: one number for Y and X, such as 0.32, or one "
        f"for each axis, such as Z=2,Y=0.32,X=0.32; got '{text}'."
    )
