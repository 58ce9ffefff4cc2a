"""Everything that can be wrong with an image, each with one clear sentence."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import dask.array
import numpy as np
import pytest

from napari_nucseg import segment
from napari_nucseg.errors import InputError, ModelError
from napari_nucseg.io.lazy import open_lazily
from napari_nucseg.registry import bundled_folder

DIAMETER = {"diameter": "20"}
ANY = np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)


def test_an_image_of_nan_alone_is_refused():
    with pytest.raises(InputError, match="Every pixel of the image is NaN or infinite"):
        segment(np.full((64, 64), np.nan))
    with pytest.raises(InputError, match="Every pixel"):
        segment(np.full((3, 64, 64), np.inf), "ZYX")


def test_some_pixels_that_are_not_finite_are_taken_as_background(field):
    image = field.image.astype(np.float32)
    clean = segment(image, **DIAMETER)
    assert clean.messages == ()
    image[:40, :40] = np.nan
    image[-1, -1] = np.inf

    found = segment(image, probabilities=True, **DIAMETER)

    assert found.messages == ("1,601 pixels are NaN or infinite and were taken as background.",)
    assert not found.labels[:30, :30].any()
    assert np.isfinite(found.probabilities).all()
    far = (slice(100, 180), slice(100, 200))
    assert abs(len(np.unique(found.labels[far])) - len(np.unique(clean.labels[far]))) <= 1


def test_a_dead_channel_does_not_hide_the_others(coarse):
    image = np.stack([np.full(coarse.shape, np.nan), coarse.astype(float)])

    found = segment(image, "CYX", **DIAMETER)

    np.testing.assert_array_equal(found.labels, segment(coarse.astype(float), **DIAMETER).labels)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((64, 64), np.uint8),
        np.full((64, 64), 7.5),
        np.full((64, 64), -1e308),
        np.ones((3, 64, 64), bool),
        np.full((64, 64, 3), 255, np.uint8),
    ],
)
@pytest.mark.parametrize("diameter", ["auto", "20"])
def test_a_constant_image_shows_no_nuclei_and_says_so(image, diameter):
    found = segment(image, diameter=diameter)

    assert found.count == 0
    assert not found.labels.any()
    assert "The image is constant" in found.messages[0]


@pytest.mark.parametrize("shape", [(0, 64), (0,), (3, 0, 64), (64, 0)])
def test_an_empty_image_is_refused(shape):
    with pytest.raises(InputError, match="The image is empty: it has the shape"):
        segment(np.zeros(shape))


def test_an_empty_list_is_an_empty_image():
    with pytest.raises(InputError, match="empty"):
        segment([])


@pytest.mark.parametrize(("shape", "axes"), [((1, 64), "YX"), ((64, 1), "YX"), ((5, 64, 7), "ZYX")])
def test_planes_of_a_few_pixels_are_refused(shape, axes):
    with pytest.raises(InputError, match="at least 8 x 8 are needed"):
        segment(np.zeros(shape), axes)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((1, 64, 64), "ZYX"), ((1, 1, 64, 64), "TZYX"), ((1, 64, 64), "CYX"), ((64, 64, 1), "YXC")],
)
def test_other_axes_may_have_one_pixel(shape, axes):
    image = ANY.reshape(shape)

    found = segment(image, axes, **DIAMETER)

    assert found.labels.size == 64 * 64


@pytest.mark.parametrize("shape", [(8, 8), (8, 300), (31, 33), (33, 31)])
@pytest.mark.parametrize("diameter", ["auto", "20", "60"])
def test_images_smaller_than_a_tile_keep_their_shape(shape, diameter):
    image = np.random.default_rng(0).integers(0, 4096, shape).astype(np.uint16)

    found = segment(image, diameter=diameter, probabilities=True)

    assert found.labels.shape == found.probabilities.shape == shape


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((64, 64), complex),
        np.zeros((64, 64), object),
        np.full((64, 64), "pixel"),
        np.zeros((64, 64), "datetime64[s]"),
        np.zeros((64, 64), [("a", int)]),
    ],
)
def test_pixels_that_are_no_real_numbers_are_refused(image):
    with pytest.raises(InputError, match=r"Pixels must be real numbers .* dtype"):
        segment(image)


@pytest.mark.parametrize(
    ("shape", "axes", "message"),
    [
        ((64, 64), "YQ", "Unknown axis Q"),
        ((64, 64), "YY", "only once"),
        ((64, 64), "ZYX", "One letter per axis"),
        ((64, 64), "ZY", "Y and X must both"),
        ((64, 64, 5), "YXS", "length of 3 or 4"),
        ((64, 64, 3), "XYS", "in this order"),
        ((2, 64, 64, 3), "CYXS", "not both"),
        ((64, 64, 8), "YXZ", "transpose the image from 'YXZ' to 'ZYX'"),
        ((2, 2, 2, 2, 64, 64), None, "cannot be guessed"),
        ((64,), None, "cannot be guessed"),
        ((), None, "cannot be guessed"),
    ],
)
def test_axes_that_do_not_fit_are_refused(shape, axes, message):
    with pytest.raises(InputError, match=message):
        segment(np.zeros(shape), axes)


def test_a_channel_that_is_not_there_is_refused():
    with pytest.raises(InputError, match=r"the image has 2 \(counted from 0\), got 2, 5"):
        segment(np.stack([ANY, ANY]), "CYX", channels=(0, 2, 5))


@pytest.mark.parametrize("channels", [(), (0, 1, 2), (0, 7)])
def test_channels_of_a_colour_image_are_not_ignored_silently(channels):
    result = segment(np.stack([ANY] * 3, axis=-1), "YXS", channels=channels, **DIAMETER)
    told = "The image is in colour (RGB), so all three colours were used; channels 0, 7 had no"
    assert any(told in message for message in result.messages) == (channels == (0, 7))


@pytest.mark.parametrize(
    ("image", "channels", "told"),
    [
        ([ANY, ANY.T, ANY], (), True),
        ([ANY, ANY.T, 0 * ANY], (), True),
        ([ANY, ANY.T, ANY], (0, 1, 2), False),
        ([ANY, ANY.T, ANY], (1,), False),
        ([ANY, 0 * ANY, 0 * ANY], (), False),  # only one shows anything
        ([0 * ANY, 0 * ANY, 0 * ANY], (), False),  # which is said instead
    ],
)
def test_channels_are_not_combined_silently(image, channels, told):
    result = segment(np.stack(image), "CYX", channels=channels, **DIAMETER)
    text = (
        "The 3 channels were combined by their maximum; give Channels, counted from 0, to use only "
        "the nuclear stain."
    )
    assert (text in result.messages) == told


@pytest.mark.parametrize(
    ("region", "message"),
    [
        (np.ones((64, 63), bool), r"shape \(64, 64\) \(Y, X\), got \(64, 63\)"),
        (np.ones((2, 64, 64), bool), "region must have the planes' shape"),
        (np.zeros((64, 64), bool), "The region is empty"),
    ],
)
def test_a_region_that_does_not_fit_is_refused(region, message):
    with pytest.raises(InputError, match=message):
        segment(ANY, region=region, **DIAMETER)


def test_unknown_options_and_models_are_refused():
    with pytest.raises(InputError, match="unknown parameter 'tresholds'"):
        segment(ANY, tresholds=0.5)
    with pytest.raises(ModelError, match="no model 'cyto'"):
        segment(ANY, model="cyto")


def test_a_very_large_diameter_finds_nothing_and_does_not_fail():
    assert segment(ANY, diameter="1000").count == 0


@pytest.mark.parametrize("diameter", ["0.01", "1e", "100000000", "1 nm"])
def test_an_absurd_diameter_is_refused(diameter):
    with pytest.raises(InputError, match="diameter"):
        segment(ANY, diameter=diameter, pixel_size={"Y": 1.0, "X": 1.0})


@pytest.mark.parametrize("diameter", ["8 um", "auto"])
@pytest.mark.parametrize("size", [0, -1.5, np.inf, np.nan])
def test_a_pixel_size_that_is_none_is_refused(size, diameter):
    expected = f"The pixel size in X must be a number of micrometres above 0, got {size}."
    with pytest.raises(InputError, match=f"^{re.escape(expected)}$"):
        segment(ANY, diameter=diameter, pixel_size={"Y": 0.5, "X": size})


def test_a_ragged_list_is_refused():
    with pytest.raises(InputError, match="not a regular array"):
        segment([[1, 2], [3]])


def test_no_image_is_refused():
    with pytest.raises(InputError, match=r"^The image is None; expected an array of pixels\.$"):
        segment(None)


def test_a_masked_array_is_refused():
    masked = np.ma.masked_greater(ANY, float(ANY.mean()))
    for image in (masked, [masked, masked[::2, ::2]], dask.array.from_array(masked)):
        with pytest.raises(InputError, match=r"masked array, .*; pass image\.filled\(value\)"):
            segment(image)
    assert segment(masked.filled(0), **DIAMETER).labels.shape == ANY.shape
    with pytest.raises(InputError, match=r"is a masked array"):
        open_lazily(masked)


def test_a_path_is_refused():
    with pytest.raises(InputError, match=r"got the path 'cells\.tif'"):
        segment("cells.tif")
    with pytest.raises(InputError, match=r"got the path 'cells\.tif'"):
        segment(Path("cells.tif"))


def test_a_list_of_planes_is_not_taken_for_a_pyramid():
    with pytest.raises(InputError, match="these 3 all have the shape"):
        segment([ANY, ANY, ANY])


@pytest.mark.parametrize("axes", [["Y", "X"], 2])
def test_axes_that_are_no_string_are_refused(axes):
    with pytest.raises(InputError, match="axes must be one string"):
        segment(ANY, axes)


@pytest.mark.parametrize("diameter", ["8 um", "19", "auto"])
@pytest.mark.parametrize(
    "given", [0.32, [0.3, 0.3], {"z": 2.0, "y": 0.5, "x": 0.5}, {"Y": "0.3", "X": 0.3}, {0: 1.0}]
)
def test_a_pixel_size_that_is_not_understood_is_refused(diameter, given):
    with pytest.raises(InputError, match=r"pixel_size must map some of .* got ") as refused:
        segment(ANY, diameter=diameter, pixel_size=given)
    assert repr(given) in str(refused.value)


def test_a_config_that_contradicts_the_network_is_refused(model_copy):
    path = model_copy / "config.json"
    config = json.loads(path.read_text())
    config["network"]["outputs"] = ["foreground"]
    path.write_text(json.dumps(config))

    with pytest.raises(ModelError, match=r"has 4 output channels, but its config\.json states 1"):
        segment(ANY, model=str(model_copy))


def test_a_config_that_contradicts_the_weights_is_refused(model_copy):
    path = model_copy / "config.json"
    config = json.loads(path.read_text())
    config["network"]["decoder_widths"][0] += 8
    path.write_text(json.dumps(config))

    with pytest.raises(ModelError, match=r"does not fit its config\.json"):
        segment(ANY, model=str(model_copy), engine="tensorflow")


@pytest.fixture
def model_copy(tmp_path):
    return shutil.copytree(bundled_folder() / "nuclei", tmp_path / "model")


@pytest.mark.parametrize("name", ["config.json", "hashes.json", "model.tflite"])
def test_a_model_folder_with_a_missing_file_is_refused(model_copy, name):
    (model_copy / name).unlink()

    with pytest.raises(ModelError, match=f"has no {name}"):
        segment(ANY, model=str(model_copy))


@pytest.mark.parametrize("engine", ["litert", "tensorflow"])
def test_a_model_folder_with_a_corrupt_file_is_refused(model_copy, engine):
    name = {"litert": "model.tflite", "tensorflow": "model.weights.h5"}[engine]
    (model_copy / name).write_bytes((model_copy / name).read_bytes()[:-100])

    with pytest.raises(ModelError, match=f"{name} is corrupt or was replaced"):
        segment(ANY, model=str(model_copy), engine=engine)


def test_a_file_that_is_no_network_is_refused_even_with_a_right_hash(model_copy):
    (model_copy / "model.tflite").write_bytes(b"not a network, but forty bytes of text..")
    hashes = json.loads((model_copy / "hashes.json").read_text())
    hashes["model.tflite"] = hashlib.sha256((model_copy / "model.tflite").read_bytes()).hexdigest()
    (model_copy / "hashes.json").write_text(json.dumps(hashes))

    with pytest.raises(ModelError, match="is not a LiteRT model"):
        segment(ANY, model=str(model_copy))


def test_a_replaced_model_is_loaded_anew_not_served_from_the_cache(model_copy):
    segment(ANY, model=str(model_copy), **DIAMETER)
    (model_copy / "model.tflite").write_bytes(b"broken")
    hashes = json.loads((model_copy / "hashes.json").read_text())
    hashes["model.tflite"] = "0" * 64
    (model_copy / "hashes.json").write_text(json.dumps(hashes))

    with pytest.raises(ModelError, match="corrupt or was replaced"):
        segment(ANY, model=str(model_copy), **DIAMETER)


def test_of_an_image_without_nuclei_no_diameter_is_estimated():
    noise = np.random.default_rng(0).poisson(100, (64, 64)).astype(np.uint16)
    result = segment(noise)
    assert result.count == 0
    assert result.record["diameter_estimated"] is False
    assert result.diameter == result.job.model.config.diameter
    assert result.messages == (
        "No nuclei were seen that could be measured, so they were searched for at "
        f"{result.diameter:.3g} px, the model's own diameter.",
    )
    assert segment(noise, diameter=20).messages == (
        "Nuclei were searched for at 20 px, the given diameter; if theirs may be another, try "
        "Diameter 'auto'.",
    )
