"""napari widgets: thin, they call `napari_nucseg.segment` and show what it returns."""
