"""What ``napari-nucseg doctor`` looks at. Only what segmenting needs can be broken."""

import ctypes
import importlib
import os
import platform
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from importlib.util import find_spec

from napari_nucseg._native import native_messages_hidden
from napari_nucseg.cli._display import display_problem
from napari_nucseg.errors import NucsegError

DISTRIBUTION = "napari-nucseg"

IMPORTS = {
    "numpy": "numpy",
    "scipy": "scipy.ndimage",
    "cv2": "napari_nucseg._opencv",
    "tifffile": "tifffile",
    "imagecodecs": "imagecodecs",
    "ai_edge_litert": "ai_edge_litert.interpreter",
}
"""What segmenting needs and the module to import; some need libraries of the system."""

QT_BINDINGS = ("PyQt6", "PySide6", "PyQt5", "PySide2")

SYSTEM_LIBRARIES = {
    "libegl1": "libEGL.so.1",
    "libgl1": "libGL.so.1",
    "libglib2.0-0": "libglib-2.0.so.0",
    "libdbus-1-3": "libdbus-1.so.3",
    "libfontconfig1": "libfontconfig.so.1",
    "libxkbcommon0": "libxkbcommon.so.0",
    "libxkbcommon-x11-0": "libxkbcommon-x11.so.0",
    "libxcb-cursor0": "libxcb-cursor.so.0",
    "libxcb-icccm4": "libxcb-icccm.so.4",
    "libxcb-image0": "libxcb-image.so.0",
    "libxcb-keysyms1": "libxcb-keysyms.so.1",
    "libxcb-randr0": "libxcb-randr.so.0",
    "libxcb-render-util0": "libxcb-render-util.so.0",
    "libxcb-shape0": "libxcb-shape.so.0",
    "libxcb-xinerama0": "libxcb-xinerama.so.0",
    "libxcb-xkb1": "libxcb-xkb.so.1",
}
"""Debian and Ubuntu packages of what Qt's xcb platform loads, and the file that each brings."""

TILE = 256


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "BROKEN"


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    level: Level
    text: str


def check_versions() -> Iterator[Finding]:
    """Look up the versions of Python and of all requirements, without importing them."""
    yield Finding(Level.OK, f"Python {platform.python_version()} on {platform.platform()}")
    names = [DISTRIBUTION]
    for requirement in metadata.requires(DISTRIBUTION) or []:
        if ";" not in requirement:  # extras have a marker
            names.append(re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0])
    for name in names:
        try:
            yield Finding(Level.OK, f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            yield Finding(
                Level.WARNING, f"{name} is not installed; run: pip install --upgrade {DISTRIBUTION}"
            )


def check_imports() -> Iterator[Finding]:
    """Import what segmenting needs."""
    for name, module in IMPORTS.items():
        try:
            importlib.import_module(module)
        except ImportError as error:
            yield Finding(Level.BROKEN, f"{name} cannot be imported: {error}")
        else:
            yield Finding(Level.OK, name)


def check_models() -> Iterator[Finding]:
    """Check the hashes of each model and predict one tile with it.

    A bad model of the user's is a warning: the bundled ones still work.
    """
    try:
        from napari_nucseg.registry import bundled_folder, bundled_names, list_models

        if not bundled_names():
            yield Finding(
                Level.BROKEN,
                f"no bundled model in {bundled_folder()}; run: pip install --force-reinstall "
                f"--no-deps {DISTRIBUTION}",
            )
        for entry in list_models():
            found = _check_model(entry.name)
            if not entry.bundled and found.level is Level.BROKEN:
                found = Finding(Level.WARNING, found.text)
            yield found
    except ImportError as error:
        yield Finding(Level.BROKEN, f"cannot be checked: {error}")


def _check_model(name: str) -> Finding:
    import numpy as np

    from napari_nucseg.inference.engine import make_engine
    from napari_nucseg.registry import find_model

    try:
        model = find_model(name)
        size = model.config.fixed_size or TILE
        tile = np.zeros((size, size, 3), np.float32)
        hashes = {path.name: model.hashes[path.name] for path in (model.litert, model.weights)}
        engine = make_engine(model)
        with native_messages_hidden():
            engine.predict(tile)
            start = time.perf_counter()
            engine.predict(tile)
    except NucsegError as error:
        return Finding(Level.BROKEN, f"{name}: {error}")
    milliseconds = 1000 * (time.perf_counter() - start)
    digests = ", ".join(f"{file} {digest[:12]}" for file, digest in hashes.items())
    return Finding(
        Level.OK,
        f"{name} in {model.path}: {engine.name} predicts {size} x {size} pixels in "
        f"{milliseconds:.0f} ms; sha256 match: {digests}",
    )


def explain_gpu() -> Iterator[Finding]:
    """Say how to look for a GPU."""
    yield Finding(Level.OK, "not looked for; `napari-nucseg doctor --gpu` asks TensorFlow")


def check_gpu() -> Iterator[Finding]:
    """Ask TensorFlow for GPUs."""
    try:
        with native_messages_hidden():
            import tensorflow as tf

            devices = tf.config.list_physical_devices("GPU")
    except ImportError as error:
        yield Finding(Level.WARNING, f"TensorFlow cannot be imported: {error}")
        return
    for device in devices:
        details = tf.config.experimental.get_device_details(device)
        yield Finding(
            Level.OK, f"{details.get('device_name', device.name)}: use it by --engine tensorflow"
        )
    if not devices:
        yield Finding(Level.OK, "TensorFlow sees none; segmenting runs on the CPU by LiteRT")


def check_qt() -> Iterator[Finding]:
    """Look for Qt bindings, without importing them."""
    found = [name for name in QT_BINDINGS if find_spec(name) is not None]
    asked = os.environ.get("QT_API", "")
    if not found:
        yield Finding(
            Level.WARNING,
            f'none, so napari cannot open; run: pip install "{DISTRIBUTION}[all]"',
        )
    for name in found:
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:  # conda names its packages otherwise
            version = "of unknown version"
        yield Finding(Level.OK, f"{name} {version}")
    if asked and asked.lower() not in [name.lower() for name in found]:
        yield Finding(Level.WARNING, f"QT_API asks for {asked}, which is not installed")


def check_system_libraries() -> Iterator[Finding]:
    """Load the libraries that Qt and OpenGL need on Linux."""
    if sys.platform != "linux":
        yield Finding(Level.OK, f"none are needed on {platform.system()}")
        return
    missing = {p: file for p, file in SYSTEM_LIBRARIES.items() if not can_load(file)}
    if missing:
        yield Finding(Level.WARNING, f"missing: {', '.join(missing.values())}")
        yield Finding(
            Level.WARNING,
            f"on Debian or Ubuntu run: sudo apt-get install -y {' '.join(missing)}",
        )
    else:
        yield Finding(Level.OK, f"all {len(SYSTEM_LIBRARIES)} found")


def can_load(file: str) -> bool:
    """Tell whether the dynamic loader finds a library."""
    try:
        ctypes.CDLL(file)
    except OSError:
        return False
    return True


def check_display() -> Iterator[Finding]:
    """Look for a display."""
    problem = display_problem()
    if problem is None:
        yield Finding(Level.OK, "windows can be opened")
    else:
        yield Finding(
            Level.WARNING,
            f"none ({problem}): napari cannot open windows; "
            "segmenting and `napari-nucseg demo` work without one",
        )
