"""One image: what comes back, and what must not matter."""

import json

import numpy as np
import pytest
from drawn_maps import same_nuclei

import napari_nucseg
from napari_nucseg import relabel, segment
from napari_nucseg.errors import Cancelled, InputError
from napari_nucseg.evaluation import match
from napari_nucseg.inference.instances import find_instances
from napari_nucseg.inference.left_out import LeftOut
from napari_nucseg.inference.maps import predict_plane
from napari_nucseg.params import SegmentParams
from napari_nucseg.registry import find_model

DIAMETER = {"diameter": "20"}


@pytest.fixture(scope="module")
def result(field):
    """Return the result with maps and probabilities."""
    return segment(field.image, keep_maps=True, probabilities=True, **DIAMETER)


def test_labels_are_consecutive_and_counted(field, result):
    assert result.labels.shape == field.image.shape
    assert result.labels.dtype == np.int32
    assert result.axes == "YX"
    assert result.count > 5
    np.testing.assert_array_equal(np.unique(result.labels), np.arange(result.count + 1))


def test_a_result_is_printed_in_one_line(result):
    seconds = result.seconds["total"]
    assert repr(result) == (
        f"SegmentationResult(count={result.count}, shape=(192, 224), axes='YX', diameter=20.0, "
        f"seconds={seconds:.1f})"
    )


def test_the_same_call_gives_the_same_labels(field, result):
    np.testing.assert_array_equal(segment(field.image, **DIAMETER).labels, result.labels)


def test_the_image_is_left_alone(field):
    before = field.image.copy()

    segment(field.image, **DIAMETER)

    np.testing.assert_array_equal(field.image, before)


def test_the_record_repeats_the_call(field, result):
    record = json.loads(json.dumps(result.record))

    assert record == result.record
    assert record["version"] == napari_nucseg.__version__
    assert record["model"] == "nuclei"
    assert record["model_sha256"] == find_model("nuclei").hashes["model.tflite"]
    assert record["engine"] == "litert"
    assert record["diameter_pixels"] == result.diameter == 20.0
    assert record["diameter_estimated"] is False
    again = segment(field.image, params=SegmentParams(**record["parameters"]))
    np.testing.assert_array_equal(again.labels, result.labels)


def test_an_estimated_diameter_is_reported_and_repeats_the_labels(field):
    estimated = segment(field.image)

    assert estimated.record["diameter_estimated"] is True
    assert json.loads(json.dumps(estimated.record))["diameter_pixels"] == estimated.diameter
    given = segment(field.image, diameter=str(estimated.diameter))
    np.testing.assert_array_equal(given.labels, estimated.labels)


def test_seconds_add_up(result):
    steps = [result.seconds[name] for name in ("prepare", "network", "instances")]

    assert all(seconds > 0 for seconds in steps)
    assert sum(steps) <= result.seconds["total"]


def test_probabilities_are_those_of_the_labels(field, result):
    probabilities = result.probabilities

    assert probabilities.shape == field.image.shape
    assert probabilities.dtype == np.float32
    assert probabilities.min() >= 0
    assert probabilities.max() <= 1
    # Nuclei are the pixels at or above the threshold, filled holes aside.
    assert (probabilities[result.labels > 0] >= 0.5).mean() > 0.99


def test_probabilities_and_maps_come_only_if_asked_for(field):
    plain = segment(field.image, **DIAMETER)

    assert plain.probabilities is None
    assert plain.maps == ()


@pytest.mark.parametrize("dtype", ["uint16", ">u2", "int32", "uint64", "float32", "float64"])
def test_the_dtype_does_not_matter(field, result, dtype):
    found = segment(field.image.astype(dtype), **DIAMETER)

    assert found.count == result.count
    assert (found.labels != result.labels).mean() < 1e-3


@pytest.mark.parametrize(("gain", "shift"), [(1e300, 0), (1e-300, 0), (1.0, 1e6), (-1e-3, 0)])
def test_scale_and_offset_of_the_intensities_do_not_matter(field, result, gain, shift):
    image = field.image.astype(np.float64)
    if gain < 0:  # negative values throughout
        gain, shift = -gain, -1e3
    found = segment(image * gain + shift, **DIAMETER)

    assert found.count == result.count
    assert (found.labels != result.labels).mean() < 2e-3


def test_a_gray_image_in_colour_gives_the_same_labels(coarse):
    gray = segment(coarse, **DIAMETER)
    rgb = np.stack([coarse] * 3, axis=-1)
    rgba = np.concatenate([rgb, np.full((*coarse.shape, 1), 255, np.uint8)], axis=-1)

    for colour in (segment(rgb, **DIAMETER), segment(rgba, "YXS", **DIAMETER)):
        assert colour.axes == "YX"
        np.testing.assert_array_equal(colour.labels, gray.labels)


