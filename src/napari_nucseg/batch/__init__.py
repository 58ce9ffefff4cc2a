"""Many images, segmented with the same parameters into one folder: for CLI, Python and GUI."""
