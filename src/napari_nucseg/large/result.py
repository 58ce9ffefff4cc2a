"""What comes back from `segment_large`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_nucseg._types import AnyArray
from napari_nucseg.large.seams import SeamCounts


@dataclass(frozen=True)
class LargeResult:
    """Labels on disk, and how they came about.

    Attributes
    ----------
    path : Path
        OME-Zarr with labels, uint32, and their pyramid.
    axes : str
        Axes of the labels: those of the image without C and S.
    shape : tuple of int
    count : int
        Number of ids, which are 1 to `count`: nuclei, in 3D if linked in depth, or tracks.
    diameter : float
        Typical diameter in pixels that was used.
    seconds : float
        Of this call; finished blocks of an earlier one are not in it.
    record : dict
        As that of `segment`, with the blocks; JSON-ready, also in the attributes of the group.
    messages : tuple of str
        What the user should know.
    cut : tuple of str
        Places of nuclei that reach beyond what a block saw, and so may be cut.
    seams : SeamCounts
    parents : dict of int to int
        Id of each daughter of a division, and of her mother.
    features : dict of str to array
        One row for each linked nucleus, see `linking.features.describe_nuclei`; else empty.
    """

    path: Path
    axes: str
    shape: tuple[int, ...]
    count: int
    diameter: float
    seconds: float
    record: Mapping[str, Any]
    messages: tuple[str, ...]
    cut: tuple[str, ...]
    seams: SeamCounts
    parents: Mapping[int, int] = field(default_factory=dict)
    features: Mapping[str, AnyArray] = field(default_factory=dict, repr=False)
