"""Correcting labels by hand: edits, what changed, what to look at, what was reviewed, autosave."""
