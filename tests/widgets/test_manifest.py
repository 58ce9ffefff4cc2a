from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from npe2 import PluginManifest

import napari_nucseg
from napari_nucseg.sample_data import SAMPLES
from napari_nucseg.widgets.correct_widget import CorrectWidget
from napari_nucseg.widgets.segment_widget import SegmentWidget

MANIFEST = PluginManifest.from_file(Path(napari_nucseg.__file__).with_name("napari.yaml"))
SEGMENT = ("Nucleus Segmentation", "Segment nuclei (Nucleus Segmentation)")
CORRECT = ("Nucleus Segmentation", "Correct nuclei (Nucleus Segmentation)")
SAMPLE_TITLES = {s.key: s.display_name for s in MANIFEST.contributions.sample_data}


def find_action(menu, *path):
    """The action under these titles, in the menus as a user sees them."""
    menu.aboutToShow.emit()
    for action in menu.actions():
        if action.text().replace("&", "") == path[0]:
            return action if len(path) == 1 else find_action(action.menu(), *path[1:])
    raise AssertionError(f"no '{path[0]}' in {[a.text() for a in menu.actions()]}")


def widgets_of(viewer):
    return [w for w in viewer.window.dock_widgets.values() if isinstance(w, SegmentWidget)]


@pytest.mark.parametrize("command", MANIFEST.contributions.commands, ids=lambda c: c.id)
def test_every_command_resolves(command):
    module, name = command.python_name.split(":")
    assert callable(getattr(import_module(module), name))


def test_every_contribution_names_a_command():
    parts = MANIFEST.contributions
    used = [w.command for w in parts.widgets] + [s.command for s in parts.sample_data]
    used += [item.command for items in parts.menus.values() for item in items]
    assert sorted(used) == sorted(command.id for command in parts.commands)


def test_root_manifest_is_the_packages(request):
    root = request.config.rootpath / "napari.yaml"
    assert root.read_text() == Path(napari_nucseg.__file__).with_name("napari.yaml").read_text()


def test_plugins_menu_opens_the_widget(without_opengl, make_napari_viewer):
    viewer = make_napari_viewer()
    find_action(viewer.window.plugins_menu, *SEGMENT).trigger()
    assert len(widgets_of(viewer)) == 1


def test_plugins_menu_opens_the_widget_for_correcting(without_opengl, make_napari_viewer):
    viewer = make_napari_viewer()
    find_action(viewer.window.plugins_menu, *CORRECT).trigger()
    (widget,) = viewer.window.dock_widgets.values()
    assert isinstance(widget, CorrectWidget)


def test_both_menus_open_the_same_widget(without_opengl, make_napari_viewer):
    viewer = make_napari_viewer()
    segment = find_action(viewer.window.layers_menu, "Segment", "Nuclei (Nucleus Segmentation)")
    segment.trigger()
    (widget,) = widgets_of(viewer)
    find_action(viewer.window.plugins_menu, *SEGMENT).trigger()
    segment.trigger()
    assert widgets_of(viewer) == [widget]
    assert not widget.native.parent().isHidden()


@pytest.mark.parametrize("key", SAMPLES)
def test_samples_open_from_the_menu(without_opengl, make_napari_viewer, key):
    viewer = make_napari_viewer()
    path = ("Open Sample", "Nucleus Segmentation", SAMPLE_TITLES[key])
    find_action(viewer.window.file_menu, *path).trigger()
    image, labels = viewer.layers
    sample = SAMPLES[key]()
    np.testing.assert_array_equal(image.data, sample.image)
    np.testing.assert_array_equal(labels.data, sample.labels)
    assert labels.name == "true nuclei"
    assert not labels.visible
    assert image.rgb == (key == "histology")
    for layer in (image, labels):
        letters = [name.upper() for name in layer.axis_labels]
        assert "".join(letters) == sample.axes.removesuffix("S")
        assert list(layer.scale) == [sample.pixel_size.get(axis, 1.0) for axis in letters]
        lengths = [str(unit) == "micrometer" for unit in layer.units]
        assert lengths == [axis in sample.pixel_size for axis in letters]
