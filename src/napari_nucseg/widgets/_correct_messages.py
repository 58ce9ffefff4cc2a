"""What the widget for correcting says."""

from collections.abc import Sequence

from napari_nucseg.correction.autosave import Saved
from napari_nucseg.correction.changes import Changes
from napari_nucseg.correction.doubt import Doubt
from napari_nucseg.correction.suggestions import SIZE
from napari_nucseg.counted import counted

NO_LABELS = (
    "There is no labels layer: segment an image first, or right-click an image layer that holds "
    "ids and choose Convert to Labels."
)
READING = "Reading the labels ..."
BACKGROUND = (
    "There is no nucleus at this place; click one, or use napari's paint and polygon tools."
)
ONLY_2D = "Split and Redraw work in the 2D view: leave the 3D view first (the cube, bottom left)."
OTHER_PLANE = "The plane that is shown does not lie in the labels."
NOT_YX = "Only planes of Y and X can be marked as reviewed; put the axes back in order."
MOVED_ON = "The labels changed meanwhile, so nothing was done; please try again."
NO_SHAPES = "Add a review layer, draw a rectangle or a polygon in it, then press Mark shapes."
DRAW_REVIEW = "Draw rectangles around what you have looked at, then press Mark shapes."
MARKED = "Marked as reviewed: Fine-tune can learn from it."
UNMARKED = "Nothing is marked as reviewed any more."
MARKS_BEFORE = "What you had marked as reviewed before comes back when you undo this."
MARKS_SINCE = "What you marked as reviewed since then comes back when you redo this."
SUGGESTING = "Looking for a region ..."
SUGGESTED = "Correct all nuclei in this region, then press Mark shapes."
SUGGESTED_TOO = (
    "Correct all nuclei in this region, and in the others that are drawn, in any plane, then press "
    "Mark shapes."
)
ALL_REVIEWED = "all of it is reviewed."
ALL_DRAWN = "all of it is reviewed or drawn."
NO_ROOM = f"what is reviewed or drawn leaves no room for {SIZE} x {SIZE} pixels."
SURE = "the model is sure of all of it."
SURE_OF_REST = "the model is sure of what is not reviewed or drawn."
SEARCH_CANCELLED = "Cancelled; no region was added."
SEARCH_OUTDATED = (
    "The image, the labels, or what is drawn or reviewed changed meanwhile, so no region was "
    "added; try again."
)
NOT_FREE = "Wait until the labels were read."
HIDDEN = "This layer is hidden; click its eye in the layer list first."
NOT_EDITABLE = "This layer is not editable; click its pencil in the layer list first."
NOTHING_SELECTED = "No nucleus is selected; pick one with napari's picker, or press Next."
DRAWING = (
    "Paint, erase, fill, polygons: napari's own tools (keys 2, 1, 4, 3). "
    "Undo: Ctrl+Z, one step per correction."
)


def on_disk(name: str, kind: str) -> str:
    """Return why a layer cannot be corrected."""
    return (
        f"'{name}' is {kind}, not an array in memory, and cannot be corrected; press Make a copy "
        "in memory to correct a copy."
    )


def copying(name: str) -> str:
    """Return what is under way."""
    return f"Copying '{name}' into memory ..."


def reference(is_prediction: bool, model: str) -> str:
    """Return what corrections are counted against."""
    if is_prediction:
        return f"Compared with: what model {model} predicted."
    return "Compared with: the labels at the start."


def other_shape(labels: tuple[int, int], image: str, shape: tuple[int, int]) -> str:
    """Return a warning that labels and image may not belong together."""
    return (
        f"The labels are {labels[0]} x {labels[1]} pixels but the image '{image}' is "
        f"{shape[0]} x {shape[1]}: do they belong together?"
    )


def probability_shape(name: str) -> str:
    """Return why a probability map is not used."""
    return f"'{name}' has another shape than the labels, so the list does without probabilities."


def no_image(labels: str) -> str:
    """Return why the model cannot be asked."""
    return (
        f"No image layer has the shape of '{labels}'; open the image that these labels belong to."
    )


def several_images(labels: str) -> str:
    """Return why the model cannot be asked."""
    return f"Several images have the shape of '{labels}': hide all but the one it belongs to."


def other_image(image: str, named: str) -> str:
    """Return which image was used in place of the one that was segmented."""
    return f"The model looked at '{image}', as no image '{named}' of this shape is open."


def other_axes(image: str, axes: str, guess: str) -> str:
    """Return what an image was taken for, e.g. the planes of a stack for channels."""
    return f"'{image}' was taken as {axes} (C: channels), as the labels do not fit {guess}."


def too_large(image: str, pixels: int, most: int) -> str:
    """Return why the model is not asked."""
    return (
        f"A plane of '{image}' has {pixels / 1e6:,.0f} million pixels; regions are suggested in "
        f"planes of up to {most / 1e6:,.0f} million, so crop a part into a layer of its own."
    )


