"""What a user does to nuclei. Every function returns an `Edit` and leaves the labels alone.

Splitting, redrawing and filling act in one plane; merging, deleting and separating on the nucleus
in all planes.
"""

import contextlib

import numpy as np

from napari_nucseg._types import AnyArray, LabelArray
from napari_nucseg.correction.drawing import line_pixels, polygon_pixels
from napari_nucseg.correction.edit import Edit, edit_plane, edit_window
from napari_nucseg.correction.ids import next_free_ids
from napari_nucseg.correction.planes import Plane, find_window, view
from napari_nucseg.errors import InputError

CRUMB = 0.01
"""Pieces with a smaller share of the nucleus stay with the piece beside them."""

_EIGHT = np.ones((3, 3), int)


def nuclei_under(labels: LabelArray, line: AnyArray, plane: Plane) -> list[int]:
    """Return the nuclei that a line crosses in a plane, the one it crosses longest first."""
    image = view(labels, plane)
    pixels = _within(line_pixels(line), image.shape)
    ids, lengths = np.unique(image[tuple(pixels.T)], return_counts=True)
    order = np.argsort(-lengths, kind="stable")
    return [int(nucleus) for nucleus in ids[order] if nucleus != 0]


def _within(pixels: AnyArray, shape: tuple[int, ...]) -> AnyArray:
    """Return those of some pixels (n, 2) that lie in a plane of this shape."""
    return pixels[(pixels >= 0).all(axis=1) & (pixels < shape).all(axis=1)]


def split_along(
    labels: LabelArray, nucleus: int, line: AnyArray, plane: Plane, reserved: int = 0
) -> Edit:
    """Cut a nucleus along a line.

    The largest piece keeps the id; the pixels of the line go to the piece they are nearest to.

    Parameters
    ----------
    labels : array (..., Y, X), integer
    nucleus : int
    line : array (n, 2)
        Points in the plane, in pixels; from outside the nucleus to outside.
    plane : Plane
    reserved : int
        As for `next_free_ids`.

    Raises
    ------
    InputError
        The nucleus is not there, or the line does not cut it in two.
    """
    from scipy.ndimage import distance_transform_edt, label

    image = view(labels, plane)
    window = find_window(image, nucleus, "this plane")
    inside = image[window] == nucleus
    low = [part.start for part in window]
    pixels = _within(line_pixels(line) - low, inside.shape)
    cut = np.zeros(inside.shape, bool)
    cut[tuple(pixels.T)] = True
    wholes, _ = label(inside, _EIGHT)
    pieces = _without_crumbs(label(inside & ~cut, _EIGHT)[0], wholes)
    leaving = _all_but_largest(pieces, wholes)
    if not leaving:
        raise InputError(
            f"The line does not cut nucleus {nucleus} in two: begin and end it outside the nucleus."
        )
    nearest = distance_transform_edt(pieces == 0, return_distances=False, return_indices=True)
    pieces = np.where(inside, pieces[tuple(nearest)], 0)
    new = image[window].copy()
    ids = next_free_ids(labels, len(leaving), reserved)
    for piece, free in zip(leaving, ids, strict=True):
        new[pieces == piece] = free
    return edit_plane(labels, plane, window, new, (nucleus, *ids))


def split_under(labels: LabelArray, line: AnyArray, plane: Plane, reserved: int = 0) -> Edit:
    """Cut the nucleus that a line crosses longest; if the line does not cut it, the next one.

    Raises
    ------
    InputError
        The line cuts no nucleus.
    """
    crossed = nuclei_under(labels, line, plane)
    if not crossed:
        raise InputError("The line crosses no nucleus.")
    for nucleus in crossed:
        with contextlib.suppress(InputError):
            return split_along(labels, nucleus, line, plane, reserved)
    return split_along(labels, crossed[0], line, plane, reserved)  # says what is wrong


def _without_crumbs(pieces: AnyArray, wholes: AnyArray) -> AnyArray:
    """Return pieces without those that are a tiny share of the part they were cut from."""
    areas = np.bincount(pieces.ravel())
    origins = _origins(pieces, wholes, len(areas))
    whole_areas = np.bincount(wholes.ravel())
    crumbs = areas < CRUMB * whole_areas[origins]
    crumbs[0] = False
    return np.where(crumbs[pieces], 0, pieces)


