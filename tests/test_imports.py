"""Imports point one way, and importing stays light."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml

import napari_nucseg

PACKAGE = Path(napari_nucseg.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))

LAYERS = (
    {
        *{"params", "finetune_params", "axes", "cancelling"},
        *{"command_line", "counted", "errors", "frozen"},
        *{"_native", "_opencv", "_types"},
    },
    {"preprocessing", "linking"},
    {"model"},
    {"inference", "training", "evaluation", "correction", "registry", "io", "sample_data"},
    {"cluster"},
    {"batch", "large"},
    {"widgets", "cli", "__main__"},
)
"""From the lowest to the highest; each may import itself and what is below."""

LEARNING, WINDOWS = {"tensorflow", "keras"}, {"napari", "magicgui", "qtpy"}
HEAVY = LEARNING | WINDOWS | {"matplotlib", "PyQt6", "PyQt5", "PySide6", "PySide2"}


def name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def layer(part: str) -> int:
    return next(i for i, parts in enumerate(LAYERS) if part in parts)


def imported(tree: ast.AST) -> Iterator[str]:
    """Return the full names of the modules imported anywhere below a node."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield f"{node.module}"
            if node.module == "napari_nucseg":
                yield from (f"napari_nucseg.{alias.name}" for alias in node.names)


def imported_when_loaded(tree: ast.Module) -> set[str]:
    """Return the top-level packages that importing a module imports itself."""
    found: set[str] = set()
    for node in tree.body:
        checked = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if not checked and not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.update(module.partition(".")[0] for module in imported(node))
    return found


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_layers(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own == "__init__":  # the lazy public API
        return
    for module in imported(ast.parse(path.read_text(encoding="utf-8"))):
        package, _, rest = module.partition(".")
        part = rest.partition(".")[0]
        if package == "napari_nucseg" and part and (PACKAGE / part).with_suffix(".py") != path:
            is_module = (PACKAGE / part).is_dir() or (PACKAGE / f"{part}.py").is_file()
            assert not is_module or layer(part) <= layer(own), f"{name(path)} imports {module}"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_heavy_libraries_stay_where_they_belong(path):
    found = imported_when_loaded(ast.parse(path.read_text(encoding="utf-8")))
    part = path.relative_to(PACKAGE).parts[0]
    light_model = name(path) in ("model/config.py", "model/folder.py", "model/__init__.py")
    if part not in ("model", "training") or light_model:
        assert not found & LEARNING
    if part != "widgets":
        assert not found & WINDOWS
    if part != "training":
        assert "matplotlib" not in found


LONGEST = 60
"""Lines of a function, without its docstring and its signature, which list parameters."""


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_functions_are_short(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            described = len((ast.get_docstring(node, clean=False) or "").splitlines())
            lines = (node.end_lineno or 0) - node.body[0].lineno + 1 - described
            assert lines <= LONGEST, node.name


def loaded_by(code: str, *arguments: str) -> set[str]:
    """Run code in a new process and return the top-level packages that it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return {module.partition(".")[0] for module in done.stdout.split()}


def test_importing_the_package_is_light():
    loaded = loaded_by("import napari_nucseg")
    assert not loaded & (HEAVY | {"numpy", "scipy", "cv2", "pydantic", "typer"})


def test_segmenting_loads_neither_tensorflow_nor_qt(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", np.eye(64, dtype=np.uint8))
    code = "from napari_nucseg.cli import make_app\nmake_app()(standalone_mode=False)"
    loaded = loaded_by(
        code, "segment", str(tmp_path / "x.tif"), "--output", str(tmp_path / "results")
    )
    assert (tmp_path / "results" / "x_labels.tif").is_file()
    assert "ai_edge_litert" in loaded
    assert not loaded & HEAVY


def test_package_is_typed():
    assert (PACKAGE / "py.typed").is_file()


MANIFEST = yaml.safe_load((PACKAGE / "napari.yaml").read_text(encoding="utf-8"))
COMMANDS = {c["id"]: c["python_name"] for c in MANIFEST["contributions"]["commands"]}


@pytest.mark.parametrize("command", COMMANDS)
def test_manifest_commands_exist(command):
    module, _, attribute = COMMANDS[command].partition(":")
    assert callable(getattr(import_module(module), attribute))
