"""How a labels layer lies in an image layer, and which image labels belong to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from napari.layers import Image, Labels

from napari_nucseg.errors import InputError
from napari_nucseg.widgets import _correct_messages as messages
from napari_nucseg.widgets._layer_axes import axes_choices, guess_axes
from napari_nucseg.widgets._layers import full_resolution, result_dims
from napari_nucseg.widgets._origin import SOURCE, SOURCE_ID, find_source
from napari_nucseg.widgets._results import RECORD


@dataclass(frozen=True)
class Fit:
    """How the planes of a labels layer lie in an image.

    Attributes
    ----------
    axes : str
        Of the image.
    letters : str
        Of the leading axes of the labels.
    start : dict
        Where labels of single planes begin along axes of the image.
    """

    axes: str
    letters: str
    start: Mapping[str, int]

    def place(self, position: Sequence[int]) -> dict[str, int]:
        """Return the index along T and Z of the image for a plane of the labels."""
        return {
            letter: index + self.start.get(letter, 0)
            for letter, index in zip(self.letters, position, strict=True)
            if letter != "C"
        }


def find_fit(image: Image, labels: Labels) -> Fit | None:
    """Return how labels lie in an image, whose axes this may tell; None if they do not."""
    record = labels.metadata.get(RECORD, {})
    known = axes_choices(image.ndim, image.rgb)
    shape = tuple(full_resolution(labels).shape)
    for axes in (record.get("axes"), guess_axes(image), *known):
        if axes in known:
            for start in (record.get("plane") or {}, {}):
                letters = _fit(tuple(full_resolution(image).shape), axes, shape, start)
                if letters is not None:
                    return Fit(axes, letters, start)
    return None


def fit_or_none(image: Image, labels: Labels) -> Fit | None:
    """Return how labels lie in an image; None also for one that cannot be segmented."""
    try:
        return find_fit(image, labels)
    except InputError:
        return None


def image_of(labels: Labels, layers: Any) -> tuple[Image, Fit]:
    """Return the image that labels belong to, and how they lie in it.

    It is the one that was segmented; else the only one of their shape, or the only visible one.

    Raises
    ------
    InputError
        There is none, or several may be meant.
    """
    images = [o for o in layers if isinstance(o, Image) and RECORD not in o.metadata]
    fits = [(image, fit_or_none(image, labels)) for image in images]
    found = [(image, fit) for image, fit in fits if fit is not None]
    source = find_source(labels.metadata.get(RECORD, {}), [image for image, _ in found])
    named = [one for one in found if one[0] is source]
    for chosen in (named, found, [one for one in found if one[0].visible]):
        if len(chosen) == 1:
            return chosen[0]
    raise InputError(
        messages.several_images(labels.name) if found else messages.no_image(labels.name)
    )


def caveat(image: Image, labels: Labels, fit: Fit) -> str:
    """Return what to know where image or axes are not those recorded or usual; else nothing."""
    record = labels.metadata.get(RECORD, {})
    named, guess = record.get(SOURCE, image.name), guess_axes(image)
    said = []
    if image.name != named and str(image.unique_id) != record.get(SOURCE_ID):
        said.append(messages.other_image(image.name, named))
    if fit.axes not in (record.get("axes"), guess):
        said.append(messages.other_axes(image.name, fit.axes, guess))
    return " ".join(said)


def _fit(
    image: tuple[int, ...], axes: str, labels: tuple[int, ...], start: Mapping[str, int]
) -> str | None:
    sizes = dict(zip(axes, image, strict=True))
    spanned = "".join(axes[dim] for dim in result_dims(axes))[:-2]
    for letters in (spanned, spanned.replace("C", "")):
        leading = tuple(1 if a == "C" or a in start else sizes[a] for a in letters)
        if (*leading, sizes["Y"], sizes["X"]) == labels:
            return letters
    return None
