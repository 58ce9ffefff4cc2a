import dask.array
import numpy as np
import pytest
from napari.layers import Image, Labels, Shapes

from napari_nucseg.errors import InputError
from napari_nucseg.widgets._layers import (
    choices_of,
    current_position,
    expand,
    pixel_size,
    region_mask,
    result_dims,
    result_geometry,
    take_plane,
)
from napari_nucseg.widgets._temporary import TEMPORARY

ROTATED = [[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]]


def image(shape, **options):
    return Image(np.zeros(shape, np.uint8), **options)


def test_pixel_size_is_in_micrometres():
    layer = image((3, 8, 8), scale=(2, 500, 0.4), units=("um", "nm", "um"))
    assert pixel_size(layer, "ZYX") == pytest.approx({"Z": 2, "Y": 0.5, "X": 0.4})


def test_pixels_are_no_length():
    assert pixel_size(image((8, 8), scale=(2, 2)), "YX") == {}


def test_position_is_that_of_the_world_point():
    layer = image((5, 3, 8, 8), scale=(1, 2, 1, 1), translate=(10, 4, 0, 0))
    assert current_position(layer, "TZYX", (12, 8, 0, 0)) == {"T": 2, "Z": 2}
    assert current_position(layer, "TZYX", (99, -9, 0, 0)) == {"T": 4, "Z": 0}
    assert current_position(layer, "CZYX", (12, 6, 0, 0)) == {"Z": 1}


def test_planes_of_lazy_arrays_stay_lazy():
    stack = dask.array.zeros((4, 2, 8, 9))
    plane, axes = take_plane(stack, "ZCYX", {"Z": 3})
    assert isinstance(plane, dask.array.Array)
    assert (plane.shape, axes) == ((2, 8, 9), "CYX")


@pytest.mark.parametrize(
    ("axes", "dims"),
    [("YX", [0, 1]), ("YXS", [0, 1]), ("CZYX", [1, 2, 3]), ("TCYX", [0, 1, 2, 3])],
)
def test_only_a_leading_channel_axis_is_dropped(axes, dims):
    assert result_dims(axes) == dims


def test_single_planes_get_leading_axes():
    assert expand(np.zeros((8, 9)), "YX", "TZYX").shape == (1, 1, 8, 9)
    assert expand(np.zeros((5, 8, 9)), "TYX", "TCYX").shape == (5, 1, 8, 9)
    assert expand(np.zeros((5, 8, 9)), "ZYX", "CZYX").shape == (5, 8, 9)


def test_a_plane_lies_where_it_lay_in_its_stack():
    layer = image((4, 8, 9), scale=(2, 0.5, 0.5), translate=(1, 2, 3), rotate=ROTATED)
    layer.affine = [[1, 0, 0, 7], [0, 2, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    plane = image((1, 8, 9), **result_geometry(layer, "ZYX", {"Z": 3}))
    for point in [(0, 0, 0), (0, 7, 8)]:
        there = np.add(point, (3, 0, 0))
        np.testing.assert_allclose(plane.data_to_world(point), layer.data_to_world(there))


def test_channels_are_spanned_where_they_cannot_be_dropped():
    layer = image((5, 3, 8, 9), scale=(2, 10, 1, 1), translate=(0, 100, 0, 0))
    labels = image((5, 1, 8, 9), **result_geometry(layer, "TCYX", {}))
    for channel in range(3):
        world = layer.data_to_world((4, channel, 6, 7))
        np.testing.assert_array_equal(np.rint(labels.world_to_data(world)), (4, 0, 6, 7))


def test_region_is_the_union_in_pixels_of_the_image():
    layer = image((3, 20, 30), scale=(1, 0.5, 0.5), translate=(0, 5, 0))
    shapes = Shapes(
        [
            np.array([[6, 1], [6, 4], [9, 4], [9, 1]]),
            np.array([[12, 10], [12, 14], [14, 14], [14, 10]]),
            np.array([[5, 0], [14, 14]]),
        ],
        shape_type=["rectangle", "polygon", "line"],
    )
    mask = region_mask(shapes, layer, "ZYX")
    assert mask.shape == (20, 30)
    expected = np.zeros((20, 30), bool)
    expected[3:8, 3:8] = expected[15:18, 21:28] = True  # well inside both, in pixels
    assert mask[expected].all()
    around = np.zeros((20, 30), bool)
    around[1:10, 1:10] = around[13:20, 19:30] = True
    assert not mask[~around].any()


def test_a_region_needs_an_area():
    shapes = Shapes([np.array([[0, 0], [5, 5]])], shape_type="line", name="my line")
    with pytest.raises(InputError, match="'my line' has no rectangle"):
        region_mask(shapes, image((8, 8)), "YX")


def test_layers_of_a_tool_or_a_run_are_not_offered():
    shapes, labels = Shapes(), Labels(np.zeros((4, 4), np.int32))
    drawing = Shapes(name="drawing", metadata={TEMPORARY: True})
    layers = [shapes, drawing, labels]
    assert choices_of(layers, Shapes) == [(shapes.name, shapes)]
    assert choices_of(layers, Labels) == [(labels.name, labels)]
