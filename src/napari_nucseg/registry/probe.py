"""Tries a model that may come from anyone, in a process of its own.

LiteRT and HDF5 are large C and C++ libraries. A file made or damaged to break them can make them
crash or never return; then only the other process does.
"""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from napari_nucseg.errors import ModelError, NucsegError
from napari_nucseg.model.folder import LITERT, WEIGHTS, ModelFolder, open_model
from napari_nucseg.preprocessing.tiling import STRIDE
from napari_nucseg.registry.litert_file import check_numbers
from napari_nucseg.registry.weights_file import check_weights

TIMEOUT = 60
"""Seconds that a try may take; it usually takes less than one."""

MAX_INPUT = 2048
"""Pixels of a fixed input size at most."""
MAX_MEMORY = 32 << 30
"""Bytes of address space that a try may take, where the system can limit it."""

REFUSED = 3
"""Exit code: the model is not good, stdout says why."""

CODE = "import sys; from napari_nucseg.registry.probe import main; sys.exit(main(sys.argv[1]))"
"""What the other process runs."""


def check_runs(folder: Path) -> None:
    """Check that a model's network can be run, and what numbers its two large files hold.

    Raises
    ------
    ModelError
    """
    command = [sys.executable, "-P", "-c", CODE, str(folder)]  # -P: nothing of the working folder
    hidden = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # Windows would open a console
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT,
            creationflags=hidden,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(
            f"{folder / LITERT} was stopped: trying it took more than {TIMEOUT} s."
        ) from error
    except OSError as error:
        raise ModelError(
            f"The model in {folder} cannot be tried: Python cannot be started as "
            f"'{sys.executable}' ({error.strerror or error})."
        ) from error
    if done.returncode == REFUSED:
        raise ModelError(done.stdout.decode(errors="replace").strip())
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise ModelError(
            f"{folder / LITERT} or {WEIGHTS} crashed the process that tried it (exit code "
            f"{done.returncode}{''.join(f': {line[:200]}' for line in last)})."
        )


def run_once(model: ModelFolder) -> None:
    """Predict tiles of nothing; two sizes, where any size must do.

    Raises
    ------
    ModelError, EngineError
    """
    import numpy as np

    from napari_nucseg.inference.engine import LiteRTEngine

    config = model.config
    if config.fixed_size is not None and config.fixed_size > MAX_INPUT:
        raise ModelError(
            f"The config.json in {model.path} states an input of {config.fixed_size} pixels; at "
            f"most {MAX_INPUT} are supported."
        )
    engine = LiteRTEngine(model, threads=1)
    sizes = [config.fixed_size] if config.fixed_size else [STRIDE, 2 * STRIDE]
    for size in sizes:
        found = engine.predict(np.zeros((size, size, 3), np.float32))
        expected = (size, size, config.network.channels)
        if found.shape != expected:
            raise ModelError(
                f"{model.litert} turns a tile of {size} x {size} pixels into an array of shape "
                f"{found.shape}, expected {expected}."
            )


def _limit_memory() -> None:
    """Have a file that claims enormous arrays fail rather than fill the memory."""
    try:
        import resource
    except ImportError:  # Windows
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = MAX_MEMORY if hard == resource.RLIM_INFINITY else min(hard, MAX_MEMORY)
    with suppress(ValueError, OSError):  # macOS refuses
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def main(folder: str) -> int:
    """Try the model in a folder; the exit code tells the parent process what happened."""
    _limit_memory()
    try:
        model = open_model(Path(folder))
        run_once(model)
        check_numbers(model.litert)
        check_weights(model.weights, model.config.network)
    except NucsegError as error:
        sys.stdout.buffer.write(str(error).encode())
        return REFUSED
    return 0
