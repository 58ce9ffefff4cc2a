"""The nuclei that Certainty, Minimum size and Drop border leave out, for results without others."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from napari_nucseg._types import AnyArray, LabelArray
from napari_nucseg.inference.instances import FAINT, find_instances
from napari_nucseg.inference.linked import outline_params
from napari_nucseg.inference.maps import PlaneMaps
from napari_nucseg.inference.seeds import SMALLEST
from napari_nucseg.model.config import NetworkConfig
from napari_nucseg.params import SegmentParams


@dataclass(frozen=True)
class LeftOut:
    """How many outlines were left out, of a result that has none: each by one rule, the first.

    Attributes
    ----------
    small : int
        Smaller than Minimum size.
    uncertain : int
        Large enough, but less certain than Certainty.
    cut : int
        Large and certain enough, but cut by the border of the image.
    """

    small: int = 0
    uncertain: int = 0
    cut: int = 0

    @classmethod
    def of(cls, areas: AnyArray, params: SegmentParams, cut: int = 0) -> "LeftOut":
        """Tell why the outlines of `find_left_out` were left out.

        Parameters
        ----------
        areas : array (n,)
            Their areas in pixels.
        params : SegmentParams
        cut : int
            How many of them `count_cut` gives.
        """
        small = int(np.sum(areas < params.min_size))
        # Outlines may differ by a few pixels where those beside them are there as well.
        return cls(small, max(0, len(areas) - small - cut), cut)

    def __add__(self, other: "LeftOut") -> "LeftOut":
        return LeftOut(
            self.small + other.small, self.uncertain + other.uncertain, self.cut + other.cut
        )

    def describe(self, params: SegmentParams) -> tuple[str, ...]:
        """Say that all there is was left out, why, and what to do; nothing if there is nothing."""
        return (*self._describe_limits(params), *self._describe_cut(params))

    def _describe_limits(self, params: SegmentParams) -> tuple[str, ...]:
        linked = params.link_depth or params.link_time
        where = " in single planes" if linked else ""
        total = self.small + self.uncertain
        size = f"smaller than Minimum size {params.min_size:,}"
        certainty = f"less certain than {params.certainty:.4g}"
        if total == 0:
            text = ""
        elif total == 1 and self.small:
            text = f"1 outline{where} was found, but it was {size}; lower it to keep the outline."
        elif total == 1:
            one = "outline" if linked else "nucleus"
            which = f"1 {one}" if self.cut else f"The only {one}"
            text = f"{which} is {certainty} and was left out; lower Certainty to keep it."
        elif total == self.small:
            text = (
                f"{total:,} outlines{where} were found, but all were {size}; lower it to keep them."
            )
        elif total == self.uncertain:
            many = f"outlines{where}" if linked else "nuclei"
            which = f"{total:,} {many}" if self.cut else f"All {total:,} {many}"
            text = f"{which} are {certainty} and were left out; lower Certainty to keep them."
        else:
            text = (
                f"{total:,} outlines{where} were found and left out: {self.small:,} as {size}, "
                f"{self.uncertain:,} as {certainty}; lower Minimum size or Certainty to keep them."
            )
        return (text,) if text else ()

    def _describe_cut(self, params: SegmentParams) -> tuple[str, ...]:
        if self.cut == 0:
            return ()
        one, many = ("outline", "outlines") if params.link_time else ("nucleus", "nuclei")
        others = self.small + self.uncertain > 0
        if self.cut == 1:
            which = f"1 {one}" if others else f"The only {one}"
            verb, left, them = "is", "was", "it"
        else:
            which = f"{self.cut:,} {many}" if others else f"All {self.cut:,} {many}"
            verb, left, them = "are", "were", "them"
        return (
            f"{which} {verb} cut by the border of the image and {left} left out; turn off Drop "
            f"border to keep {them}.",
        )


def may_leave_out(maps: PlaneMaps, params: SegmentParams, diameter: float) -> bool:
    """Tell at a glance whether the limits or the border may leave anything out of a plane."""
    limited = (
        drops_cut(params) or params.certainty > 0 or params.min_size > _least_size(params, diameter)
    )
    return limited and bool(maps.maps[..., 0].max() >= FAINT * params.foreground_threshold)


def drops_cut(params: SegmentParams) -> bool:
    """Tell whether outlines that the border cuts are dropped before any linking."""
    return outline_params(params).drop_border


def count_cut(
    maps: PlaneMaps,
    network: NetworkConfig,
    params: SegmentParams,
    diameter: float,
    count: Callable[[LabelArray], int],
) -> int:
    """Return how many nuclei only the border leaves out of a plane, or a part of one, without any.

    Parameters
    ----------
    maps, network, params, diameter
        See `find_left_out`.
    count : callable
        Returns how many of the outlines, which now have those that the border cuts, belong to what
        is looked at.
    """
    if not drops_cut(params):
        return 0
    kept = params.model_copy(update={"drop_border": False})
    return count(find_instances(maps, network, kept, diameter))


def find_left_out(
    maps: PlaneMaps, network: NetworkConfig, params: SegmentParams, diameter: float
) -> LabelArray:
    """Return the outlines that a plane would have if no limit and no border mattered.

    Specks below the automatic minimum size stay away, unless a smaller one was asked for. It takes
    as long as finding nuclei, so it is asked only where nothing was found.

    Parameters
    ----------
    maps : PlaneMaps
    network : NetworkConfig
    params : SegmentParams
    diameter : float
        Typical diameter in pixels of the image.

    Returns
    -------
    array (Y, X), int32
    """
    least = _least_size(params, diameter)
    every = params.model_copy(update={"certainty": 0.0, "min_size": least, "drop_border": False})
    return find_instances(maps, network, every, diameter)


def _least_size(params: SegmentParams, diameter: float) -> int:
    """Return the minimum size, but none above the automatic one, which 0 stands for."""
    automatic = SMALLEST * math.pi / 4 * diameter**2
    return params.min_size if params.min_size < automatic else 0
