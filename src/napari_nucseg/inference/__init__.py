"""From an image to labels: `segment` and its steps."""
