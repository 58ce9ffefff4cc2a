"""What Certainty, Minimum size and Drop border leave out, for results that have no nuclei."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from napari_nucseg._types import AnyArray, LabelArray
from napari_nucseg.counted import counted
from napari_nucseg.inference.instances import FAINT, find_instances
from napari_nucseg.inference.linked import outline_params, single_parts
from napari_nucseg.inference.maps import PlaneMaps
from napari_nucseg.inference.seeds import SMALLEST
from napari_nucseg.model.config import NetworkConfig
from napari_nucseg.params import SegmentParams


@dataclass(frozen=True, eq=False)
class Outlines:
    """The outlines of a plane, or of a part of one.

    Attributes
    ----------
    areas : array (n,)
        In pixels.
    cut : array (n,), bool
        The border of the image cuts them.
    """

    areas: AnyArray
    cut: AnyArray


@dataclass(frozen=True)
class LeftOut:
    """How many outlines were left out, of a result that has none.

    Attributes
    ----------
    found : int
        All of them; each is left out by at least one of the following, many by several.
    small : int
        Smaller than Minimum size.
    uncertain : int
        Less certain than Certainty.
    cut : int
        Cut by the border of the image.
    """

    found: int = 0
    small: int = 0
    uncertain: int = 0
    cut: int = 0

    def __add__(self, other: "LeftOut") -> "LeftOut":
        return LeftOut(
            self.found + other.found,
            self.small + other.small,
            self.uncertain + other.uncertain,
            self.cut + other.cut,
        )

    def describe(self, params: SegmentParams) -> tuple[str, ...]:
        """Say that all there is was left out, why, and what to do; nothing if there is nothing."""
        limits = self._limits(params)
        if not limits:
            return ()
        linked = params.link_depth or params.link_time
        one = self.found == 1
        which = counted(self.found, "outline" if linked else "nucleus")
        where = f" in single {single_parts(params)}" if linked else ""
        each = "" if one or len(limits) == 1 else ", each for one reason or more"
        reasons = ", ".join(f"{self._subject(count)} {reason}" for count, reason, _ in limits)
        *first, last = (advice for _, _, advice in limits)
        advice = f"{', '.join(first)} and {last}" if first else last
        return (
            f"{which}{where} {'was' if one else 'were'} found and left out{each}: {reasons}; "
            f"{advice} to keep {'it' if one else 'them'}.",
        )

    def _limits(self, params: SegmentParams) -> list[tuple[int, str, str]]:
        """Return, for each limit that left out any: how many, why, and what to do."""
        limits = [
            (self.small, f"smaller than Minimum size {params.min_size:,}", "lower Minimum size"),
            (
                self.uncertain,
                f"less certain than Certainty {params.certainty:.4g}",
                "lower Certainty",
            ),
            (self.cut, "cut by the border of the image", "turn off Drop border"),
        ]
        return [limit for limit in limits if limit[0] > 0]

    def _subject(self, count: int) -> str:
        if count == self.found:
            return "it is" if count == 1 else "all are"
        return "1 is" if count == 1 else f"{count:,} are"


def may_leave_out(maps: PlaneMaps, params: SegmentParams, diameter: float) -> bool:
    """Tell at a glance whether the limits or the border may leave anything out of a plane."""
    limited = (
        drops_cut(params) or params.certainty > 0 or params.min_size > _least_size(params, diameter)
    )
    return limited and bool(maps.maps[..., 0].max() >= FAINT * params.foreground_threshold)


def drops_cut(params: SegmentParams) -> bool:
    """Tell whether outlines that the border cuts are dropped before any linking."""
    return outline_params(params).drop_border


def count_left_out(
    maps: PlaneMaps,
    network: NetworkConfig,
    params: SegmentParams,
    diameter: float,
    take: Callable[[LabelArray], Outlines],
) -> LeftOut:
    """Count what each limit leaves out of a plane, or of a part of one, without any outlines.

    Specks below the automatic minimum size do not count, unless a smaller one was asked for. It
    takes at least as long as finding nuclei, so it is asked only where nothing was found.

    Parameters
    ----------
    maps : PlaneMaps
    network : NetworkConfig
    params : SegmentParams
    diameter : float
        Typical diameter in pixels of the image.
    take : callable
        Takes what belongs to the plane, or the part of it, out of labels of the maps.
    """
    least = _least_size(params, diameter)
    every = params.model_copy(update={"certainty": 0.0, "min_size": least, "drop_border": False})
    found = take(find_instances(maps, network, every, diameter))
    total = len(found.areas)
    small = found.areas < params.min_size
    cut = found.cut & drops_cut(params)
    uncertain = total if params.certainty > 0 else 0
    if uncertain and (small | cut).any():  # else nothing but Certainty can have left them out
        certain = every.model_copy(update={"certainty": params.certainty})
        kept = len(take(find_instances(maps, network, certain, diameter)).areas)
        # Outlines may differ by a few pixels where those beside them are there as well.
        uncertain = max(0, total - kept)
    return LeftOut(total, int(small.sum()), uncertain, int(cut.sum()))


def _least_size(params: SegmentParams, diameter: float) -> int:
    """Return the minimum size, but none above the automatic one, which 0 stands for."""
    automatic = SMALLEST * math.pi / 4 * diameter**2
    return params.min_size if params.min_size < automatic else 0
