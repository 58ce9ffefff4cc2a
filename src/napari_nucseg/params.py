"""The parameters of segmenting, written once.

Default, bounds, label (`title`), tooltip (`description`) and unit of each parameter stand here;
widget, command line and saved records are made from them.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, Field, ValidationError, field_validator

from napari_nucseg.errors import InputError
from napari_nucseg.frozen import Frozen

Params = TypeVar("Params", bound=BaseModel)

DEFAULT_MODEL = "nuclei"

MICROMETRE: dict[str, float] = {
    "nm": 1e-3,
    "um": 1.0,
    "µm": 1.0,
    "μm": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "micrometre": 1.0,
    "mm": 1e3,
}
"""Micrometres per unit that a diameter may be given in (both Unicode letters mu are in use)."""

LINK_PARAMETERS = (
    "link_depth",
    "link_time",
    "link_overlap",
    "link_gap",
    "min_planes",
    "anisotropy",
)
"""Fields of `SegmentParams` that only link outlines: these need not be found again."""

_NOUNS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
"""What a value of each type is called in messages."""

_DIAMETER = re.compile(r"^\s*([0-9]*\.?[0-9]+)\s*([^\s0-9.]*)\s*$")


class SegmentParams(Frozen):
    """How to segment; a result keeps exactly the parameters it was made with."""

    model: str = Field(
        default=DEFAULT_MODEL,
        title="Model",
        description="Name of a model, bundled or yours, or the path of a model folder.",
    )
    diameter: str = Field(
        default="auto",
        title="Diameter",
        description=(
            "Typical diameter of a nucleus: 'auto' estimates it from the image, '19' is in "
            "pixels, '8 um' in micrometres where the image has a pixel size."
        ),
    )
    foreground_threshold: float = Field(
        default=0.5,
        ge=0.05,
        le=0.95,
        title="Foreground threshold",
        description=(
            "A nucleus reaches as far as pixels are at least this likely, compared with its "
            "middle. Lower: larger nuclei."
        ),
    )
    certainty: float = Field(
        default=0.70,
        ge=0.0,
        le=1.0,
        title="Certainty",
        description=(
            "Nuclei whose pixels are on average less likely than this are left out. "
            "Lower: more faint ones. Below about 0.5 it changes little; above 0.93 many "
            "clear ones go, too."
        ),
    )
    splitting: float = Field(
        default=0.5,
        ge=0.0,
        le=1.0,
        title="Splitting",
        description="How readily clumps are split into single nuclei. 0: rarely, 1: at every hint.",
    )
    min_size: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        title="Minimum size",
        description="Smaller nuclei are removed. 0: a twentieth of the typical area.",
        json_schema_extra={"unit": "pixels"},
    )
    drop_border: bool = Field(
        default=False,
        title="Drop border",
        description="Remove nuclei that touch the border of the image, as they are cut.",
    )
    link_depth: bool = Field(
        default=False,
        title="Link in depth",
        description="Link the outlines in the planes of a stack into nuclei in 3D.",
    )
    link_time: bool = Field(
        default=False,
        title="Link in time",
        description=(
            "Let each nucleus of a movie keep one id. The daughters of a division get new ones and "
            "know their mother."
        ),
    )
    link_overlap: float = Field(
        default=0.4,
        ge=0.05,
        le=0.95,
        title="Overlap to link",
        description=(
            "Overlap (intersection over union) from which on outlines in neighbouring planes or "
            "frames are one nucleus. Less is asked for where planes are far apart."
        ),
    )
    link_gap: int = Field(
        default=1,
        ge=0,
        le=10,
        title="Gap to link",
        description="Planes or frames in a row that a nucleus may be missing in.",
    )
    min_planes: int = Field(
        default=1,
        ge=1,
        le=1000,
        title="Minimum planes",
        description="Linked nuclei that are seen in fewer planes are removed. 1: none.",
    )
    anisotropy: float = Field(
        default=0.0,
        ge=0.0,
        le=100.0,
        title="Anisotropy",
        description=(
            "Step between planes in pixels of Y and X. 0: from the pixel size, or 1 where that is "
            "not known."
        ),
    )
    channels: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        default=(),
        title="Channels",
        description=(
            "Channels with nuclear stain, counted from 0; several are combined by their maximum. "
            "Empty: all channels. Colour images are always used whole."
        ),
    )
    engine: Literal["auto", "litert", "tensorflow"] = Field(
        default="auto",
        title="Engine",
        description=(
            "'litert' runs on the CPU, 'tensorflow' on a GPU if it sees one; 'auto' is litert."
        ),
    )
    probabilities: bool = Field(
        default=False,
        title="Probability map",
        description="Also return the foreground probability of every pixel.",
    )

    @field_validator("diameter", mode="before")
    @classmethod
    def _check_diameter(cls, value: Any) -> str:
        text = str(value).strip()
        if text.lower() == "auto":
            return "auto"
        parse_diameter(text)
        return text

    @field_validator("channels", mode="before")
    @classmethod
    def _check_channels(cls, value: Any) -> Any:
        if isinstance(value, str):
            raise ValueError(f"expected numbers such as (0, 2), got {value!r}")
        try:
            return tuple(value)
        except TypeError:  # a single number, which is checked like the others
            return (value,)


def parse_diameter(text: str) -> tuple[float, str]:
    """Split a diameter such as ``"19"`` or ``"8 um"`` into number and unit ("" for pixels).

    Raises
    ------
    ValueError
        It is neither, or not above zero.
    """
    match = _DIAMETER.match(text)
    expected = "expected 'auto', pixels such as '19', or a length such as '8 um'"
    point = text.replace(",", ".")
    if match is None and _DIAMETER.match(point):
        raise ValueError(f"expected a decimal point, as in '{point}', got '{text}'")
    if match is None:
        raise ValueError(f"{expected}, got '{text}'")
    number, unit = float(match[1]), match[2].lower()
    if unit in ("px", "pixel", "pixels"):
        unit = ""
    if unit and unit not in MICROMETRE:
        raise ValueError(f"unknown unit '{match[2]}'; {expected}")
    if number <= 0:
        raise ValueError(f"must be above zero, got '{text}'")
    return number, unit


def make_params(options: Mapping[str, Any]) -> SegmentParams:
    """Build parameters from keyword options.

    Raises
    ------
    InputError
        An option is unknown or out of bounds; the message names each and says what is expected.
    """
    return build_params(SegmentParams, options)


def check_whole(name: str, value: Any, least: int) -> None:
    """Raise InputError unless an argument is a whole number of at least `least`."""
    if not isinstance(value, Integral) or value < least:
        raise InputError(f"{name} must be a whole number of at least {least}, got {value!r}.")


def choose_params(kind: type[Params], params: Params | None, options: Mapping[str, Any]) -> Params:
    """Return parameters that were given at once, or build them from keyword options.

    Raises
    ------
    InputError
        Both were given, `params` are of another kind, or an option is not valid.
    """
    if params is None:
        return build_params(kind, options)
    if options:
        raise InputError(f"Pass params or single options, not both; got {', '.join(options)} too.")
    if not isinstance(params, kind):
        raise InputError(
            f"params must be {kind.__name__}, got {type(params).__name__}; single options, such as "
            f"{next(iter(kind.model_fields))}=, can be passed instead."
        )
    return params


def build_params(
    kind: type[Params], options: Mapping[str, Any], called: Callable[[str], str] = str
) -> Params:
    """Build parameters of any kind, see `make_params`.

    Parameters
    ----------
    kind : type
    options : mapping
    called : callable
        Returns what a field is called in messages; its own name by default.
    """
    try:
        return kind(**options)
    except ValidationError as error:
        explained = (_explain(e, kind, called) for e in error.errors())
        raise InputError("; ".join(explained) + ".") from error


def _explain(error: Any, kind: type[BaseModel], called: Callable[[str], str]) -> str:
    field = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        return f"unknown parameter '{field}', known are {', '.join(kind.model_fields)}"
    if error["type"] == "value_error":  # written here, with what was received
        return f"{called(field)}: {error['ctx']['error']}"
    info = kind.model_fields[field]
    expected = _expected(info.annotation, info.metadata)
    return f"{called(field)}: expected {expected}, got {error['input']!r}"


def _expected(kind: Any, limits: Iterable[Any]) -> str:
    """Return what a value must be, from the type and the bounds of its field."""
    if get_origin(kind) is tuple:  # each of them is checked
        kind, info = get_args(get_args(kind)[0])
        return _expected(kind, info.metadata)
    if get_origin(kind) is Literal:
        *first, last = map(repr, get_args(kind))
        return f"{', '.join(first)} or {last}"
    bounds = bounds_of(limits)
    if len(bounds) == 2:
        return f"{_NOUNS[kind]} from {bounds['ge']:,} to {bounds['le']:,}"
    return f"{_NOUNS[kind]} of at least {bounds['ge']:,}" if bounds else _NOUNS[kind]


def bounds_of(limits: Iterable[Any]) -> dict[str, float]:
    """Return the bounds of a field from its metadata: ``ge`` and ``le``, those that it has."""
    return {
        name: getattr(limit, name)
        for limit in limits
        for name in ("ge", "le")
        if hasattr(limit, name)
    }
