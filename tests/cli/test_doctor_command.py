"""``napari-nucseg doctor``: only what segmenting needs makes it fail."""

import shutil
import socket
import sys

import pytest

from napari_nucseg.cli import _checks, _display
from napari_nucseg.registry import bundled_folder, catalog


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A copy of the bundled models."""
    folder = tmp_path / "weights"
    shutil.copytree(bundled_folder(), folder)
    monkeypatch.setattr(catalog, "bundled_folder", lambda: folder)
    return folder


def test_all_is_well(run):
    result = run("doctor")
    assert result.exit_code == 0
    assert "ok      napari-nucseg 0." in result.stdout
    assert "ok      tensorflow 2." in result.stdout
    assert "ok      nuclei in " in result.stdout
    assert "litert predicts 256 x 256 pixels in" in result.stdout
    assert "sha256 match: model.tflite" in result.stdout
    assert "BROKEN" not in result.stdout
    assert result.stdout.endswith("Segmenting works.\n")


@pytest.mark.parametrize("name", ["model.tflite", "model.weights.h5", "hashes.json"])
def test_damaged_model(run, models, name):
    path = models / "nuclei" / name
    path.write_bytes(path.read_bytes()[:-5])
    result = run("doctor")
    assert result.exit_code == 1
    assert f"BROKEN  nuclei: {path} is " in result.stdout
    assert result.stdout.endswith("1 check failed: segmenting does not work here.\n")


def test_no_models(run, models):
    shutil.rmtree(models)
    result = run("doctor")
    assert result.exit_code == 1
    assert "BROKEN  no bundled model in " in result.stdout


def test_library_that_cannot_be_imported(run, monkeypatch):
    monkeypatch.setattr(_checks, "IMPORTS", {"numpy": "numpy", "cv2": "no_such_module"})
    result = run("doctor")
    assert result.exit_code == 1
    assert "BROKEN  cv2 cannot be imported: No module named" in result.stdout


def test_missing_system_libraries_are_named_by_package(run, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(_checks, "can_load", lambda file: "xcb-cursor" not in file)
    result = run("doctor")
    assert result.exit_code == 0
    assert "warning missing: libxcb-cursor.so.0\n" in result.stdout
    assert "run: sudo apt-get install -y libxcb-cursor0\n" in result.stdout


def test_libraries_are_looked_up():
    assert not _checks.can_load("libno_such_library.so.0")


def test_no_qt_binding(run, monkeypatch):
    monkeypatch.setattr(_checks, "find_spec", lambda name: None)
    result = run("doctor")
    assert result.exit_code == 0
    assert 'warning none, so napari cannot open; run: pip install "napari-nucseg[all]"' in (
        result.stdout
    )


def test_qt_binding_that_is_asked_for_and_missing(run, monkeypatch):
    monkeypatch.setattr(_checks, "find_spec", lambda name: name if name == "PyQt6" else None)
    monkeypatch.setenv("QT_API", "pyside6")
    assert "warning QT_API asks for pyside6, which is not installed" in run("doctor").stdout


@pytest.mark.parametrize(
    ("display", "text"),
    [
        ("", "warning none (DISPLAY and"),
        (":4321", "warning none (no display answers at DISPLAY=:4321)"),
        ("nonsense", "warning none (no display answers"),
        (":4322.0", "windows can be opened"),
    ],
)
def test_display(run, monkeypatch, tmp_path, display, text):
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "X4322"))
    server.listen()
    monkeypatch.setattr(_display, "SOCKETS", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    result = run("doctor")
    assert result.exit_code == 0
    assert text in result.stdout


def test_requirement_that_is_not_installed(run, monkeypatch):
    monkeypatch.setattr(_checks.metadata, "requires", lambda name: ["no-such-thing>=1", "x; extra"])
    result = run("doctor")
    assert result.exit_code == 0
    assert "warning no-such-thing is not installed" in result.stdout


def test_gpu(run):
    result = run("doctor", "--gpu")
    assert result.exit_code == 0
    section = result.stdout.partition("\nGPU\n")[2].splitlines()[0]
    assert section.startswith("  ok ")
    assert "not looked for" not in section
    assert "not looked for; `napari-nucseg doctor --gpu`" in run("doctor").stdout
