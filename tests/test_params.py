"""The parameters: bounds, defaults, messages, and that `segment` shows every one of them."""

import inspect
import json

import numpy as np
import pytest

from napari_nucseg import segment
from napari_nucseg.errors import InputError
from napari_nucseg.finetune_params import FineTuneParams
from napari_nucseg.params import (
    DEFAULT_MODEL,
    SegmentParams,
    bounds_of,
    build_params,
    choose_params,
    make_params,
    parse_diameter,
)


def test_the_defaults_segment_everything_with_the_bundled_model():
    params = SegmentParams()

    assert params.model == DEFAULT_MODEL == "nuclei"
    assert params.diameter == "auto"
    assert params.channels == ()
    assert params.engine == "auto"
    assert not params.drop_border
    assert not params.probabilities


@pytest.mark.parametrize(
    ("name", "bounds"),
    [
        ("certainty", {"ge": 0.0, "le": 1.0}),
        ("min_size", {"ge": 0, "le": 1_000_000}),
        ("model", {}),
    ],
)
def test_bounds_are_those_of_the_field(name, bounds):
    assert bounds_of(SegmentParams.model_fields[name].metadata) == bounds


def test_every_parameter_has_a_label_and_a_tooltip():
    for name, field in SegmentParams.model_fields.items():
        assert field.title, name
        assert field.description, name
        assert field.description.endswith("."), name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("19", (19.0, "")),
        ("19.5 px", (19.5, "")),
        (" 7 pixels ", (7.0, "")),
        ("8 um", (8.0, "um")),
        ("8um", (8.0, "um")),
        ("8 µm", (8.0, "µm")),  # U+00B5 micro sign
        ("8 μm", (8.0, "μm")),  # U+03BC Greek letter
        (".5 Microns", (0.5, "microns")),
        ("800 nm", (800.0, "nm")),
    ],
)
def test_diameters_are_split_into_number_and_unit(text, expected):
    assert parse_diameter(text) == expected


@pytest.mark.parametrize(
    ("given", "kept"), [("auto", "auto"), (" AUTO ", "auto"), (19, "19"), ("8 µm", "8 µm")]
)
def test_diameters_are_kept_as_text(given, kept):
    assert make_params({"diameter": given}).diameter == kept


@pytest.mark.parametrize(
    ("diameter", "message"),
    [
        ("-3", "expected 'auto', pixels such as '19', or a length such as '8 um', got '-3'"),
        (-3, "got '-3'"),
        ("3 parsec", "unknown unit 'parsec'"),
        ("0", "must be above zero, got '0'"),
        ("0.0 um", "must be above zero"),
        ("nan", "expected 'auto'"),
        ("inf", "expected 'auto'"),
        ("", "expected 'auto'"),
        (None, "expected 'auto'"),
        ("8 um 9", "expected 'auto'"),
        ("19,5", "expected a decimal point, as in '19.5', got '19,5'"),
        ("7,5 um", "expected a decimal point, as in '7.5 um', got '7,5 um'"),
        ("8,um,9", "expected 'auto'"),
    ],
)
def test_unusable_diameters_say_what_is_expected(diameter, message):
    with pytest.raises(InputError, match="diameter: ") as caught:
        make_params({"diameter": diameter})

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("foreground_threshold", 0.04),
        ("foreground_threshold", 0.96),
        ("foreground_threshold", float("nan")),
        ("splitting", -0.01),
        ("splitting", 1.01),
        ("splitting", float("nan")),
        ("min_size", -1),
        ("min_size", 1_000_001),
        ("min_size", 2.5),
        ("channels", (-1,)),
        ("channels", ("-1",)),
        ("channels", -1),
        ("channels", 1.5),
        ("channels", None),
        ("channels", "red"),
        ("engine", "torch"),
        ("drop_border", "perhaps"),
    ],
)
def test_values_out_of_bounds_are_refused_by_name(name, value):
    with pytest.raises(InputError, match=f"^{name}"):
        make_params({name: value})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("foreground_threshold", float("nan"), "a number from 0.05 to 0.95, got nan"),
        ("certainty", float("nan"), "a number from 0.0 to 1.0, got nan"),
        ("certainty", "high", "a number from 0.0 to 1.0, got 'high'"),
        ("anisotropy", None, "a number from 0.0 to 100.0, got None"),
        ("min_size", 2.5, "a whole number from 0 to 1,000,000, got 2.5"),
        ("min_size", float("inf"), "a whole number from 0 to 1,000,000, got inf"),
        ("channels", (0, -1), "a whole number of at least 0, got -1"),
        ("engine", "torch", "'auto', 'litert' or 'tensorflow', got 'torch'"),
        ("drop_border", "perhaps", "true or false, got 'perhaps'"),
        ("model", 3, "text, got 3"),
    ],
)
def test_a_value_that_is_refused_is_said_with_what_was_expected(name, value, expected):
    with pytest.raises(InputError) as refused:
        make_params({name: value})
    assert str(refused.value) == f"{name}: expected {expected}."


