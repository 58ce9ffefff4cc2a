"""From outlines in planes to nuclei in 3D."""

import numpy as np

from napari_nucseg._types import AnyArray, FloatArray
from napari_nucseg.linking.chains import Chains
from napari_nucseg.linking.table import Table

WAIST = 0.85
"""A column whose area falls below this share of the largest on either side is two nuclei."""

LEAST_HEIGHT = 0.35
"""Of each of two nuclei in a column, in diameters of its largest outline."""

CAP_INSIDE = 0.75
"""Share of a cap that lies over, or under, the end of its nucleus."""

LEAST_OVERLAP = 0.1
"""Share of `overlap` that is asked for however thick the steps are."""


def chain_planes(table: Table, *, overlap: float, gap: int, step: float) -> list[AnyArray]:
    """Link the outlines of neighbouring planes into nuclei.

    Outlines are linked one to one so that the sum of their intersections over union is largest,
    neighbours first, then across planes where a nucleus was missed. A column of touching nuclei is
    cut where its area has a waist.

    Parameters
    ----------
    table : Table
        Its steps are planes; counted with the same `gap`.
    overlap : float
        Intersection over union that is asked for where steps are thin. A step of a third of the
        diameter asks for a third less: a tilted nucleus shifts, a round one changes its area.
    gap : int
        Planes that a nucleus may be missing in.
    step : float
        From plane to plane, in pixels of Y and X.

    Returns
    -------
    list of arrays of int
        The rows of each nucleus, in order of its first row.
    """
    chains = Chains(len(table))
    scores = table.ious()
    diameters = table.diameters()
    larger = np.maximum(diameters[table.first], diameters[table.second])
    asked = overlap * np.maximum(1 - table.gaps * step / larger, LEAST_OVERLAP)
    for distance in range(1, gap + 2):
        pairs = (table.gaps == distance) & (scores >= asked)
        chains.join(table.first[pairs], table.second[pairs], scores[pairs])
    _add_caps(table, chains, diameters, step)
    for chain in list(chains):
        for place in _waists(table.areas[chain], table.steps[chain] * step, step):
            chains.cut_before(int(chain[place]))
    return list(chains)


def _add_caps(table: Table, chains: Chains, diameters: FloatArray, step: float) -> None:
    """Link flat pieces that lie on the end of a nucleus, where its outlines grow or shrink fast."""
    heights = np.zeros(len(table))
    for chain in chains:
        heights[chain] = (table.steps[chain[-1]] - table.steps[chain[0]] + 1) * step
    first, second = table.first, table.second
    inside = table.shared / np.minimum(table.areas[first], table.areas[second])
    flat = np.minimum(heights[first], heights[second])
    larger = np.maximum(diameters[first], diameters[second])
    caps = (table.gaps == 1) & (inside >= CAP_INSIDE) & (flat < LEAST_HEIGHT * larger)
    chains.join(first[caps], second[caps], inside[caps])


def _waists(areas: AnyArray, heights: FloatArray, step: float) -> list[int]:
    """Return where a column of touching nuclei is cut: the first place of each further nucleus.

    `heights` are those of the outlines, like `step` in pixels of Y and X.
    """
    largest = np.maximum.accumulate(areas), np.maximum.accumulate(areas[::-1])[::-1]
    width = areas / np.minimum(*largest)
    least = LEAST_HEIGHT * 2 * np.sqrt(areas.max() / np.pi)
    below, above = heights - heights[0], heights[-1] + step - heights
    waists = (width < WAIST) & (below >= least) & (above >= least)
    if not waists.any():
        return []
    cut = int(np.argmin(np.where(waists, width, np.inf)))
    lower = _waists(areas[:cut], heights[:cut], step)
    upper = _waists(areas[cut:], heights[cut:], step)
    return [*lower, cut, *(cut + place for place in upper)]
