"""What every generated sample has to fulfil, whatever it shows."""

import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from scipy import ndimage

from napari_nucseg.errors import InputError
from napari_nucseg.sample_data import (
    SAMPLES,
    Sample,
    fluorescence_field,
    histology_field,
    time_lapse,
    z_stack,
)

GENERATORS = {
    "fluorescence": fluorescence_field,
    "z-stack": z_stack,
    "time-lapse": time_lapse,
    "histology": histology_field,
}
SMALL = {
    "fluorescence": {"shape": (120, 140)},
    "z-stack": {"shape": (12, 90, 100)},
    "time-lapse": {"shape": (6, 130, 120), "n_divisions": 2},
    "histology": {"shape": (120, 140)},
}
KEYS = sorted(SAMPLES)


def small(key: str, **kwargs) -> Sample:
    return GENERATORS[key](**{**SMALL[key], **kwargs})


@pytest.fixture(scope="module")
def defaults() -> dict[str, Sample]:
    return {key: generate() for key, generate in SAMPLES.items()}


def objects(sample: Sample) -> list[np.ndarray]:
    """Label arrays in each of which a nucleus is one object: the frames of a movie, else all."""
    return list(sample.labels) if sample.axes == "TYX" else [sample.labels]


@pytest.mark.parametrize(
    ("key", "axes", "shape", "dtype", "spatial"),
    [
        ("fluorescence", "YX", (512, 512), np.uint16, "YX"),
        ("z-stack", "ZYX", (24, 256, 256), np.uint16, "ZYX"),
        ("time-lapse", "TYX", (12, 256, 256), np.uint16, "YX"),
        ("histology", "YXS", (512, 512, 3), np.uint8, "YX"),
    ],
)
def test_axes_shape_and_dtype(defaults, key, axes, shape, dtype, spatial):
    sample = defaults[key]
    assert sample.axes == axes
    assert sample.image.shape == shape
    assert sample.image.dtype == dtype
    assert sample.labels.dtype == np.int32
    assert sample.labels.shape == shape[: len(axes.replace("S", ""))]
    assert set(sample.pixel_size) == set(spatial)
    assert all(size > 0 for size in sample.pixel_size.values())
    assert sample.name
    assert sample.metadata["seed"] == 0


def test_samples_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        small("fluorescence").axes = "XY"


@pytest.mark.parametrize("key", KEYS)
def test_same_seed_gives_the_same_sample(key):
    a, b = small(key, seed=7), small(key, seed=7)
    np.testing.assert_array_equal(a.image, b.image)
    np.testing.assert_array_equal(a.labels, b.labels)
    assert a.metadata == b.metadata


@pytest.mark.parametrize("key", KEYS)
def test_other_seed_gives_another_sample(key):
    a, b = small(key, seed=7), small(key, seed=8)
    assert not np.array_equal(a.image, b.image)
    assert not np.array_equal(a.labels, b.labels)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_labels_are_dense_and_each_is_one_piece(key, seed):
    sample = small(key, seed=seed)
    present = np.unique(sample.labels)
    np.testing.assert_array_equal(present, np.arange(present.size))
    for labels in objects(sample):
        for label in np.unique(labels[labels > 0]):
            assert ndimage.label(labels == label)[1] == 1


@pytest.mark.parametrize("key", ["fluorescence", "z-stack", "histology"])
def test_number_of_nuclei_is_as_asked(key):
    assert small(key, n_nuclei=6).labels.max() == 6


@pytest.mark.parametrize("key", KEYS)
def test_contrast(defaults, key):
    sample = defaults[key]
    inside = sample.labels > 0
    image = sample.image.mean(axis=-1) if sample.axes == "YXS" else sample.image
    nuclei, background = image[inside].mean(), image[~inside].mean()
    if key == "histology":
        assert nuclei < 0.75 * background
    else:
        assert nuclei > 3 * background


