"""Which parameters the results in a folder were made with: ``parameters.json``."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import napari_nucseg
from napari_nucseg.batch.work import Work
from napari_nucseg.errors import WriteError
from napari_nucseg.io.atomic import atomic_file
from napari_nucseg.model.folder import LITERT, ModelFolder

RECORD = "parameters.json"

KEY_LENGTH = 8
"""Hexadecimal digits that name parameters in the summary."""

_NO_EFFECT = ("probabilities", "model")
"""Parameters that do not change labels; the model's hash stands for the model."""


class EarlierRuns:
    """The parameters of earlier runs, by the key in the summary.

    Parameters
    ----------
    path : Path
        Of the JSON file: an object that maps keys to ``version``, ``model``, ``model_sha256``,
        ``axes``, ``pixel_size`` and ``parameters``.
    overwrite : bool
        Whether a file that is not one of ours is taken for none, as it is to be replaced.

    Raises
    ------
    WriteError
        The file is not one of ours, and is not to be replaced.
    """

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        self.path = path
        self._overwrite = overwrite
        self.read()

    def read(self) -> None:
        """Read the parameters of earlier runs, also those that ended since.

        Raises
        ------
        WriteError
            The file is not one of ours, and is not to be replaced.
        """
        self._known = _read(self.path, overwrite=self._overwrite)

    def made_with(self, key: str, switch: str) -> bool:
        """Tell whether results were made with a parameter on; no if it is unknown.

        So it is of entries of before keys told whether there were probabilities.
        """
        run = self._known.get(key)
        return run is not None and _key(run) == key and run["parameters"].get(switch) is True


class ParameterRecord(EarlierRuns):
    """The parameters of this run, and those of earlier ones.

    Parameters
    ----------
    path : Path
        See `EarlierRuns`.
    work : Work
        What is done; its `overwrite` says whether a file that cannot be read is replaced.
    model : ModelFolder

    Attributes
    ----------
    key : str
        Of this run.

    Raises
    ------
    WriteError
        The file is not one of ours, and is not to be replaced.
    """

    def __init__(self, path: Path, work: Work, model: ModelFolder) -> None:
        super().__init__(path, overwrite=work.overwrite)
        self._now: dict[str, Any] = {
            "version": napari_nucseg.__version__,
            "model": model.name,
            "model_sha256": model.hashes[LITERT],
            "axes": work.axes,
            "pixel_size": work.pixel_size,
            "parameters": work.params.model_dump(mode="json"),
        }
        self.key = _key(self._now)

    def difference(self, key: str) -> str:
        """Return what was different in an earlier run, ``""`` if nothing was or it is unknown."""
        if key == self.key or key not in self._known:
            return ""
        then, now = _effective(self._known[key]), _effective(self._now)
        if then == now:
            return ""
        changes = [
            f"{name} {_show(then[name])}, now {_show(now[name])}"
            for name in now
            if name in then and then[name] != now[name]
        ]
        return f"made with other parameters ({'; '.join(changes) or 'of another version'})"

    def write(self) -> None:
        """Add the parameters of this run.

        Raises
        ------
        WriteError
        """
        if self.key in self._known:
            return
        self._known[self.key] = self._now
        with atomic_file(self.path, overwrite=True) as file:
            file.write((json.dumps(self._known, indent=2) + "\n").encode())


def _read(path: Path, *, overwrite: bool) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
        if all(isinstance(one["parameters"], dict) for one in found.values()):
            return dict(found)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass  # what is said below
    if overwrite:
        return {}
    raise WriteError(
        f"{path} is not a record of parameters that napari-nucseg wrote; choose another Output, "
        "or Overwrite."
    )


def _key(run: Mapping[str, Any]) -> str:
    # With the same labels, but whether probabilities came with them is to be known later.
    keyed = {**_effective(run), "probabilities": run["parameters"].get("probabilities")}
    text = json.dumps(keyed, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


def _effective(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the labels depend on, by the name that a user sees."""
    parameters = dict(run["parameters"])
    if parameters.get("engine") == "auto":
        parameters["engine"] = "litert"  # what it is
    return {
        "version": run.get("version"),
        "model": f"{run.get('model')} {str(run.get('model_sha256'))[:KEY_LENGTH]}",
        "axes": run.get("axes"),
        "pixel_size": run.get("pixel_size"),
        **{name: value for name, value in parameters.items() if name not in _NO_EFFECT},
    }


def _show(value: Any) -> str:
    """Return a value as it is written in a shell."""
    if isinstance(value, list):
        return " ".join(map(str, value)) or "all"
    if isinstance(value, dict):
        return ",".join(f"{axis}={size:g}" for axis, size in value.items())
    return (
        "as stated" if value is None else f"{value:g}" if isinstance(value, float) else f"{value}"
    )
