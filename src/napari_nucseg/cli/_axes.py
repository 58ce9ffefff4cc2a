"""The option ``--axes``."""

from typing import Annotated

import typer

from napari_nucseg.errors import InputError


def _checked(axes: str | None) -> str | None:
    """Return the axes; BadParameter if no image can have them."""
    from napari_nucseg.axes import check_axes

    try:
        if axes is not None:
            check_axes(axes)
    except InputError as error:
        raise typer.BadParameter(str(error)) from error
    return axes


Axes = Annotated[
    str | None,
    typer.Option(
        "--axes",
        metavar="AXES",
        callback=_checked,
        help="Axes of the images, one letter of TZCYXS each, such as TZYX. Default: as each "
        "file states.",
    ),
]
"""Of commands that take the option."""