@pytest.mark.parametrize("key", ["fluorescence", "z-stack", "time-lapse"])
def test_counts_are_those_of_a_camera(defaults, key):
    image = defaults[key].image
    assert 100 < np.median(image) < 300
    assert 1000 < image.max() < 4096


@pytest.mark.parametrize("key", KEYS)
def test_some_nuclei_touch(defaults, key):
    labels = defaults[key].labels
    left, right = labels[..., :-1], labels[..., 1:]
    pairs = np.stack([left, right])[:, (left > 0) & (right > 0) & (left != right)]
    assert len(np.unique(np.sort(pairs, axis=0), axis=1).T) >= 5


@pytest.mark.parametrize("generate", [fluorescence_field, histology_field])
@pytest.mark.parametrize("diameter", [14.0, 30.0])
def test_area_follows_the_diameter(generate, diameter):
    labels = generate((400, 400), diameter=diameter, seed=3).labels
    cut = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    whole = np.setdiff1d(np.arange(1, labels.max() + 1), cut)
    areas = np.bincount(labels.ravel())[whole]
    assert np.mean(areas) == pytest.approx(math.pi * diameter**2 / 4, rel=0.12)


def test_widest_cut_of_the_stack_follows_the_diameter(defaults):
    sample = defaults["z-stack"]
    n = sample.labels.max() + 1
    areas = np.stack([np.bincount(plane.ravel(), minlength=n)[1:] for plane in sample.labels])
    widest = np.median(areas.max(axis=0))
    assert widest == pytest.approx(math.pi * sample.metadata["diameter"] ** 2 / 4, rel=0.15)
    # Anisotropic: in planes, nuclei are about 0.35 times as deep as they are wide in pixels.
    depth = (areas > 0).sum(axis=0)
    assert np.median(depth) == pytest.approx(0.9 * 0.35 * sample.metadata["diameter"], abs=1.5)


def test_light_from_out_of_focus_planes_is_seen(defaults):
    # Just above and below a nucleus the stack is brighter than in pixels far from all nuclei.
    sample = defaults["z-stack"]
    inside = sample.labels > 0
    column = np.zeros((3, 3, 3), bool)
    column[:, 1, 1] = True
    above = ndimage.binary_dilation(inside, column) & ~inside
    far = ~ndimage.binary_dilation(inside, np.ones((5, 15, 15), bool))
    assert np.median(sample.image[above]) > 1.5 * np.median(sample.image[far])


def test_lower_exposure_is_darker():
    bright, dark = (small("fluorescence", exposure=e).image for e in (1.0, 0.1))
    assert np.percentile(dark, 99) < 0.4 * np.percentile(bright, 99)


def test_histology_is_pink_with_purple_nuclei_and_white_lumens(defaults):
    sample = defaults["histology"]
    background = np.median(sample.image[sample.labels == 0], axis=0)
    nuclei = np.median(sample.image[sample.labels > 0], axis=0)
    red, green, blue = background
    assert red > blue > green
    red, green, blue = nuclei
    assert blue > red > green
    assert (sample.image.min(axis=-1) > 225).mean() > 0.005


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": (64,)}, r"expected \d positive sizes .* received \(64,\)"),
        ({"diameter": 3.0}, "expected 4 pixels or more, received 3.0"),
        ({"diameter": math.nan}, "expected 4 pixels or more, received nan"),
        ({"touching": 1.5}, "touching is not valid: .* received 1.5"),
        ({"n_nuclei": 0}, "expected 1 or more, received 0"),
        ({"n_nuclei": 5000}, "expected room for 5000, found room for"),
    ],
)
def test_invalid_arguments(key, arguments, message):
    with pytest.raises(InputError, match=message):
        small(key, **arguments)


def test_invalid_exposure_and_voxel_size():
    with pytest.raises(InputError, match=r"exposure is not valid: .* received 0"):
        small("fluorescence", exposure=0)
    with pytest.raises(InputError, match=r"voxel_size is not valid: .* received -1.0"):
        small("z-stack", voxel_size=(-1.0, 0.35, 0.35))
