"""Where the bundled models lie: the one place that knows."""

from pathlib import Path

import napari_nucseg


def bundled_folder() -> Path:
    """Return the folder of the bundled models.

    A wheel carries it inside the package; a checkout (editable install) has it at its root.
    """
    package = Path(napari_nucseg.__file__).resolve().parent
    inside = package / "weights"
    return inside if inside.is_dir() else package.parents[1] / "weights"
