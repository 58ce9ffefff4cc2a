"""The typical diameter of nuclei, estimated by looking at the image at several scales."""

from dataclasses import replace

import numpy as np

from napari_nucseg._types import AnyArray, FloatArray
from napari_nucseg.inference.engine import Engine
from napari_nucseg.inference.instances import find_instances
from napari_nucseg.inference.maps import PlaneInput, PlaneMaps, predict_plane
from napari_nucseg.params import SegmentParams

SCALES = (1.0, 0.5, 0.25, 2.0)
"""Network pixels per image pixel that are tried."""

WINDOW = 512
"""Height and width, in network pixels, of what is looked at; the time does not grow with the image."""


def estimate_diameter(plane: AnyArray, native: PlaneInput, engine: Engine) -> float:
    """Estimate the typical diameter of nuclei in a plane.

    Parameters
    ----------
    plane : array (Y, X, channels)
        Original dtype, all channels.
    native : PlaneInput
        Preparation at scale 1.
    engine : Engine

    Returns
    -------
    float
        In pixels of the plane; the model's own diameter where nothing was found.
    """
    best, best_score = native.config.diameter, 0.0
    for scale in SCALES:
        size, score = _look(plane, replace(native, scale=scale), engine)
        if score > best_score:
            best, best_score = size, score
    return best


def _look(plane: AnyArray, prepared: PlaneInput, engine: Engine) -> tuple[float, float]:
    """Return the median diameter in pixels of the plane, and how well the scale fits it."""
    window = _middle(plane, prepared.scale)
    maps = predict_plane(window, prepared, engine, tile=WINDOW, halo=0)
    network_size, share, quality = _measure(maps, prepared)
    target = prepared.config.diameter
    if network_size == 0:
        return target, 0.0
    misfit = np.log(network_size / target)
    return network_size / prepared.scale, float(share * quality * np.exp(-(misfit**2)))


def _measure(maps: PlaneMaps, prepared: PlaneInput) -> tuple[float, float, float]:
    """Return median diameter in network pixels, foreground share, and certainty of the foreground."""
    network = prepared.config.network
    at_own_size = replace(maps, shape=maps.maps.shape[:2], scale=1.0)
    labels = find_instances(at_own_size, network, SegmentParams(), prepared.config.diameter)
    areas = np.bincount(labels.ravel())[1:]
    if areas.size == 0:
        return 0.0, 0.0, 0.0
    inside = maps.maps[..., 0][labels > 0].astype(np.float32)
    # Weighted by area: debris and fragments are many, but small.
    order = np.argsort(areas)
    middle = np.searchsorted(np.cumsum(areas[order]), areas.sum() / 2)
    diameter = float(np.sqrt(4.0 * areas[order][middle] / np.pi))
    return diameter, float((labels > 0).mean()), float(2.0 * inside.mean() - 1.0)


def _middle(plane: AnyArray, scale: float) -> FloatArray:
    """Cut the middle of a plane such that it fills one window at `scale`."""
    wanted = int(WINDOW / scale)
    starts = [max(0, (length - wanted) // 2) for length in plane.shape[:2]]
    return plane[starts[0] : starts[0] + wanted, starts[1] : starts[1] + wanted]
