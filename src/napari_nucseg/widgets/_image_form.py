"""The upper part of the widget: which image, which part of it, and what its axes are."""

from dataclasses import dataclass
from typing import Any

from magicgui.widgets import ComboBox, Container
from napari.layers import Image, Shapes

from napari_nucseg._types import AnyArray
from napari_nucseg.errors import InputError
from napari_nucseg.large.rule import reason_for_blocks
from napari_nucseg.params import SegmentParams, parse_diameter
from napari_nucseg.widgets._layer_axes import axes_choices, guess_axes
from napari_nucseg.widgets._layers import (
    choices_of,
    current_position,
    full_resolution,
    pixel_size,
    region_mask,
    take_plane,
)
from napari_nucseg.widgets._look import renew_choices
from napari_nucseg.widgets._messages import NO_IMAGE, NO_SHAPES, no_pixel_size
from napari_nucseg.widgets._origin import SOURCE, SOURCE_ID
from napari_nucseg.widgets._params_form import field_widget
from napari_nucseg.widgets._results import RECORD

PLANE, WHOLE, SHAPES = "this plane", "whole stack", "inside the shapes"
WHOLE_IMAGE = "whole image"


@dataclass(frozen=True, eq=False)
class Request:
    """What to segment, settled when Run was pressed.

    Attributes
    ----------
    source : Image
        The layer; only the main thread touches it.
    shape : tuple of int
        Of the layer's data.
    image : array
        What of its data to segment, with `image_axes`.
    axes, image_axes : str
        Of the layer, and of `image`.
    position : dict
        Index along T and Z of the plane, if a single one was asked for.
    region : array (Y, X) or None
    region_name : str or None
        The shapes layer.
    """

    source: Image
    shape: tuple[int, ...]
    name: str
    image: Any
    axes: str
    image_axes: str
    position: dict[str, int]
    pixel_size: dict[str, float]
    region: AnyArray | None
    region_name: str | None
    params: SegmentParams

    def is_current(self) -> bool:
        """Tell whether the layer still shows an image of this shape; in the main thread."""
        return tuple(full_resolution(self.source).shape) == self.shape

    def record(self) -> dict[str, Any]:
        """Return what goes to the result layer's metadata."""
        return {
            SOURCE: self.name,
            SOURCE_ID: str(self.source.unique_id),
            "axes": self.axes,
            "plane": dict(self.position) or None,
            "region": self.region_name,
        }


class ImageForm(Container):
    """Chooses an image layer, follows the active one, and shows only the choices it leaves open.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self.image = ComboBox(
            label="Image",
            choices=lambda _: choices_of(viewer.layers, Image),
            tooltip="The image layer to segment; follows the layer selected in the layer list.",
        )
        self.axes = ComboBox(
            label="Axes",
            choices=[],
            tooltip="What the axes of the image are: time, Z (depth), channel, Y, X, S (colour).",
        )
        self.channels = field_widget("channels")
        self.what = ComboBox(
            label="Segment",
            choices=[WHOLE_IMAGE],
            tooltip=(
                "The plane that is shown, all planes, or all planes but only nuclei whose centre "
                "lies in a shape."
            ),
        )
        self.shapes = ComboBox(
            label="Shapes",
            choices=lambda _: choices_of(viewer.layers, Shapes),
            tooltip="Nuclei whose centre lies in one of its rectangles, ellipses or polygons.",
        )
        rows = [self.image, self.axes, self.channels, self.what, self.shapes]
        super().__init__(widgets=rows, labels=True)
        self.margins = (0, 0, 0, 0)
        self.image.changed.connect(self._image_changed)
        self.axes.changed.connect(self._show_open_choices)
        self.what.changed.connect(self._show_open_choices)
        self.follow()
        self._image_changed()

    def refresh(self) -> None:
        """Read the layer list again; the chosen layers stay chosen, whatever their names."""
        for box in (self.image, self.shapes):
            renew_choices(box)

    def reset_choices(self, *_: Any) -> None:
        """Do what napari asks of docked widgets when layers come and go."""
        self.refresh()

    def follow(self) -> None:
        """Choose the active layer if it is an image that this package did not make."""
        active = self._viewer.layers.selection.active
        if isinstance(active, Image) and RECORD not in active.metadata:
            self.refresh()
            self.image.value = active

    def _image_changed(self) -> None:
        """Offer the axes that the image may have, and the parts that can be segmented."""
        layer = self.image.value
        choices = [] if layer is None else axes_choices(layer.ndim, layer.rgb)
        self.axes.choices = choices
        if choices:
            self.axes.value = guess_axes(layer)
        self._show_open_choices()

    def check_axes(self) -> None:
        """Offer other axes if the image got data of other dimensions, of which no event tells."""
        layer = self.image.value
        if layer is not None and list(self.axes.choices) != axes_choices(layer.ndim, layer.rgb):
            self._image_changed()

    def _show_open_choices(self) -> None:
        axes = self.axes.value or ""
        parts = [WHOLE, PLANE] if set(axes) & set("TZ") else [WHOLE_IMAGE]
        if list(self.what.choices) != [*parts, SHAPES]:
            with self.what.changed.blocked():
                chosen = self.what.value
                self.what.choices = []
                self.what.choices = [*parts, SHAPES]
                if chosen in self.what.choices:
                    self.what.value = chosen
        self.axes.visible = len(self.axes.choices) > 1
        self.channels.visible = "C" in axes
        self.shapes.visible = self.what.value == SHAPES

    @property
    def stacked(self) -> str:
        """Those of the axes T and Z that what is to be segmented has."""
        axes = self.axes.value or ""
        return "" if self.what.value == PLANE else "".join(axis for axis in axes if axis in "TZ")

    @property
    def reason_for_blocks(self) -> str | None:
        """Why what is to be segmented is cut into blocks; None if it is segmented at once."""
        layer, axes = self.image.value, self.axes.value
        if layer is None or not axes or self.what.value not in (WHOLE, WHOLE_IMAGE):
            return None
        return reason_for_blocks(full_resolution(layer), axes)

    def request(self, params: SegmentParams) -> Request:
        """Return what to segment.

        Raises
        ------
        InputError
            There is no image, it cannot have any axes, or there is no shape; or the diameter is a
            length and the layer has no pixel size.
        """
        layer = self.image.value
        if layer is None:
            raise InputError(NO_IMAGE)
        axes = self.axes.value or guess_axes(layer)
        sizes = pixel_size(layer, axes)
        is_length = params.diameter != "auto" and parse_diameter(params.diameter)[1]
        if is_length and not {"Y", "X"} <= sizes.keys():
            raise InputError(no_pixel_size(str(layer.name), params.diameter))
        image, image_axes = full_resolution(layer), axes
        position: dict[str, int] = {}
        region = None
        if self.what.value == PLANE:
            position = current_position(layer, axes, self._viewer.dims.point)
            image, image_axes = take_plane(image, axes, position)
        elif self.what.value == SHAPES:
            if self.shapes.value is None:
                raise InputError(NO_SHAPES)
            region = region_mask(self.shapes.value, layer, axes)
        return Request(
            source=layer,
            shape=tuple(full_resolution(layer).shape),
            name=str(layer.name),
            image=image,
            axes=axes,
            image_axes=image_axes,
            position=position,
            pixel_size=sizes,
            region=region,
            region_name=None if region is None else str(self.shapes.value.name),
            params=params,
        )
