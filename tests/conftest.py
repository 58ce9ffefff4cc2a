"""Set-up of all tests: own models, and windows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


@pytest.fixture(autouse=True)
def own_models(tmp_path, monkeypatch):
    """The folder of the user's models, which is not that of who runs the tests."""
    folder = tmp_path / "models"
    monkeypatch.setenv("NAPARI_NUCSEG_MODELS", str(folder))
    return folder


@pytest.fixture
def without_opengl(monkeypatch):
    """Answer what napari asks of OpenGL: Qt's offscreen platform has none, and nothing is drawn."""
    from vispy.gloo import gl

    answers = {gl.GL_EXTENSIONS: "", gl.GL_MAX_TEXTURE_SIZE: 16384}
    monkeypatch.setattr(gl, "glGetParameter", lambda name: answers.get(name, 2048))


@pytest.fixture(autouse=True)
def state_folder(tmp_path_factory, monkeypatch):
    """Keep autosaved corrections and the like out of the user's folders."""
    folder = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("NAPARI_NUCSEG_STATE", str(folder))
    return folder


@pytest.fixture
def forbid_reading(monkeypatch):
    """Return a function after which files directly in folders of this name cannot be read."""

    def forbid(folder):
        read = Path.read_bytes

        def refuse(path):
            if path.parent.name == folder:
                raise PermissionError(13, "Permission denied")
            return read(path)

        monkeypatch.setattr(Path, "read_bytes", refuse)

    return forbid


HOLD = """
import pathlib, sys
from napari_nucseg.io.lock import take_lock
lock = take_lock(pathlib.Path(sys.argv[1]), "", "")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other(lock_path):
    """Another process that has the lock which the test module's fixture `lock_path` names."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()
