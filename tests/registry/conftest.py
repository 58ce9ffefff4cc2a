"""A model of a few kilobytes: a good folder whose network cannot run."""

import pytest

from napari_nucseg.model.config import ModelConfig, NetworkConfig
from napari_nucseg.model.folder import CARD, LITERT, WEIGHTS, write_config, write_hashes
from napari_nucseg.registry import archive


@pytest.fixture
def source(tmp_path):
    """The folder of the model 'tiny', as a training writes it."""
    folder = tmp_path / "training"
    folder.mkdir()
    (folder / WEIGHTS).write_bytes(bytes(range(256)) * 20)
    (folder / LITERT).write_bytes(bytes(range(255, -1, -1)) * 10)
    (folder / CARD).write_text("# tiny\n")
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "state.json").write_text("{}")
    config = ModelConfig(
        name="tiny", network=NetworkConfig(), diameter=20.0, diameter_range=(10.0, 40.0)
    )
    write_config(folder, config)
    write_hashes(folder)
    return folder


@pytest.fixture
def untried(monkeypatch):
    """Take it for granted that networks run."""
    monkeypatch.setattr(archive, "check_runs", lambda folder: None)


@pytest.fixture
def changes():
    """What `registry.changed` told."""
    from napari_nucseg.registry import changed

    told = []

    def note(old, new):
        told.append((old, new))

    changed.connect(note)
    yield told
    changed.disconnect(note)
