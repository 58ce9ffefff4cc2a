"""Which image layer a result was made from.

Names change and are given anew, so layers are known by their ids while they are open; an image that
was closed and opened again has another id, and is known by its name.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from napari.layers import Image

SOURCE, SOURCE_ID = "source", "source_id"
"""Keys in the record of a result: name and id of the image layer."""


def find_source(record: Mapping[str, Any], images: Iterable[Image]) -> Image | None:
    """Return the image layer that a result was made from, else the one of its name."""
    images = list(images)
    known = [image for image in images if str(image.unique_id) == record.get(SOURCE_ID)]
    named = [image for image in images if image.name == record.get(SOURCE)]
    return next(iter([*known, *named]), None)


def same_source(record: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether two results were made from one image layer."""
    key = SOURCE_ID if SOURCE_ID in record and SOURCE_ID in other else SOURCE
    return key in record and record[key] == other.get(key)
