import itertools

import dask.array as da
import numpy as np
import pytest
import zarr

from napari_nucseg.axes import check_axes, plan_planes, resolve_axes
from napari_nucseg.errors import InputError


@pytest.mark.parametrize(
    ("shape", "rgb", "axes"),
    [
        ((5, 6), None, "YX"),
        ((5, 3), None, "YX"),
        ((5, 6, 7), None, "ZYX"),
        ((5, 6, 3), None, "YXS"),
        ((5, 6, 4), True, "YXS"),
        ((5, 6, 3), False, "ZYX"),
        ((3, 6, 7), None, "ZYX"),
        ((2, 5, 6, 7), None, "TZYX"),
        ((2, 5, 6, 3), None, "ZYXS"),
        ((2, 5, 6, 3), False, "TZYX"),
        ((2, 2, 5, 6, 7), None, "TZCYX"),
        ((2, 2, 5, 6, 3), None, "TZYXS"),
        ((2, 2, 5, 6, 3), False, "TZCYX"),
    ],
)
def test_axes_are_guessed(shape, rgb, axes):
    assert resolve_axes(shape, rgb=rgb) == axes


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((5, 6), "YX"), ((2, 5, 6), "CYX"), ((5, 6, 2), "YXC"), ((2, 3, 4, 5, 6), "ZTCYX")],
)
def test_given_axes_are_kept(shape, axes):
    assert resolve_axes(shape, axes) == axes
    assert resolve_axes(shape, axes.lower()) == axes


@pytest.mark.parametrize(
    ("shape", "axes", "message"),
    [
        ((5,), None, r"1 axes \(shape 5\) cannot be guessed; pass them"),
        ((), None, "0 axes"),
        ((1, 2, 3, 4, 5, 6), None, "6 axes"),
        ((0, 5), None, "empty.*0 x 5"),
        ((5, 0), "YX", "empty"),
        ((5, 6), "YQ", "Unknown axis Q.*TZCYXS.*'YQ'.*5 x 6"),
        ((5, 6, 7), "YXX", "only once"),
        ((5, 6, 7), "YX", "3 for this image; got axes 'YX' for the shape 5 x 6 x 7"),
        ((5, 6), "ZY", "Y and X must both"),
        ((3, 5, 6), "SYX", "last axis"),
        ((5, 6, 2), "YXS", "length of 3 or 4"),
        ((2, 5, 6, 3), "CYXS", "not both"),
    ],
)
def test_wrong_axes_are_explained(shape, axes, message):
    with pytest.raises(InputError, match=message):
        resolve_axes(shape, axes)


@pytest.mark.parametrize("axes", ["YX", "tzcyx", "YXC", " ZYXS ", "SYX"])
def test_axes_that_an_image_can_have(axes):
    check_axes(axes)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ("QQ", r"Unknown axis Q; use letters of TZCYXS; got axes 'QQ'\.$"),
        ("YXX", "only once"),
        ("", "Y and X must both be there"),
        ("ZY", "Y and X must both be there"),
        ("CYXS", "not both"),
        ("XY", "transpose the image from 'XY' to 'YX'"),
    ],
)
def test_axes_that_no_image_can_have(axes, message):
    with pytest.raises(InputError, match=message):
        check_axes(axes)


def test_rgb_needs_three_or_four_samples():
    with pytest.raises(InputError, match=r"3 or 4 samples.*5 x 6 x 7"):
        resolve_axes((5, 6, 7), rgb=True)


@pytest.mark.parametrize("axes", ["".join(p) + "YX" for p in itertools.permutations("TZC")])
def test_every_plane_of_a_stack_is_read_channel_last(axes):
    sizes = {"T": 2, "Z": 3, "C": 4, "Y": 5, "X": 6}
    canonical = np.arange(2 * 3 * 4 * 5 * 6, dtype=np.uint16).reshape(2, 3, 4, 5, 6)
    image = canonical.transpose(["TZCYX".index(axis) for axis in axes])
    planes = plan_planes(image.shape, axes)
    assert planes.output_axes == axes.replace("C", "")
    assert planes.output_shape == tuple(sizes[axis] for axis in planes.output_axes)
    assert (planes.n_planes, planes.n_channels) == (6, 4)
    assert planes.output_dims == tuple(axes.index(axis) for axis in planes.output_axes)
    indices = list(planes.iterate())
    assert indices == list(np.ndindex(*planes.output_shape[:-2]))
    for index in indices:
        at = dict(zip(planes.output_axes[:-2], index, strict=True))
        plane = planes.read(image, index)
        assert plane.dtype == np.uint16
        np.testing.assert_array_equal(plane, np.moveaxis(canonical[at["T"], at["Z"]], 0, -1))


def test_single_plane_without_channels():
    image = np.arange(6, dtype=np.uint8).reshape(2, 3)
    planes = plan_planes(image.shape, "YX")
    assert (planes.output_axes, planes.n_planes, list(planes.iterate())) == ("YX", 1, [()])
    np.testing.assert_array_equal(planes.read(image, ()), image[..., None])


@pytest.mark.parametrize(("axes", "shape"), [("YXS", (2, 3, 4)), ("YXC", (2, 3, 4))])
def test_channel_last_stays_last(axes, shape):
    image = np.arange(24).reshape(shape)
    planes = plan_planes(shape, axes)
    assert (planes.output_axes, planes.output_shape) == ("YX", (2, 3))
    np.testing.assert_array_equal(planes.read(image, ()), image)


def test_channel_between_rows_and_columns():
    image = np.arange(24).reshape(2, 4, 3)
    planes = plan_planes(image.shape, "YCX")
    np.testing.assert_array_equal(planes.read(image, ()), image.transpose(0, 2, 1))


def test_only_the_wanted_plane_of_a_lazy_array_is_computed():
    computed = []

    def block(block_info):
        computed.append(block_info[None]["chunk-location"])
        return np.full((1, 2, 4, 5), len(computed))

    image = da.map_blocks(block, chunks=((1, 1, 1), (2,), (4,), (5,)), dtype=int, meta=np.empty(0))
    planes = plan_planes(image.shape, "ZCYX")
    assert planes.read(image, (1,)).shape == (4, 5, 2)
    assert computed == [(1, 0, 0, 0)]


def test_zarr_array():
    data = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    image = zarr.array(data, chunks=(1, 1, 4, 5))
    plane = plan_planes(image.shape, "CZYX").read(image, (2,))
    np.testing.assert_array_equal(plane, np.moveaxis(data[:, 2], 0, -1))


@pytest.mark.parametrize(
    ("axes", "wanted"), [("XYZ", "ZYX"), ("XYC", "CYX"), ("YXT", "TYX"), ("YZX", "ZYX")]
)
def test_other_orders_say_how_to_transpose(axes, wanted):
    with pytest.raises(InputError, match=f"from '{axes}' to '{wanted}'"):
        plan_planes((5, 6, 7), axes)


def test_colour_stack_with_swapped_rows_and_columns():
    with pytest.raises(InputError, match="from 'ZXYS' to 'ZYXS'"):
        plan_planes((2, 5, 6, 3), "ZXYS")


def test_read_checks_image_and_index():
    planes = plan_planes((2, 5, 6), "ZYX")
    with pytest.raises(InputError, match=r"2 x 5 x 6, got .* 3 x 5 x 6"):
        planes.read(np.zeros((3, 5, 6)), (0,))
    with pytest.raises(InputError, match=r"1 numbers.*'ZYX'"):
        planes.read(np.zeros((2, 5, 6)), ())
