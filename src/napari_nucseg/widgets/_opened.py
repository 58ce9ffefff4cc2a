"""Image and labels of a finished item of a batch, as layers."""

from dataclasses import dataclass
from typing import Any

from napari.layers import Image, Labels

from napari_nucseg._types import AnyArray
from napari_nucseg.axes import resolve_axes
from napari_nucseg.batch.items import Item
from napari_nucseg.batch.work import Work
from napari_nucseg.widgets._batch_table import item_name
from napari_nucseg.widgets._layers import axes_geometry, expand, result_geometry


@dataclass(frozen=True)
class Opened:
    """An image and its labels, read."""

    name: str
    image: AnyArray
    axes: str
    pixel_size: dict[str, float]
    labels: AnyArray
    labels_axes: str


def read_item(item: Item, work: Work) -> Opened:
    """Read the image of an item and its labels; for a thread.

    Parameters
    ----------
    item : Item
    work : Work
        Of the batch; its axes and pixel size count before what the image states.

    Raises
    ------
    ReadError, InputError
    """
    image, labels = work.read(item), item.read_labels()
    found = resolve_axes(image.data.shape, image.axes)
    order = sorted(range(len(labels.axes)), key=lambda dim: found.index(labels.axes[dim]))
    return Opened(
        item_name(item),
        image.pixels(),
        found,
        image.pixel_size,
        labels.pixels().transpose(order),
        "".join(labels.axes[dim] for dim in order),
    )


def show_opened(viewer: Any, opened: Opened) -> tuple[Image, Labels]:
    """Add the image and the labels, which lie on it; in the main thread."""
    image = viewer.add_image(
        opened.image,
        name=opened.name,
        rgb="S" in opened.axes,
        **axes_geometry(opened.axes.removesuffix("S"), opened.pixel_size),
    )
    labels = viewer.add_labels(
        expand(opened.labels, opened.labels_axes, opened.axes),
        name=f"{opened.name} nuclei",
        **result_geometry(image, opened.axes, {}),
    )
    return image, labels
