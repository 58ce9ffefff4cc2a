"""What `segment` returns, and the record of how it came about."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import napari_nucseg
from napari_nucseg._types import AnyArray, FloatArray, LabelArray
from napari_nucseg.inference.field_of_view import FieldOfView
from napari_nucseg.inference.job import SegmentJob
from napari_nucseg.inference.maps import PlaneMaps
from napari_nucseg.model.folder import LITERT
from napari_nucseg.params import SegmentParams


@dataclass(frozen=True, repr=False)
class SegmentationResult:
    """Labels and how they came about.

    Attributes
    ----------
    labels : array, int32
        Axes `axes`; 0 is background, ids are consecutive. Linked nuclei have one id in all their
        planes; without linking, ids are unique over all planes.
    axes : str
        Axes of the labels: those of the image without C and S.
    count : int
        Number of ids: nuclei in 3D, or tracks; without linking, the sum over the planes.
    diameter : float
        Typical diameter in pixels that was used.
    seconds : dict
        ``prepare`` (model, statistics, diameter), ``network``, ``instances``, ``linking`` and
        ``total``.
    record : dict
        Model name and hash, every parameter, the diameter used, package version: JSON-ready.
    messages : tuple of str
        What the user should know, such as non-finite pixels, or that all nuclei were left out as
        small or uncertain.
    probabilities : array or None
        Foreground probability, float32, axes as the labels; if asked for.
    parents : dict of int to int
        Id of each daughter of a division, and of her mother.
    features : dict of str to array
        One row for each linked nucleus, see `linking.features.describe_nuclei`; else empty.
    job, field_of_view
        Together with `maps`, what `relabel` needs.
    maps : tuple of PlaneMaps
        One per plane and part of the field of view, kept if asked for.
    outlines : array or None
        The labels before linking, kept with the maps.
    """

    labels: LabelArray
    axes: str
    count: int
    diameter: float
    seconds: Mapping[str, float]
    record: Mapping[str, Any]
    messages: tuple[str, ...]
    probabilities: FloatArray | None
    parents: Mapping[int, int]
    features: Mapping[str, AnyArray]
    job: SegmentJob
    field_of_view: FieldOfView
    maps: tuple[PlaneMaps, ...]
    outlines: LabelArray | None

    def __repr__(self) -> str:
        """Return what was found, without arrays."""
        return (
            f"{type(self).__name__}(count={self.count}, shape={self.labels.shape}, "
            f"axes={self.axes!r}, diameter={self.diameter:.1f}, "
            f"seconds={self.seconds['total']:.1f})"
        )


def make_record(
    job: SegmentJob, params: SegmentParams, parents: Mapping[int, int] | None = None
) -> dict[str, Any]:
    """Return how labels came about, JSON-ready: see `SegmentationResult`."""
    return {
        "version": napari_nucseg.__version__,
        "model": job.model.name,
        "model_sha256": job.model.hashes[LITERT],
        "engine": job.engine.name,
        "diameter_pixels": job.diameter,
        "diameter_estimated": job.estimated,
        "scale": job.prepared.scale,
        "parameters": params.model_dump(mode="json"),
        "parents": {str(child): parent for child, parent in (parents or {}).items()},
    }
