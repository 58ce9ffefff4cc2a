"""What the widget says."""

from collections.abc import Mapping

from napari.utils.notifications import show_error, show_warning

from napari_nucseg.inference.segment import SegmentationResult

__all__ = [
    "CANCELLED",
    "CLOSED",
    "NO_IMAGE",
    "NO_SHAPES",
    "command_copied",
    "edited",
    "failed",
    "model_lost",
    "not_kept",
    "show_error",
    "show_warning",
    "source_removed",
    "summary",
]

NO_IMAGE = "Open an image first, then press Run: there is no image layer to segment."
CANCELLED = "Cancelled; nothing was changed."
NO_SHAPES = "Add a shapes layer and draw a rectangle, an ellipse or a polygon in it."
CLOSED = "The widget was closed."


def summary(result: SegmentationResult, pixel_size: Mapping[str, float]) -> str:
    """Return what was found, e.g. ``412 nuclei in 0.8 s (model nuclei, diameter 19 px)``."""
    noun = "nucleus" if result.count == 1 else "nuclei"
    facts = [f"model {result.record['model']}", f"diameter {result.diameter:.3g} px"]
    if "Y" in pixel_size and "X" in pixel_size:
        size = (pixel_size["Y"] * pixel_size["X"]) ** 0.5
        facts.append(f"{result.diameter * size:.3g} µm")
    facts.append("estimated" if result.record["diameter_estimated"] else "given")
    found = f"{result.count:,} {noun} in {result.seconds['total']:.1f} s ({', '.join(facts)})"
    return "\n".join([found, *result.messages])


def not_kept(size: float) -> str:
    """Return why the sliders do not act live."""
    return (
        f"The network's maps would take {size / 1e9:.1f} GB and were not kept: press Run after "
        "changing settings."
    )


def edited(name: str) -> str:
    """Return why live updates stopped."""
    return (
        f"'{name}' was edited by hand or removed, so the sliders no longer change it; Run adds a "
        "new layer."
    )


def source_removed(name: str) -> str:
    """Return why a run's result is not shown."""
    return f"'{name}' was removed while it was being segmented, so the result was dropped."


def source_changed(name: str) -> str:
    """Return why a run's result is not shown."""
    return (
        f"'{name}' got an image of another shape while it was being segmented, so the result was "
        "dropped; press Run again."
    )


def model_lost(name: str, chosen: str) -> str:
    """Return what happened to the choice of a model."""
    return f"The model '{name}' is no longer there; '{chosen}' is chosen now."


def failed(what: str, error: BaseException) -> str:
    """Return the status after an error that nobody expected."""
    return f"{what} failed: {type(error).__name__}: {error}"


def command_copied(line: str, *, has_path: bool, part: bool) -> str:
    """Return the status after the command was copied."""
    text = [f"Copied: {line}"]
    if not has_path:
        text.append("The image has no file; put its path in place of its name.")
    if part:
        text.append("The command segments the whole image, not the part chosen here.")
    return "\n".join(text)
