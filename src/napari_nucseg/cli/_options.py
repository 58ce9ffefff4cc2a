"""Options of the command line, made from the fields of parameters such as `SegmentParams`."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from enum import Enum, StrEnum
from types import GenericAlias
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import typer
from pydantic import BaseModel

from napari_nucseg.params import SegmentParams, make_params

Command = TypeVar("Command", bound=Callable[..., None])


def option_name(field: str) -> str:
    """Return the option of a field, e.g. ``--min-size`` of ``min_size``."""
    return "--" + field.replace("_", "-")


def with_segment_options(command: Command) -> Command:
    """Replace the ``**options`` of a command by one option for each field of `SegmentParams`."""
    return with_options(SegmentParams)(command)


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


def read_options(options: Mapping[str, Any]) -> SegmentParams:
    """Turn what typer received for ``**options`` into parameters.

    Raises
    ------
    InputError
        A value is not valid.
    """
    return make_params(plain_options(options))


def plain_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what typer received for ``**options`` without its enums."""
    return {
        name: value.value if isinstance(value, Enum) else value for name, value in options.items()
    }


def _parameters(params: type[BaseModel]) -> Iterator[inspect.Parameter]:
    for name, info in params.model_fields.items():
        bounds: dict[str, Any] = {}
        for limit in info.metadata:
            if hasattr(limit, "ge"):
                bounds["min"] = limit.ge
            if hasattr(limit, "le"):
                bounds["max"] = limit.le
        unit = (info.json_schema_extra or {}).get("unit")  # type: ignore[union-attr]
        help_text = f"{info.description} In {unit}." if unit else info.description
        kind, default = _typer_type(name, info.annotation, info.default)
        option = typer.Option(option_name(name), help=help_text, **bounds)
        yield inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            annotation=Annotated[kind, option],
        )


def _typer_type(name: str, annotation: Any, default: Any) -> tuple[Any, Any]:
    """Return type and default of a field in the terms of typer, which knows enums and lists."""
    if get_origin(annotation) is Literal:
        choices = StrEnum(name, {choice: choice for choice in get_args(annotation)})  # type: ignore[misc]
        return choices, choices(default)
    if get_origin(annotation) is tuple:
        item = get_args(annotation)[0]
        if get_origin(item) is Annotated:  # its bounds are pydantic's to check
            item = get_args(item)[0]
        return GenericAlias(list, (item,)), list(default)
    return annotation, default
