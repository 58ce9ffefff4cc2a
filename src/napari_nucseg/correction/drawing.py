"""Lines and polygons as pixels."""

from itertools import pairwise

import numpy as np

from napari_nucseg._types import AnyArray
from napari_nucseg.correction.planes import Window
from napari_nucseg.errors import InputError

VERTICES = 64
"""Of the polygon that stands for an ellipse."""


def line_pixels(points: AnyArray) -> AnyArray:
    """Return the pixels of a polyline, each a neighbour of the next by a side.

    Such a line separates what lies on its two sides, even for neighbours by a corner.

    Parameters
    ----------
    points : array (n, 2)
        Y, X in pixels; (0, 0) is the centre of the first pixel.

    Returns
    -------
    array (m, 2), int
    """
    corners = np.rint(np.asarray(points, float)).astype(int)
    pixels = [corners[:1]]
    for start, stop in pairwise(corners):
        steps = int(np.abs(stop - start).max())
        if steps == 0:
            continue
        path = np.rint(np.linspace(start, stop, steps + 1)).astype(int)
        slanted = np.flatnonzero((np.diff(path, axis=0) != 0).all(axis=1))
        between = np.column_stack([path[slanted + 1, 0], path[slanted, 1]])
        pixels.append(np.insert(path, slanted + 1, between, axis=0)[1:])
    return np.concatenate(pixels)


def polygon_pixels(vertices: AnyArray, shape: tuple[int, int]) -> tuple[Window, AnyArray]:
    """Return the window of a polygon in a plane, and in it the pixels whose centre lies inside.

    What a line drawn by hand encloses by crossing itself counts as inside.

    Parameters
    ----------
    vertices : array (n, 2)
        Y, X in pixels.
    shape : (int, int)
        Of the plane; what lies beyond is cut off.

    Returns
    -------
    window : two slices
    inside : array, bool
        In the window.

    Raises
    ------
    InputError
        Less than three vertices, or no pixel inside.
    """
    from scipy.ndimage import binary_fill_holes
    from skimage.draw import polygon

    vertices = np.asarray(vertices, float)
    if len(vertices) < 3:
        raise InputError("Draw an outline around the nucleus; a click has no inside.")
    low = np.clip(np.floor(vertices.min(axis=0)), 0, shape).astype(int)
    high = np.clip(np.ceil(vertices.max(axis=0)) + 1, 0, shape).astype(int)
    window = (slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1])))
    size = tuple(int(n) for n in np.maximum(high - low, 0))
    inside = np.zeros(size, bool)
    if inside.size:
        rows, columns = (vertices - low).T
        inside[polygon(rows, columns, shape=size)] = True
        inside = binary_fill_holes(inside)
    if not inside.any():
        raise InputError("The drawn outline holds no pixel of the image.")
    return window, inside


def ellipse_vertices(corners: AnyArray) -> AnyArray:
    """Return an ellipse, given by the corners of the box around it, as a polygon.

    Parameters
    ----------
    corners : array (4, 2)
        In order around the box, which may be turned.

    Returns
    -------
    array (n, 2)
    """
    corners = np.asarray(corners, float)
    centre = corners.mean(axis=0)
    first, second = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    angle = np.linspace(0, 2 * np.pi, VERTICES, endpoint=False)[:, None]
    return np.asarray(centre + np.cos(angle) * first + np.sin(angle) * second)
