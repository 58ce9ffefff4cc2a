"""What the widget says."""

from collections.abc import Mapping
from typing import Any

from napari.utils.notifications import show_warning

from napari_nucseg.counted import counted_nuclei
from napari_nucseg.inference.result import SegmentationResult
from napari_nucseg.large.result import LargeResult

__all__ = [
    "CANCELLED",
    "CLOSED",
    "GOES_ON",
    "NO_IMAGE",
    "NO_SHAPES",
    "command_copied",
    "edited",
    "failed",
    "labels_locked",
    "labels_removed",
    "large_cancelled",
    "large_summary",
    "model_lost",
    "no_pixel_size",
    "not_kept",
    "show_warning",
    "source_changed_large",
    "source_removed",
    "source_removed_large",
    "summary",
]

NO_IMAGE = "Open an image first, then press Run: there is no image layer to segment."
CANCELLED = "Cancelled; nothing was changed."
NO_SHAPES = "Add a shapes layer and draw a rectangle, an ellipse or a polygon in it."
CLOSED = "The widget was closed."
_NO_LONGER = "so the sliders no longer change it; Run adds a new layer."
GOES_ON = "\nGoing on with an unfinished run: what was finished is not done again."


def summary(result: SegmentationResult, pixel_size: Mapping[str, float]) -> str:
    """Return what was found, e.g. ``412 nuclei in 0.8 s (model nuclei, diameter 19 px)``."""
    return "\n".join([_found(result, result.seconds["total"], pixel_size), *result.messages])


def large_summary(result: LargeResult, pixel_size: Mapping[str, float]) -> str:
    """Return what was found in blocks, where it is, and how it is corrected."""
    return "\n".join(
        [
            _found(result, result.seconds, pixel_size),
            *result.messages,
            f"The labels are on disk: {result.path}. To correct a part, draw a shape around it and "
            "segment 'inside the shapes', which gives labels that can be edited.",
        ]
    )


def large_cancelled(target: str) -> str:
    """Return what becomes of a run in blocks that was stopped."""
    return f"Cancelled; finished blocks are kept beside {target}, and Run goes on with the others."


def _found(
    result: SegmentationResult | LargeResult, seconds: float, pixel_size: Mapping[str, float]
) -> str:
    facts = [f"model {result.record['model']}", f"diameter {result.diameter:.3g} px"]
    if "Y" in pixel_size and "X" in pixel_size:
        size = (pixel_size["Y"] * pixel_size["X"]) ** 0.5
        facts.append(f"{result.diameter * size:.3g} µm")
    facts.append(_origin_of_diameter(result.record))
    found = counted_nuclei(result.count, in_time=result.record["parameters"]["link_time"])
    return f"{found} in {seconds:.1f} s ({', '.join(facts)})"


def _origin_of_diameter(record: Mapping[str, Any]) -> str:
    if record["diameter_estimated"]:
        return "estimated"
    return "the model's own" if record["parameters"]["diameter"] == "auto" else "given"


def no_pixel_size(name: str, diameter: str) -> str:
    """Return why a diameter cannot be a length, and where napari keeps what a pixel measures."""
    return (
        f"diameter '{diameter}' is a length, but '{name}' has no pixel size in Y and X. Give the "
        "diameter in pixels, such as '19'; or set the layer's scale, one number per axis, and its "
        f"units: in napari's console, with layer = viewer.layers[{name!r}]; layer.scale = [0.32, "
        "0.32]; layer.units = 'micrometer'."
    )


def not_kept(size: float) -> str:
    """Return why the sliders do not act live."""
    return (
        f"The network's maps would take {size / 1e9:.1f} GB and were not kept: press Run after "
        "changing settings."
    )


def edited(name: str) -> str:
    """Return why live updates stopped: the pixels are not those that were written."""
    return f"'{name}' was edited by hand, {_NO_LONGER}"


def labels_locked(name: str) -> str:
    """Return why live updates stopped: the user has locked the layer."""
    return f"'{name}' is locked, {_NO_LONGER}"


def labels_removed(name: str) -> str:
    """Return why live updates stopped: the layer is gone."""
    return f"'{name}' was removed, so the sliders have nothing to change; Run adds a new layer."


def source_removed(name: str) -> str:
    """Return why a run's result is not shown."""
    return f"'{name}' was removed while it was being segmented, so the result was dropped."


def source_removed_large(name: str, target: str) -> str:
    """Return why a run in blocks has stopped."""
    return (
        f"'{name}' was removed while it was being segmented, so the run was stopped; finished "
        f"blocks are kept beside {target}."
    )


def source_changed_large(name: str, target: str) -> str:
    """Return why the result of a run in blocks is not shown."""
    return (
        f"'{name}' got an image of another shape while it was being segmented, so the result is "
        f"not shown; it is in {target}."
    )


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


def command_copied(
    line: str, *, has_path: bool, several: bool, part: bool, has_channel: bool
) -> str:
    """Return the status after the command was copied."""
    text = [f"Copied: {line}"]
    if several:
        text.append(
            "The image is a stack of several files: save it as one, and put its path into the line."
        )
    elif not has_path:
        text.append("The image has no file; put its path in place of its name.")
    if not has_channel:
        text.append("Which channel of the file the layer shows is not known; add --channels.")
    if part:
        text.append("The command segments the whole image, not the part chosen here.")
    return "\n".join(text)
