"""Form fields made from the fields of parameters: nothing is written twice."""

import typing
from typing import Any

from magicgui.widgets import create_widget
from magicgui.widgets.bases import ValueWidget
from pydantic import BaseModel

from napari_nucseg.errors import InputError
from napari_nucseg.params import SegmentParams, bounds_of

STEP = 0.01
ALL = "all"


def field_widget(name: str, params: type[BaseModel] = SegmentParams, **options: Any) -> ValueWidget:
    """Return the widget of a parameter: label, tooltip, bounds and default are the parameter's.

    Parameters
    ----------
    name : str
        A field of `params`.
    params : type
        `SegmentParams` or other parameters.
    **options
        Further options of magicgui, such as ``choices``.
    """
    info = params.model_fields[name]
    for bound, limit in bounds_of(info.metadata).items():
        options.setdefault({"ge": "min", "le": "max"}[bound], limit)
    value, annotation = info.default, info.annotation
    if annotation is float:
        options = {"widget_type": "FloatSlider", "step": STEP, **options}
    elif typing.get_origin(annotation) is tuple:
        value, annotation = show_channels(value), str
    return create_widget(
        value=value,
        annotation=annotation,
        name=name,
        label=field_label(name, params),
        options={"tooltip": info.description, **options},
    )


def field_label(name: str, params: type[BaseModel] = SegmentParams) -> str:
    """Return a parameter's label with its unit, e.g. ``Minimum size (pixels)``."""
    info = params.model_fields[name]
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    return f"{info.title} ({extra['unit']})" if "unit" in extra else str(info.title)


def show_channels(channels: tuple[int, ...]) -> str:
    """Return channels as people write them, e.g. ``0, 2``."""
    return ", ".join(map(str, channels)) or ALL


def read_channels(text: str) -> tuple[int, ...]:
    """Return the channels that a text such as ``all`` or ``0, 2`` names.

    Raises
    ------
    InputError
    """
    words = text.replace(",", " ").split()
    if not words or words == [ALL]:
        return ()
    if not all(word.isdecimal() for word in words):
        raise InputError(f"Channels must be '{ALL}' or numbers such as '0, 2', got '{text}'.")
    return tuple(int(word) for word in words)


def read_values(widgets: dict[str, ValueWidget]) -> dict[str, Any]:
    """Return the values of fields, as `params.make_params` takes them."""
    values = {name: widget.value for name, widget in widgets.items()}
    if "channels" in values:
        values["channels"] = read_channels(values["channels"])
    return values