def image_removed(image: str) -> str:
    """Return why no region was added."""
    return f"'{image}' was removed meanwhile, so no region was added."


def no_region(why: str, labels: str | None) -> str:
    """Return that no region was found; `labels` are named where their plane is not shown now."""
    where = "this plane" if labels is None else f"the plane of '{labels}' that was searched"
    return f"No region to suggest in {where}: {why}"


def suggested_elsewhere(labels: str) -> str:
    """Return where a region was added whose labels are no longer the chosen ones."""
    return f"A region of '{labels}' was added; choose these labels to correct it."


def searching(done: int, total: int) -> str:
    """Return how far the search is."""
    return f"Looking for a region: tile {done:,} of {total:,}"


def changes(found: Changes) -> str:
    """Return counts, e.g. ``2 added, 1 split``."""
    named = [f"{count} {kind}" for kind, count in found.counts().items() if count]
    return ", ".join(named) or "nothing yet"


def listed(shown: int, total: int) -> str:
    """Return the heading of the list."""
    if total > shown:
        return f"Nuclei by doubt: the first {shown:,} of {total:,}"
    return f"Nuclei by doubt: {total:,}"


def all_background(name: str) -> str:
    """Return what to do with labels without nuclei."""
    return f"'{name}' is all background; paint a nucleus with napari's tools, or segment first."


def scattered(ids: Sequence[int]) -> str:
    """Return which ids lie in several places."""
    if len(ids) == 1:
        return f"The id {ids[0]} occurs in places far apart."
    names = ", ".join(map(str, ids[:3])) + (" ..." if len(ids) > 3 else "")
    return f"{len(ids):,} ids occur in places far apart: {names}"


def separated(count: int) -> str:
    """Return what was done."""
    return f"{counted(count, 'place')} got an id of {'its' if count == 1 else 'their'} own."


def reviewed(fraction: float, inside: int, total: int) -> str:
    """Return how much was reviewed."""
    if fraction == 0:
        return "nothing yet"
    share = f"{100 * fraction:.3g} %"
    return f"{share} of the image, {inside:,} of {counted(total, 'nucleus')}"


def offer(saved: Saved, same: bool, holder: str = "") -> str:
    """Return what can be restored; `holder` is the open layer that has it already, if any."""
    when = f"{saved.time.astimezone():%d %b %Y, %H:%M}"
    named = [f"{count} {kind}" for kind, count in saved.corrections.items() if count]
    if saved.reviewed:
        named.append(f"{100 * saved.reviewed:.3g} % reviewed")
    origin = "" if same else " They belong to other labels of this name and shape."
    if holder:
        origin = f" They are those of the layer '{holder}', which is open."
    return f"Corrections of {when} were kept ({', '.join(named) or 'some pixels'}).{origin}"


def not_discarded(holder: str) -> str:
    """Return why corrections stay on the disk."""
    return f"They stay on the disk, as the layer '{holder}' is open with them."


def restored(saved: Saved) -> str:
    """Return what was restored."""
    return f"Restored the corrections of {saved.time.astimezone():%d %b %Y, %H:%M}."


def made_anew(name: str) -> str:
    """Return what happened to the review."""
    return f"'{name}' was made anew, so what was marked as reviewed is cleared."


def done(kind: str, nuclei: Sequence[int]) -> str:
    """Return what an edit did."""
    first = nuclei[0] if nuclei else 0
    rest = ", ".join(map(str, nuclei[1:]))
    return {
        "split": f"Cut {first}: the new nucleus is {rest}.",
        "merge": f"Merged into {first}.",
        "delete": "Deleted.",
        "outline": f"Redrew {first}.",
        "fill": f"Filled the holes of {first}.",
        "separate": f"Separated {first}: new are {rest}.",
    }[kind]


def undone(text: str) -> str:
    """Return what an undo took back."""
    return f"Undone: {text}"


def first_of_two(nucleus: int) -> str:
    """Return what to click next."""
    return f"Merge: nucleus {nucleus} is chosen; click the one that belongs to it."


def key_taken(key: str) -> str:
    """Return why a key does nothing."""
    return f"(the key {key} is in use in your napari)"


def next_id(nucleus: int) -> str:
    """Return what to draw with."""
    return f"Next free id: {nucleus}. Draw with napari's paint or polygon tool (2, 3)."


def tool_is_on(hint: str, key: str) -> str:
    """Return what to do with a tool, and how to leave it."""
    return f"{hint} {key} again ends the tool."


def row(doubt: Doubt) -> tuple[str, str, str]:
    """Return the row of the list: id, doubt and why."""
    frame = "" if doubt.frame is None else f"frame {doubt.frame}: "
    return str(doubt.nucleus), f"{doubt.score:.2f}", frame + (doubt.reason or "nothing odd")


def looking_at(doubt: Doubt) -> str:
    """Return which nucleus is shown, and why."""
    where = "" if doubt.frame is None else f" in frame {doubt.frame}"
    return f"Nucleus {doubt.nucleus}{where}: {doubt.reason or 'nothing odd'}."