def test_a_list_of_levels_is_a_pyramid_of_which_the_first_counts(field, result):
    levels = [field.image, field.image[::2, ::2], field.image[::4, ::4]]

    np.testing.assert_array_equal(segment(levels, **DIAMETER).labels, result.labels)


def test_nested_lists_are_an_image(coarse):
    np.testing.assert_array_equal(
        segment(coarse.tolist(), **DIAMETER).labels, segment(coarse.astype(int), **DIAMETER).labels
    )


def test_a_length_is_a_diameter_where_the_pixel_size_is_known(field, result):
    pixel_size = {"Y": 0.5, "X": 0.5, "Z": 3.0}
    found = segment(field.image, diameter="10 µm", pixel_size=pixel_size)

    assert found.diameter == pytest.approx(20.0)
    np.testing.assert_array_equal(found.labels, result.labels)
    for unknown in (None, {}, {"Z": 1.0}):
        with pytest.raises(InputError, match=r"no pixel size in Y and X; give .* in pixels"):
            segment(field.image, diameter="10 µm", pixel_size=unknown)
    only = r"has no pixel size in X, only in Y \(0\.5 micrometres\); give Pixel size in Y and X"
    with pytest.raises(InputError, match=only):
        segment(field.image, diameter="10 µm", pixel_size={"Y": 0.5})


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_nuclei_of_another_size_are_rescaled(field, factor):
    import cv2

    size = (int(224 * factor), int(192 * factor))
    image = cv2.resize(field.image, size, interpolation=cv2.INTER_AREA)
    truth = cv2.resize(
        field.labels.astype(np.float32), size, interpolation=cv2.INTER_NEAREST
    ).astype(np.int32)

    found = segment(image, diameter=str(20 * factor))

    assert found.labels.shape == image.shape
    assert found.record["scale"] != 1.0
    assert match(truth, found.labels, 0.5).average_precision > 0.75


def test_a_region_keeps_the_nuclei_whose_centre_lies_in_it(field, result):
    region = np.zeros(field.image.shape, bool)
    region[60:140, 70:180] = True

    found = segment(field.image, region=region, **DIAMETER)

    assert 0 < found.count < result.count
    for label in range(1, found.count + 1):
        rows, columns = np.nonzero(found.labels == label)
        assert region[round(rows.mean()), round(columns.mean())]
    # Those well inside are the same as without a region, but for what lies beyond the halo.
    inside = np.unique(result.labels[80:120, 90:160])
    for label in inside[inside > 0]:
        own = result.labels == label
        same = found.labels == np.bincount(found.labels[own]).argmax()
        assert found.labels[own].max() > 0
        assert (own & same).sum() > 0.95 * (own | same).sum()


def test_a_region_of_everything_changes_nothing(field, result):
    everything = np.ones(field.image.shape, bool)

    np.testing.assert_array_equal(
        segment(field.image, region=everything, **DIAMETER).labels, result.labels
    )


def test_parameters_come_at_once_or_one_by_one(field, result):
    params = SegmentParams(diameter="20")

    np.testing.assert_array_equal(segment(field.image, params=params).labels, result.labels)
    with pytest.raises(InputError, match="not both; got min_size too"):
        segment(field.image, params=params, min_size=3)


def test_both_engines_find_the_same_nuclei(field, result):
    found = segment(field.image, engine="tensorflow", **DIAMETER)

    assert found.record["engine"] == "tensorflow"
    assert found.count == result.count
    assert (found.labels != result.labels).mean() < 1e-3


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"foreground_threshold": 0.2},
        {"foreground_threshold": 0.9},
        {"splitting": 0.0},
        {"splitting": 1.0},
        {"min_size": 300},
        {"drop_border": True},
        {"foreground_threshold": 0.7, "splitting": 0.2, "min_size": 100, "drop_border": True},
    ],
)
def test_relabelling_equals_segmenting_anew(field, result, changes):
    fresh = segment(field.image, probabilities=True, **DIAMETER, **changes)

    changed = relabel(result, **changes)

    np.testing.assert_array_equal(changed.labels, fresh.labels)
    assert changed.count == fresh.count
    assert changed.record == fresh.record
    assert changed.maps is result.maps


def test_relabelling_keeps_region_and_planes(coarse):
    region = np.zeros(coarse.shape, bool)
    region[40:150, 30:160] = True
    stack = np.stack([coarse, coarse[::-1]])
    first = segment(stack, "ZYX", region=region, keep_maps=True, **DIAMETER)

    changed = relabel(first, splitting=0.1, min_size=50)

    fresh = segment(stack, "ZYX", region=region, splitting=0.1, min_size=50, **DIAMETER)
    np.testing.assert_array_equal(changed.labels, fresh.labels)


