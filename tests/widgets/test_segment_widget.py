import json

import numpy as np
import pytest
from napari.layers import Image, Labels
from qtpy.QtWidgets import QApplication

import napari_nucseg
from napari_nucseg import segment
from napari_nucseg._opencv import cv2
from napari_nucseg.errors import InputError
from napari_nucseg.sample_data import histology_field
from napari_nucseg.widgets._correction import probability_of, source_of
from napari_nucseg.widgets._image_fit import caveat, image_of
from napari_nucseg.widgets._image_form import PLANE, SHAPES, WHOLE


@pytest.fixture
def bench(windowless_bench):
    return windowless_bench


def geometry(ndim):
    """Every transform that a layer can have, mixing only Y and X."""
    rotate, shear, affine = np.eye(ndim), np.eye(ndim), np.eye(ndim + 1)
    rotate[-2:, -2:] = [[0.8, -0.6], [0.6, 0.8]]
    shear[-2, -1] = 0.2
    affine[-3:-1, -3:-1] = [[1.1, 0.1], [0, 0.9]]
    affine[0, -1] = 12
    return {
        "scale": np.linspace(3, 0.5, ndim),
        "translate": np.arange(ndim) * 10.0,
        "rotate": rotate,
        "shear": shear,
        "affine": affine,
        "units": ["micrometer"] * ndim,
        "axis_labels": list("abcdefg"[:ndim]),
    }


CASES = {
    "YX": (lambda field, stack: field, {}),
    "ZYX": (lambda field, stack: stack, {}),
    "TYX": (lambda field, stack: stack, {}),
    "YXS": (lambda field, stack: histology_field((128, 160)).image, {}),
    "CZYX": (lambda field, stack: np.stack([stack[:2], stack[1:]]), {"channels": "1"}),
    "CYX": (lambda field, stack: stack, {}),
    "multiscale": (lambda field, stack: [field, field[::2, ::2]], {}),
}


@pytest.mark.parametrize("case", CASES)
def test_labels_are_those_of_segment_and_lie_on_the_image(docked_bench, field, stack, case):
    make, values = CASES[case]
    data = make(field, stack)
    rgb, multiscale = case == "YXS", case == "multiscale"
    axes = "YX" if multiscale else case
    ndim = len(axes.removesuffix("S"))
    image = docked_bench.viewer.add_image(
        data, rgb=rgb, multiscale=multiscale, name="cells", **geometry(ndim)
    )
    docked_bench.form.axes.value = axes
    docked_bench.set(**values)
    labels = docked_bench.run()

    channels = (1,) if values else ()
    expected = segment(data, axes, channels=channels)
    assert isinstance(labels, Labels)
    assert labels.name == "cells nuclei"
    assert expected.count > 0
    np.testing.assert_array_equal(labels.data, expected.labels)
    kept = [i for i in range(ndim) if axes[i] != "C"]
    square = np.ix_(kept, kept)
    shear = np.eye(ndim)
    shear[-2, -1] = 0.2
    np.testing.assert_allclose(labels.scale, image.scale[kept])
    np.testing.assert_allclose(labels.translate, image.translate[kept])
    np.testing.assert_allclose(labels.rotate, image.rotate[square])
    np.testing.assert_allclose(labels.shear, shear[square][np.triu_indices(len(kept), 1)])
    corner = np.ix_([*kept, ndim], [*kept, ndim])
    np.testing.assert_allclose(
        labels.affine.affine_matrix, np.asarray(image.affine.affine_matrix)[corner]
    )
    assert labels.units == tuple(image.units[i] for i in kept)
    assert labels.axis_labels == tuple(image.axis_labels[i] for i in kept)


def test_metadata_says_how_the_labels_came_about(bench, field):
    field = field.astype(np.float32)
    field[0, :3] = np.nan
    bench.viewer.add_image(field, name="cells", contrast_limits=(0, 1e4))
    bench.set(diameter="19", min_size=5)
    labels = bench.run()
    record = labels.metadata["napari_nucseg"]
    expected = segment(field, "YX", diameter="19", min_size=5)
    assert {k: v for k, v in record.items() if k in expected.record} == expected.record
    assert (record["source"], record["axes"]) == ("cells", "YX")
    assert record["version"] == napari_nucseg.__version__
    assert record["count"] == expected.count == len(np.unique(labels.data)) - 1
    assert record["seconds"]["total"] > 0
    assert record["messages"] == ["3 pixels are NaN or infinite and were taken as background."]
    json.dumps(record)


def test_status_says_what_was_found(bench, field):
    bench.viewer.add_image(field, scale=(0.5, 0.5), units=["um", "um"])
    bench.set(diameter="10 um")
    bench.run()
    count = segment(field, "YX", diameter="20").count
    assert bench.status.startswith(f"{count} nuclei in ")
    assert bench.status.endswith(" s (model nuclei, diameter 20 px, 10 µm, given)")


