"""Options of the command line, made from the fields of parameters such as `SegmentParams`."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from napari_nucseg.errors import InputError
from napari_nucseg.io.place import given_place
from napari_nucseg.params import Params, bounds_of, build_params

Command = TypeVar("Command", bound=Callable[..., None])


def option_name(field: str) -> str:
    """Return the option of a field, e.g. ``--min-size`` of ``min_size``."""
    return "--" + field.replace("_", "-")


def place(text: str) -> Path:
    """Return the path of an option for results; BadParameter if it is empty."""
    try:
        return given_place(text, "it", "a path; '.' is the current folder")
    except InputError as error:
        raise typer.BadParameter(str(error)) from error


def read_options(params: type[Params], options: Mapping[str, Any]) -> Params:
    """Build parameters from the ``**options`` of a command.

    Raises
    ------
    InputError
        An option is out of bounds; the message names each as it is called in the shell.
    """
    return build_params(params, options, option_name)


def with_options(params: type[BaseModel], *only: str) -> Callable[[Command], Command]:
    """Replace the ``**options`` of a command by one option for each field of `params`.

    With names in `only`, for those fields. typer reads a command's options from its signature, so
    that is what is written.
    """

    def replace(command: Command) -> Command:
        shown = inspect.signature(command)
        own = [p for p in shown.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        command.__signature__ = shown.replace(  # type: ignore[attr-defined]
            parameters=[p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
            + [p for p in _parameters(params) if not only or p.name in only]
        )
        return command

    return replace


def _parameters(params: type[BaseModel]) -> Iterator[inspect.Parameter]:
    for name, info in params.model_fields.items():
        unit = (info.json_schema_extra or {}).get("unit")  # type: ignore[union-attr]
        help_text = f"{info.description} In {unit}." if unit else info.description
        kind, default = _typer_type(info)
        metavar = None if kind is bool else _metavar(info)
        option = typer.Option(option_name(name), help=help_text, metavar=metavar)
        yield inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            annotation=Annotated[kind, option],
        )


def _metavar(info: FieldInfo) -> str:
    """Return what the help shows for a value: what a number may be, such as ``0.05..0.95``."""
    if get_origin(info.annotation) is Literal:
        return "|".join(get_args(info.annotation))
    if get_origin(info.annotation) is tuple:
        return "N"
    return "..".join(map(str, bounds_of(info.metadata).values())) or "TEXT"


def _typer_type(info: FieldInfo) -> tuple[Any, Any]:
    """Return type and default of a field for typer: a switch, a text or a list of texts.

    What a text must be is said by `params`, in the shell as in Python; typer's own words change
    from version to version.
    """
    if info.annotation is bool:
        return bool, info.default
    if get_origin(info.annotation) is tuple:
        return list[str], list(map(str, info.default))
    return str, str(info.default)


def whole_number(least: int) -> Callable[[str], int]:
    """Return what turns the text of an option into a whole number of at least `least`."""

    def parse(text: str) -> int:
        number = int(text) if str(text).strip().removeprefix("-").isdecimal() else None
        if number is None or number < least:
            raise typer.BadParameter(f"expected a whole number of at least {least}, got '{text}'.")
        return number

    return parse