def test_relabelling_leaves_the_first_result_alone(result):
    before = result.labels.copy()

    relabel(result, min_size=500)

    np.testing.assert_array_equal(result.labels, before)


LEFT_OUT = (
    "{} nuclei were found and left out: all are less certain than Certainty 1; lower Certainty to "
    "keep them."
)
SEARCHED = (
    "Nuclei were searched for at 20 px, the given diameter; if theirs may be another, try Diameter "
    "'auto'."
)


@pytest.mark.parametrize("region", [False, True])
def test_where_certainty_leaves_no_nuclei_their_number_is_told(coarse, region):
    stack = np.stack([coarse, np.zeros_like(coarse), coarse[::-1]])
    region = None if not region else np.arange(coarse.size).reshape(coarse.shape) < 90 * 224
    options = {"region": region, "min_size": 20, **DIAMETER}
    every = segment(stack, "ZYX", certainty=0, keep_maps=True, **options)
    assert every.count > 3
    assert every.messages == ()

    fresh = segment(stack, "ZYX", certainty=1, **options)
    changed = relabel(every, certainty=1)

    assert fresh.count == changed.count == 0
    assert fresh.messages == changed.messages == (SEARCHED, LEFT_OUT.format(every.count))
    assert relabel(changed, certainty=0.7).messages == ()


def test_of_linked_nuclei_the_outlines_that_certainty_leaves_out_are_told(coarse):
    stack = np.stack([coarse, coarse])
    every = segment(stack, "ZYX", certainty=0, keep_maps=True, **DIAMETER)
    text = LEFT_OUT.format(every.count).replace("nuclei", "outlines in single planes")

    linked = relabel(every, certainty=1, link_depth=True)
    again = relabel(linked, link_gap=0)  # the same outlines

    assert linked.messages[:2] == again.messages[:2] == (SEARCHED, text)


def test_a_single_nucleus_that_certainty_leaves_out_is_told(field, result):
    centre = np.argwhere(result.labels == 8).mean(axis=0).astype(int)
    rows, columns = np.ogrid[: result.labels.shape[0], : result.labels.shape[1]]
    near = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < 25

    left = segment(field.image, region=near, certainty=1, **DIAMETER)

    assert left.messages[1] == (
        "1 nucleus was found and left out: it is less certain than Certainty 1; lower Certainty to "
        "keep it."
    )


def test_where_the_minimum_size_leaves_no_nuclei_their_number_is_told(coarse):
    stack = np.stack([coarse, np.zeros_like(coarse), coarse[::-1]])
    options = {"certainty": 0, **DIAMETER}
    every = segment(stack, "ZYX", keep_maps=True, **options)
    assert every.count > 3

    fresh = segment(stack, "ZYX", min_size=5000, **options)
    changed = relabel(every, min_size=5000)

    assert fresh.count == changed.count == 0
    assert fresh.messages == changed.messages
    assert fresh.messages[1] == (
        f"{every.count} nuclei were found and left out: all are smaller than Minimum size 5,000; "
        "lower Minimum size to keep them."
    )


def test_a_minimum_size_below_the_automatic_one_is_not_blamed(coarse):
    result = segment(coarse, min_size=2, certainty=1, **DIAMETER)
    assert "Minimum size" not in result.messages[1]
    assert "Certainty" in result.messages[1]
    assert (
        segment(np.zeros_like(coarse), min_size=5000, **DIAMETER)
        .messages[0]
        .startswith("The image is constant")
    )


def test_all_limits_are_told_with_what_each_leaves_out(result):
    areas = np.sort(np.bincount(result.labels.ravel())[1:])
    limit = int(areas[-3])  # the three largest are large enough
    assert areas[-4] < limit

    left = relabel(result, min_size=limit, certainty=1)

    every = relabel(result, certainty=0)
    assert left.messages[1] == (
        f"{every.count} nuclei were found and left out, each for one reason or more: "
        f"{every.count - 3} are smaller than Minimum size {limit}, all are less certain than "
        "Certainty 1; lower Minimum size and lower Certainty to keep them."
    )


def test_sentences_about_what_was_left_out():
    params = SegmentParams(min_size=4000, certainty=0.7, drop_border=True)
    assert LeftOut(1, small=1, cut=1).describe(params) == (
        "1 nucleus was found and left out: it is smaller than Minimum size 4,000, it is cut by the "
        "border of the image; lower Minimum size and turn off Drop border to keep it.",
    )
    assert LeftOut(1200, 1100, 1200, 1).describe(params) == (
        "1,200 nuclei were found and left out, each for one reason or more: 1,100 are smaller than "
        "Minimum size 4,000, all are less certain than Certainty 0.7, 1 is cut by the border of "
        "the image; lower Minimum size, lower Certainty and turn off Drop border to keep them.",
    )
    linked = params.model_copy(update={"link_time": True})
    first = "1 outline in single frames was found and left out: it is less"
    assert LeftOut(1, uncertain=1).describe(linked)[0].startswith(first)
    assert LeftOut().describe(params) == ()


