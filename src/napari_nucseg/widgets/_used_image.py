"""An image that was used, which may be closed by now, or closed and opened again."""

import weakref
from dataclasses import dataclass
from typing import Any

from napari.layers import Image

from napari_nucseg.widgets._layers import full_resolution, image_named


@dataclass(frozen=True)
class UsedImage:
    """What an image layer is known by; it does not keep the layer's pixels in memory.

    Attributes
    ----------
    name : str
    shape : tuple of int
    rgb : bool
    layer : weak reference to Image
    """

    name: str
    shape: tuple[int, ...]
    rgb: bool
    layer: "weakref.ref[Image]"

    @classmethod
    def of(cls, layer: Image) -> "UsedImage":
        """Remember a layer."""
        shape = tuple(full_resolution(layer).shape)
        return cls(layer.name, shape, layer.rgb, weakref.ref(layer))

    def find(self, layers: Any) -> Image | None:
        """Return the layer if it is open, else the one of its name and shape, if there is one."""
        layer = self.layer()
        if layer is not None and layer in layers:
            return layer
        other = image_named(self.name, layers)
        if other is None or other.rgb != self.rgb:
            return None
        return other if tuple(full_resolution(other).shape) == self.shape else None
