"""Axes that a user states for a file that stores the samples of its pixels plane by plane."""

from napari_nucseg.axes import upper_axes


def follow_storage(axes: str, samples: int | None) -> tuple[str, bool]:
    """Return the axes, and whether they are those of the pixels as they are stored.

    Readers move the samples of a pixel last. What is stored plane by plane may be a stack or
    channels all the same: ``tifffile.imwrite`` takes three planes of bytes for colours.

    Parameters
    ----------
    axes : str
        As the user states them. Where they end with S or C, the samples are last already.
    samples : int or None
        Position at which the samples are stored; None if they are last, or there are none.

    Returns
    -------
    axes : str
        Upper case. Samples that are stated to be where they are stored, as in SYX, are moved last.
    stored : bool
        The pixels are to be taken in the order in which they are stored.

    Raises
    ------
    InputError
        `axes` is no string.
    """
    axes = upper_axes(axes)
    if samples is None or axes.endswith(("S", "C")):
        return axes, False
    if axes.find("S") == samples:
        return axes.replace("S", "") + "S", False
    return axes, True
