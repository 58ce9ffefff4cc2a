"""What a run in blocks was asked for: a run that was stopped goes on only for the same."""

import numpy as np

import napari_nucseg
from napari_nucseg._types import CancelCheck
from napari_nucseg.errors import InputError
from napari_nucseg.frozen import Frozen
from napari_nucseg.io.lazy import LazyImage
from napari_nucseg.large.fingerprint import differ, take_fingerprint
from napari_nucseg.model.folder import LITERT
from napari_nucseg.params import SegmentParams, check_whole
from napari_nucseg.registry import find_model


class Request(Frozen):
    """What was asked for.

    Attributes
    ----------
    version : str
        Of the package.
    path : str or None
        Of the image; None for an array in memory.
    shape, dtype, axes
        Of the image.
    fingerprint : tuple of str
        See `large.fingerprint`.
    given_axes, rgb
        How the image was opened, see `io.lazy.open_lazily`.
    params : SegmentParams
    model_sha256 : str
    pixel_size : dict
        Micrometres by axis.
    block, overlap : int or None
        As the caller gave them.
    """

    version: str
    path: str | None
    shape: tuple[int, ...]
    dtype: str
    axes: str
    fingerprint: tuple[str, ...]
    given_axes: str | None
    rgb: bool | None
    params: SegmentParams
    model_sha256: str
    pixel_size: dict[str, float]
    block: int | None
    overlap: int | None

    def differences(self, other: "Request", *, mended: bool) -> list[str]:
        """Return in words what is not the same in an earlier request.

        Parameters
        ----------
        other : Request
        mended : bool
            Whether damaged parts of the image may have been replaced, so that sizes on disk differ.
        """
        plain = [n for n in type(self).model_fields if n not in ("params", "fingerprint")]
        found = [
            f"{name} {getattr(old, name)!r}, now {getattr(new, name)!r}"
            for old, new, names in (
                (other, self, plain),
                (other.params, self.params, SegmentParams.model_fields),
            )
            for name in names
            if getattr(old, name) != getattr(new, name)
        ]
        if differ(self.fingerprint[mended:], other.fingerprint[mended:]):
            found.append("the image or the way it is stored is another now")
        return found


def make_request(
    image: LazyImage,
    params: SegmentParams,
    *,
    axes: str | None,
    rgb: bool | None,
    block: int | None,
    overlap: int | None,
    cancelled: CancelCheck | None = None,
) -> Request:
    """Say what is asked for.

    Raises
    ------
    InputError, ReadError, ModelError, Cancelled
    """
    if params.probabilities:
        raise InputError("Probability maps are not written for images that are cut into blocks.")
    for name, value, least in (("block", block, 1), ("overlap", overlap, 0)):
        if value is not None:
            check_whole(name, value, least)
    return Request(
        version=napari_nucseg.__version__,
        path=image.path,
        shape=tuple(image.array.shape),
        dtype=str(np.dtype(image.array.dtype)),
        axes=image.axes,
        fingerprint=take_fingerprint(image, cancelled),
        given_axes=axes,
        rgb=rgb,
        params=params,
        model_sha256=find_model(params.model).hashes[LITERT],
        pixel_size=image.placement.pixel_size,
        block=block,
        overlap=overlap,
    )