def _origins(pieces: AnyArray, wholes: AnyArray, count: int) -> AnyArray:
    """Return from which part each piece was cut."""
    origins = np.zeros(count, int)
    origins[pieces.ravel()] = wholes.ravel()
    origins[0] = 0
    return origins


def _all_but_largest(pieces: AnyArray, wholes: AnyArray) -> list[int]:
    """Return the pieces of each cut part but its largest; parts that were not cut have none."""
    areas = np.bincount(pieces.ravel())
    origins = _origins(pieces, wholes, len(areas))
    leaving = []
    for whole in np.unique(origins[1:]):
        members = np.flatnonzero((origins == whole) & (areas > 0))
        members = members[members > 0]
        if whole and len(members) > 1:
            keeps = members[np.argmax(areas[members])]
            leaving += [int(member) for member in members if member != keeps]
    return leaving


def merge(labels: LabelArray, kept: int, other: int) -> Edit:
    """Give the pixels of one nucleus, in all planes, to another.

    Raises
    ------
    InputError
        One of them is not there, or they are the same.
    """
    if kept == other:
        raise InputError(f"Nucleus {kept} was clicked twice; click two nuclei to merge them.")
    find_window(labels, kept)
    window = find_window(labels, other)
    old = labels[window]
    return edit_window(labels, window, np.where(old == other, kept, old), (kept,))


def delete(labels: LabelArray, nucleus: int) -> Edit:
    """Make the pixels of a nucleus, in all planes, background.

    Raises
    ------
    InputError
        It is not there.
    """
    window = find_window(labels, nucleus)
    old = labels[window]
    return edit_window(labels, window, np.where(old == nucleus, 0, old), ())


def nucleus_inside(labels: LabelArray, outline: AnyArray, plane: Plane) -> int:
    """Return the nucleus that has most pixels inside an outline.

    Raises
    ------
    InputError
        There is none.
    """
    image = view(labels, plane)
    window, inside = polygon_pixels(outline, image.shape)
    ids, areas = np.unique(image[window][inside], return_counts=True)
    ids, areas = ids[ids != 0], areas[ids != 0]
    if len(ids) == 0:
        raise InputError(
            "The drawn outline holds no nucleus; to add one, use napari's polygon or paint tool."
        )
    return int(ids[np.argmax(areas)])


def keep_outline(labels: LabelArray, nucleus: int, outline: AnyArray, plane: Plane) -> Edit:
    """Make a nucleus, in one plane, exactly what an outline holds.

    Its pixels outside become background; pixels of other nuclei are not overwritten.

    Parameters
    ----------
    labels : array (..., Y, X), integer
    nucleus : int
    outline : array (n, 2)
        Vertices in the plane, in pixels.
    plane : Plane

    Raises
    ------
    InputError
        The nucleus is not in the plane, or the outline holds no pixel.
    """
    image = view(labels, plane)
    own = find_window(image, nucleus, "this plane")
    drawn, inside = polygon_pixels(outline, image.shape)
    window = tuple(
        slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(own, drawn, strict=True)
    )
    wanted = np.zeros([part.stop - part.start for part in window], bool)
    shifts = [w.start for w in window]
    part = (slice(d.start - s, d.stop - s) for d, s in zip(drawn, shifts, strict=True))
    wanted[tuple(part)] = inside
    old = image[window]
    free = (old == 0) | (old == nucleus)
    new = np.where(old == nucleus, 0, old)
    new[wanted & free] = nucleus
    return edit_plane(labels, plane, window, new, (nucleus,))


def redraw(labels: LabelArray, outline: AnyArray, plane: Plane) -> Edit:
    """Make the nucleus that has most pixels inside an outline exactly what the outline holds.

    Raises
    ------
    InputError
        There is no nucleus inside.
    """
    return keep_outline(labels, nucleus_inside(labels, outline, plane), outline, plane)


def fill_holes(labels: LabelArray, nucleus: int, plane: Plane) -> Edit:
    """Fill the background that a nucleus encloses in one plane.

    Raises
    ------
    InputError
        The nucleus is not in the plane, or has no hole there.
    """
    from scipy.ndimage import binary_fill_holes

    image = view(labels, plane)
    window = find_window(image, nucleus, "this plane")
    old = image[window]
    holes = binary_fill_holes(old == nucleus) & (old == 0)
    if not holes.any():
        raise InputError(f"Nucleus {nucleus} has no hole in this plane.")
    return edit_plane(labels, plane, window, np.where(holes, nucleus, old), (nucleus,))