def cut_nuclei():
    """Return an image with four round nuclei, each cut by another edge."""
    rows, columns = np.ogrid[:128, :128]
    distances = [
        np.hypot(rows - y, columns - x) for y, x in ((0, 50), (60, 127), (127, 70), (40, 2))
    ]
    noise = np.random.default_rng(1).normal(0, 2, (128, 128))
    return 20 + 100 / (1 + np.exp(np.min(distances, axis=0) - 10)) + noise


def test_where_the_border_cuts_all_nuclei_their_number_is_told():
    image = cut_nuclei()
    every = segment(image, keep_maps=True, **DIAMETER)
    assert every.count == 4

    fresh = segment(image, drop_border=True, **DIAMETER)

    assert fresh.count == 0
    assert fresh.messages[1] == (
        "4 nuclei were found and left out: all are cut by the border of the image; turn off Drop "
        "border to keep them."
    )
    assert relabel(every, drop_border=True).messages == fresh.messages


@pytest.mark.parametrize(
    ("limits", "reasons"),
    [
        ({"certainty": 1}, "all are less certain than Certainty 1, "),
        ({"min_size": 5000}, "all are smaller than Minimum size 5,000, "),
        (
            {"min_size": 5000, "certainty": 1},
            "all are smaller than Minimum size 5,000, all are less certain than Certainty 1, ",
        ),
    ],
)
def test_what_is_cut_and_left_out_for_something_else_too_is_told(limits, reasons):
    fresh = segment(cut_nuclei(), drop_border=True, keep_maps=True, **limits, **DIAMETER)
    assert fresh.count == 0
    assert f": {reasons}all are cut by the border of the image; lower" in fresh.messages[1]
    assert relabel(fresh, certainty=0.7, min_size=0, drop_border=False).count == 4


@pytest.mark.parametrize("axes", ["YX", "ZYX"])
def test_of_an_empty_result_a_given_diameter_is_told(field, axes):
    image = field.image[(None,) * (len(axes) - 2)]
    wrong = segment(image, axes, diameter="300", keep_maps=True)
    assert (wrong.count, wrong.messages) == (0, (SEARCHED.replace("20 px", "300 px"),))
    assert relabel(wrong, splitting=0.4).messages == wrong.messages
    assert segment(image, axes, **DIAMETER).messages == ()
    assert not any("searched" in text for text in segment(image, axes, min_size=9000).messages)
    assert len(segment(np.full((64, 64), 7), **DIAMETER).messages) == 1  # the image is constant


@pytest.mark.parametrize("name", ["diameter", "model", "channels", "probabilities"])
def test_relabelling_refuses_what_needs_the_network(result, name):
    with pytest.raises(InputError, match=f"^{name} cannot change without running the network"):
        relabel(result, **{name: "20"})


def test_relabelling_says_that_there_is_no_such_parameter(result):
    with pytest.raises(InputError, match="There is no parameter foo; only foreground_threshold, "):
        relabel(result, foo=1, diameter="20")


def test_relabelling_checks_bounds_and_needs_maps(field, result):
    with pytest.raises(InputError, match="splitting"):
        relabel(result, splitting=7)
    with pytest.raises(InputError, match="keep_maps=True"):
        relabel(segment(field.image, **DIAMETER), splitting=0.3)
    with pytest.raises(Cancelled):
        relabel(result, cancelled=lambda: True)


@pytest.mark.parametrize(("tile", "differing", "iou"), [(160, 0.003, 0.9), (192, 0.001, 0.95)])
def test_tiled_and_untiled_results_hold_the_same_nuclei(field, result, tile, differing, iou):
    job = result.job
    tiled = predict_plane(
        field.image[..., None], job.prepared, job.engine, tile=tile, halo=job.halo
    )

    labels = find_instances(tiled, job.model.config.network, job.params, job.diameter)

    assert labels.max() == result.count
    matching = match(result.labels, labels, iou)
    assert matching.true_positives == result.count
    # The network's strides fall on the same pixels; what differs is what lies beyond the halo.
    assert np.mean(labels.astype(bool) != result.labels.astype(bool)) < differing


def test_helpers_tell_nuclei_apart():
    first = np.array([[1, 1, 0, 2]])

    assert same_nuclei(first, np.array([[5, 5, 0, 1]]))
    assert not same_nuclei(first, np.array([[1, 1, 0, 1]]))
    assert not same_nuclei(first, np.array([[1, 2, 0, 3]]))
    assert not same_nuclei(first, np.array([[1, 1, 0, 0]]))
