"""``napari-nucseg demo`` without a display."""

import os
import subprocess
import sys
from types import SimpleNamespace

import cv2
import pytest

from napari_nucseg.cli import _demo
from napari_nucseg.errors import NucsegError


@pytest.fixture(autouse=True)
def no_display(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)


@pytest.mark.slow
def test_picture(tmp_path):
    """In a process of its own, as Qt's platform can be chosen only once."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("QT_")}
    done = subprocess.run(
        [sys.executable, "-m", "napari_nucseg", "demo"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    found, place, reason = done.stdout.splitlines()
    assert found.startswith("z-stack nuclei: ")
    assert 60 < int(found.split()[2].replace(",", "")) < 100  # linked in depth
    assert place == f"Picture: {tmp_path / 'napari-nucseg-demo.png'}"
    assert reason.startswith("There is no display")
    assert [path.name for path in tmp_path.iterdir()] == ["napari-nucseg-demo.png"]
    picture = cv2.imread(str(tmp_path / "napari-nucseg-demo.png"))
    outlines = (picture == _demo.OUTLINE[::-1]).all(axis=-1)
    assert outlines.sum() > 1000


def test_file_that_is_there_is_kept(run, tmp_path):
    path = tmp_path / "mine.png"
    path.write_text("mine")
    result = run("demo", "--screenshot", path)
    assert result.exit_code == 1
    assert result.stderr == f"{path} exists already; choose another --screenshot.\n"
    assert path.read_text() == "mine"


def test_folder_that_is_missing(run, tmp_path):
    result = run("demo", "--screenshot", tmp_path / "nowhere" / "x.png")
    assert result.exit_code == 1
    assert f"the folder {tmp_path / 'nowhere'} does not exist" in result.stderr


def test_a_run_that_does_not_start_is_not_waited_for():
    widget = SimpleNamespace(running=False, status=SimpleNamespace(value="no model"))
    with pytest.raises(NucsegError, match="The demo did not start: no model"):
        _demo._wait(widget)
