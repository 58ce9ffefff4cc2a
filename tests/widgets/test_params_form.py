import pytest

from napari_nucseg.errors import InputError
from napari_nucseg.params import SegmentParams, make_params
from napari_nucseg.widgets._params_form import (
    field_label,
    field_widget,
    read_channels,
    read_values,
    show_channels,
)

FIELDS = SegmentParams.model_fields


@pytest.mark.parametrize("name", FIELDS)
def test_label_tooltip_and_default_are_the_parameters(qtbot, name):
    widget = field_widget(name)
    assert widget.label == field_label(name)
    assert widget.label.startswith(FIELDS[name].title)
    assert widget.tooltip == FIELDS[name].description
    assert make_params(read_values({name: widget})) == SegmentParams()


def test_bounds_are_the_parameters(qtbot):
    threshold, size = field_widget("foreground_threshold"), field_widget("min_size")
    assert (threshold.min, threshold.max) == pytest.approx((0.05, 0.95))
    assert (size.min, size.max) == (0, 1_000_000)


def test_unit_stands_in_the_label():
    assert field_label("min_size") == "Minimum size (pixels)"


@pytest.mark.parametrize(
    ("text", "channels"), [("", ()), ("all", ()), ("2", (2,)), ("0, 2", (0, 2)), ("0 2", (0, 2))]
)
def test_channels_are_read(text, channels):
    assert read_channels(text) == channels


def test_channels_shown_are_read_back():
    assert read_channels(show_channels((0, 2))) == (0, 2)
    assert read_channels(show_channels(())) == ()


def test_channels_that_are_no_numbers():
    with pytest.raises(InputError, match="got 'red'"):
        read_channels("red")
