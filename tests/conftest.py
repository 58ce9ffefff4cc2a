"""Set-up of the tests that open napari windows."""

import os

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


@pytest.fixture
def without_opengl(monkeypatch):
    """Answer what napari asks of OpenGL: Qt's offscreen platform has none, and nothing is drawn."""
    from vispy.gloo import gl

    answers = {gl.GL_EXTENSIONS: "", gl.GL_MAX_TEXTURE_SIZE: 16384}
    monkeypatch.setattr(gl, "glGetParameter", lambda name: answers.get(name, 2048))
