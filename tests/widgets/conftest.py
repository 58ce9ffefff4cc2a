import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager

from napari_nucseg.sample_data import fluorescence_field
from napari_nucseg.widgets.segment_widget import SegmentWidget

TIMEOUT = 60_000


@pytest.fixture(scope="session")
def field():
    """A small fluorescence image (Y, X), uint16."""
    return fluorescence_field((160, 192), seed=3).image


@pytest.fixture(scope="session")
def stack(field):
    """Three planes (Z, Y, X) that differ."""
    return np.stack([field, field[::-1], field[:, ::-1]])


@pytest.fixture
def notices():
    """The texts of the notifications that napari showed during a test."""
    texts = []

    def note(notification):
        texts.append(notification.message)

    notification_manager.notification_ready.connect(note)
    yield texts
    notification_manager.notification_ready.disconnect(note)


class Bench:
    """A viewer and the widget."""

    def __init__(self, viewer, widget, qtbot, dock=None):
        self.viewer, self.widget, self.qtbot, self.dock = viewer, widget, qtbot, dock

    def run(self):
        """Press Run, wait until it is done, return the active layer."""
        self.widget.run_button.native.click()
        self.wait()
        return self.viewer.layers.selection.active

    def wait(self):
        def idle():
            return not self.widget.running and not self.widget.updating

        self.qtbot.waitUntil(idle, timeout=TIMEOUT)

    def set(self, **values):
        for name, value in values.items():
            self.widget.fields[name].value = value

    @property
    def form(self):
        return self.widget.image_form

    @property
    def status(self):
        return self.widget.status.value


@pytest.fixture
def docked_bench(without_opengl, make_napari_viewer, qtbot):
    """The widget docked in a real window."""
    viewer = make_napari_viewer()
    dock, widget = viewer.window.add_plugin_dock_widget("napari-nucseg", "Segment nuclei")
    return Bench(viewer, widget, qtbot, dock)


@pytest.fixture
def windowless_bench(qtbot):
    """The real widget on napari's real layers, without the window, which takes a second to make."""
    viewer = ViewerModel()
    widget = SegmentWidget(viewer)
    qtbot.addWidget(widget.native)
    return Bench(viewer, widget, qtbot)


@pytest.fixture
def slow_network(monkeypatch):
    """Let the network wait in the first tile of an image; returns (has begun, may go on)."""
    import threading

    from napari_nucseg.inference.engine import LiteRTEngine
    from napari_nucseg.preprocessing.tiling import STRIDE

    begun, go_on = threading.Event(), threading.Event()
    predict = LiteRTEngine.predict

    def wait_and_predict(self, tile):
        if tile.shape[0] > STRIDE:  # not the check of the model
            begun.set()
            go_on.wait(60)
        return predict(self, tile)

    monkeypatch.setattr(LiteRTEngine, "predict", wait_and_predict)
    yield begun, go_on
    go_on.set()


@pytest.fixture
def prompt_corrector(monkeypatch):
    """Count and save without the delays that a user's hands need."""
    from napari_nucseg.widgets import _corrector

    for delay in ("SETTLE", "SAVE_SOON", "SAVE_LATER"):
        monkeypatch.setattr(_corrector, delay, 0)


@pytest.fixture
def correcting(qtbot, prompt_corrector):
    """The widget for correcting on napari's real layers, without the window."""
    from correcting import Correcting

    from napari_nucseg.widgets.correct_widget import CorrectWidget

    viewer = ViewerModel()
    widget = CorrectWidget(viewer)
    qtbot.addWidget(widget.native)
    yield Correcting(viewer, widget, qtbot)
    qtbot.waitUntil(lambda: not widget.busy, timeout=TIMEOUT)
