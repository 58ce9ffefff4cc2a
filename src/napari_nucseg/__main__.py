"""``python -m napari_nucseg`` is the same as ``napari-nucseg``."""

from napari_nucseg.cli import main

main()
