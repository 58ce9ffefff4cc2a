"""Stopping when the caller wants to: asked between tiles, planes, blocks or batches."""

from napari_nucseg._types import CancelCheck
from napari_nucseg.errors import Cancelled


def check_cancelled(
    cancelled: CancelCheck | None, message: str = "Segmenting was cancelled."
) -> None:
    """Raise Cancelled if `cancelled()` is true; a caller that never stops passes None."""
    if cancelled is not None and cancelled():
        raise Cancelled(message)