def test_this_plane_lies_on_that_plane(docked_bench, stack):
    image = docked_bench.viewer.add_image(stack, scale=(3, 1, 1), translate=(30, 0, 0))
    docked_bench.form.what.value = PLANE
    docked_bench.viewer.dims.set_point(0, 36)
    labels = docked_bench.run()
    np.testing.assert_array_equal(labels.data, segment(stack[2], "YX").labels[None])
    assert list(labels.translate) == [36, 0, 0]
    np.testing.assert_array_equal(labels.scale, image.scale)
    assert labels.metadata["napari_nucseg"]["plane"] == {"Z": 2}


def test_inside_the_shapes(bench, field):
    bench.viewer.add_image(field, name="cells")
    box = np.array([[20, 20], [20, 120], [110, 120], [110, 20]])
    bench.viewer.add_shapes([box], shape_type="rectangle", name="part")
    bench.form.what.value = SHAPES
    labels = bench.run()
    region = bench.form.request(bench.widget.params()).region
    assert 90 * 100 <= region.sum() <= 92 * 102
    np.testing.assert_array_equal(labels.data, segment(field, "YX", region=region).labels)
    assert labels.metadata["napari_nucseg"]["region"] == "part"
    assert 0 < labels.data.max() < segment(field, "YX").count


def test_probability_map(bench, field):
    bench.viewer.add_image(field, name="cells", scale=(2, 2))
    bench.set(probabilities=True)
    bench.run()
    layer = bench.viewer.layers["cells nuclei probability"]
    expected = segment(field, "YX", probabilities=True).probabilities
    np.testing.assert_array_equal(layer.data, expected)
    assert isinstance(layer, Image)
    assert layer.contrast_limits == [0, 1]
    assert (layer.blending, layer.colormap.name, list(layer.scale)) == ("additive", "magma", [2, 2])
    assert bench.form.image.value.name == "cells"
    bench.run()
    assert [la.name for la in bench.viewer.layers] == [
        "cells",
        "cells nuclei probability",
        "cells nuclei",
    ]


def test_results_of_two_images_that_had_one_name_are_told_apart(bench, field):
    first = bench.viewer.add_image(field, name="cells")
    bench.set(probabilities=True)
    labels = [bench.run()]
    first.name = "first"
    second = bench.viewer.add_image(field[::-1], name="cells")
    bench.viewer.layers.selection.active = second
    labels.append(bench.run())
    layers = bench.viewer.layers
    assert [layer.metadata["napari_nucseg"]["source"] for layer in labels] == ["cells", "cells"]
    assert [source_of(layer, layers) for layer in labels] == [first, second]
    assert [image_of(layer, layers)[0] for layer in labels] == [first, second]
    assert caveat(first, labels[0], image_of(labels[0], layers)[1]) == ""
    likely = [probability_of(layer, layers).data for layer in labels]
    for image, found in zip((field, field[::-1]), likely, strict=True):
        expected = segment(image, "YX", probabilities=True).probabilities
        np.testing.assert_array_equal(found, expected)
    layers.remove(probability_of(labels[0], layers))
    assert probability_of(labels[0], layers) is None
    layers.remove(second)
    again = bench.viewer.add_image(field[::-1], name="cells")
    assert source_of(labels[1], layers) is again


def test_probability_map_asked_for_later_lies_below_the_labels(bench, field):
    bench.viewer.add_image(field, name="cells")
    labels = bench.run()
    bench.set(probabilities=True)
    bench.run()
    assert bench.viewer.layers[-1] is labels
    assert bench.viewer.layers[-2].name == "cells nuclei probability"
    assert bench.viewer.layers.selection.active is labels


def test_chooser_follows_the_active_image_layer(bench, field):
    viewer = bench.viewer
    first, second = viewer.add_image(field, name="a"), viewer.add_image(field, name="b")
    assert bench.form.image.value is second
    viewer.layers.selection.active = first
    assert bench.form.image.value is first
    labels = viewer.add_labels(field.astype(int))
    assert viewer.layers.selection.active is labels
    assert bench.form.image.value is first
    assert list(bench.form.image.choices) == [first, second]
    first.name = "renamed"
    assert bench.form.image.value is first
    assert bench.form.image.current_choice == "renamed"


def test_only_open_choices_are_shown(docked_bench, field, stack):
    form, viewer = docked_bench.form, docked_bench.viewer
    docked_bench.dock.show()

    def hidden():
        rows = {"axes": form.axes, "channels": form.channels, "shapes": form.shapes}
        return {name for name, row in rows.items() if row.native.isHidden()}

    viewer.add_image(field)
    assert hidden() == {"axes", "channels", "shapes"}
    viewer.add_image(stack)
    assert hidden() == {"channels", "shapes"}
    assert list(form.what.choices) == [WHOLE, PLANE, SHAPES]
    form.axes.value = "CYX"
    form.what.value = SHAPES
    assert hidden() == set()