@pytest.mark.parametrize("kind", [SegmentParams, FineTuneParams])
def test_no_message_is_that_of_a_library(kind):
    for name in kind.model_fields:
        with pytest.raises(InputError, match=rf"^{name}: expected .*, got .*object"):
            build_params(kind, {name: object()})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("foreground_threshold", 0.05),
        ("foreground_threshold", 0.95),
        ("splitting", 0.0),
        ("splitting", 1.0),
        ("min_size", 0),
        ("min_size", 1_000_000),
    ],
)
def test_bounds_belong_to_the_range(name, value):
    assert getattr(make_params({name: value}), name) == value


@pytest.mark.parametrize("channels", [2, [2], (2,), np.int64(2), np.array([2])])
def test_channels_may_be_one_number_or_several(channels):
    assert make_params({"channels": channels}).channels == (2,)


def test_an_unknown_option_is_named_with_all_known_ones():
    with pytest.raises(InputError, match="unknown parameter 'treshold'") as caught:
        make_params({"treshold": 0.5})

    for name in SegmentParams.model_fields:
        assert name in str(caught.value)


def test_every_problem_is_named_at_once():
    with pytest.raises(InputError, match=r"splitting: .*; .*min_size: "):
        make_params({"splitting": 2, "min_size": -1})


def test_parameters_survive_json():
    params = make_params(
        {"diameter": "8 µm", "channels": (0, 2), "splitting": 0.25, "drop_border": True}
    )

    text = json.dumps(params.model_dump(mode="json"))

    assert make_params(json.loads(text)) == params
    assert SegmentParams.model_validate(params.model_dump()) == params


def test_parameters_cannot_change():
    with pytest.raises(ValueError, match="frozen"):
        SegmentParams().splitting = 0.1


@pytest.mark.parametrize(
    ("params", "options", "message"),
    [
        (SegmentParams(), {"min_size": 3}, "not both; got min_size too"),
        (3, {}, "params must be SegmentParams, got int"),
        ({"min_size": 3}, {}, "params must be SegmentParams, got dict"),
        (FineTuneParams(), {}, "params must be SegmentParams, got FineTuneParams"),
    ],
)
def test_parameters_at_once_or_single(params, options, message):
    with pytest.raises(InputError, match=message):
        choose_params(SegmentParams, params, options)
    assert choose_params(SegmentParams, None, {"min_size": 3}).min_size == 3
    given = SegmentParams(min_size=4)
    assert choose_params(SegmentParams, given, {}) is given


def test_segment_shows_every_parameter_with_its_default():
    shown = inspect.signature(segment).parameters

    for name, field in SegmentParams.model_fields.items():
        assert shown[name].default == field.default
        assert shown[name].kind is inspect.Parameter.KEYWORD_ONLY
    assert not [p for p in shown.values() if p.kind is inspect.Parameter.VAR_KEYWORD]