def test_channels_typed_for_another_image_are_not_used(bench, field, stack):
    bench.viewer.add_image(stack, name="multichannel")
    bench.form.axes.value = "CYX"
    bench.set(channels="2")
    bench.viewer.add_image(field, name="gray")

    assert bench.widget.params().channels == ()
    np.testing.assert_array_equal(bench.run().data, segment(field, "YX").labels)


def test_result_belongs_to_the_image_chosen_at_run(bench, field, stack, slow_network):
    begun, go_on = slow_network
    first = bench.viewer.add_image(field, name="first")
    bench.widget.run()
    bench.qtbot.waitUntil(begun.is_set)
    bench.viewer.add_image(stack, name="second")
    first.name = "first, renamed"
    go_on.set()
    bench.wait()
    labels = bench.viewer.layers["first, renamed nuclei"]
    np.testing.assert_array_equal(labels.data, segment(field, "YX").labels)


def test_copied_command_has_what_differs_from_the_defaults(bench, stack):
    bench.viewer.add_image(np.stack([stack, stack]), name="my cells")
    bench.form.axes.value = "CZYX"
    bench.set(diameter="19", min_size=30, channels="0, 1", drop_border=True)
    bench.widget.copy_button.native.click()
    assert QApplication.clipboard().text() == (
        "napari-nucseg segment 'my cells' --output nuclei --axes CZYX --diameter 19 "
        "--min-size 30 --drop-border --channels 0 --channels 1"
    )
    assert "put its path in place of its name" in bench.status


def test_a_length_is_copied_in_pixels(bench, field):
    bench.viewer.add_image(field, name="cells", scale=(0.5, 0.5), units="micrometer")
    bench.set(diameter="10 um")
    bench.widget.copy_button.native.click()
    assert QApplication.clipboard().text().endswith("--axes YX --diameter 20.0")


@pytest.mark.parametrize("relative", [False, True])
def test_copied_command_names_the_file(docked_bench, tmp_path, field, monkeypatch, relative):
    import tifffile

    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, field)
    monkeypatch.chdir(tmp_path)
    docked_bench.viewer.open("cells.tif" if relative else path, plugin="napari")
    docked_bench.widget.copy_command()
    text = QApplication.clipboard().text()
    assert text == f"napari-nucseg segment {path} --output nuclei --axes YX"
    assert "path" not in docked_bench.status.removeprefix(f"Copied: {text}")


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_copied_command_does_not_name_the_first_of_several_files(
    docked_bench, tmp_path, stack, suffix
):
    paths = [tmp_path / f"plane{z}{suffix}" for z in range(3)]
    for path, plane in zip(paths, stack, strict=True):
        cv2.imwrite(str(path), (plane // 256).astype(np.uint8))
    docked_bench.viewer.open(paths, stack=True, plugin="napari")
    assert docked_bench.viewer.layers[0].data.shape == stack.shape

    docked_bench.widget.copy_command()

    line = QApplication.clipboard().text()
    assert line == "napari-nucseg segment PATH_OF_THE_STACK.tif --output nuclei --axes ZYX"
    assert "is a stack of several files" in docked_bench.status


def test_axes_that_naparis_reader_leaves_out_are_those_of_the_file(docked_bench, tmp_path, stack):
    import tifffile

    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "TYX"})
    docked_bench.viewer.open(path, plugin="napari")
    assert docked_bench.form.axes.value == "TYX"
    docked_bench.widget.copy_command()
    assert QApplication.clipboard().text().endswith("--output nuclei --axes TYX")


def test_widget_is_narrow(docked_bench, field):
    docked_bench.viewer.add_image(field, name="x" * 200)
    docked_bench.dock.show()
    assert docked_bench.widget.native.sizeHint().width() <= 380


def test_bad_parameters_are_told_before_anything_runs(bench, field, notices):
    bench.viewer.add_image(field)
    bench.set(diameter="big")
    bench.run()
    assert len(bench.viewer.layers) == 1
    assert len(notices) == 1
    assert notices[0] == bench.status
    assert "expected 'auto', pixels such as '19'" in notices[0]
    with pytest.raises(InputError, match="got 'big'"):
        bench.widget.params()
    bench.set(diameter="20")
    assert bench.status == ""


def test_the_image_got_other_dimensions_before_the_run(bench, stack):
    image = bench.viewer.add_image(stack[0], name="cells")
    image.data = stack[:2]
    labels = bench.run()
    assert bench.form.axes.value == "ZYX"
    np.testing.assert_array_equal(labels.data, segment(stack[:2], "ZYX").labels)
    image.data = stack[0]
    bench.widget.copy_button.native.click()
    assert "--axes YX\n" in bench.status
