"""The layers that a widget made: added, replaced, and left alone once somebody edited them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Image, Labels, Layer

from napari_nucseg._types import AnyArray
from napari_nucseg.correction.snapshot import fingerprint

Kind = Literal["labels", "probability"]

RECORD = "napari_nucseg"
"""Key in `layer.metadata` of what this package knows about a layer."""

_SUFFIX: dict[Kind, str] = {"labels": "nuclei", "probability": "nuclei probability"}
_LOOK: dict[Kind, dict[str, Any]] = {
    "labels": {},
    "probability": {"colormap": "magma", "contrast_limits": (0, 1), "blending": "additive"},
}
_KEPT = ("name", "visible", "opacity")


_EDITS = ("paint", "labels_update", "set_data", "data")
"""Events of napari after which a layer may hold other pixels."""


@dataclass(frozen=True, eq=False)
class Written:
    """An array for a layer, and its fingerprint; made in a thread, as large ones take a while."""

    data: AnyArray
    fingerprint: str

    @classmethod
    def of(cls, data: AnyArray) -> "Written":
        """Take the fingerprint of an array."""
        return cls(data, fingerprint(data))


@dataclass(eq=False)
class _Made:
    layer: Layer
    written: str
    whole: bool
    """It shows all of the image, not a plane or a region."""
    events: int = 0
    """Number of events so far after which it may hold other pixels."""

    def watch(self) -> None:
        """Count events from now on."""
        for name in _EDITS:
            emitter = getattr(self.layer.events, name, None)
            if emitter is not None:
                emitter.connect(self._note)

    def unwatch(self) -> None:
        """Count no more."""
        for name in _EDITS:
            emitter = getattr(self.layer.events, name, None)
            if emitter is not None:
                emitter.disconnect(self._note)

    def _note(self, _event: object = None) -> None:
        self.events += 1


Looked: TypeAlias = Mapping[_Made, tuple[int, bool]]
"""What a thread found: the number of events before it looked, and whether it was as written."""


def is_locked(layer: Layer) -> bool:
    """Tell whether the user has locked a layer, which not every napari can."""
    return bool(getattr(layer, "locked", False))


class ResultLayers:
    """Layers made from each source layer.

    Whether a layer was edited is seen from its content, so painting, filling, undoing and writing
    into its array by a script all count.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._made: dict[Kind, WeakKeyDictionary[Image, _Made]] = {
            "labels": WeakKeyDictionary(),
            "probability": WeakKeyDictionary(),
        }

    def untouched(
        self, source: Image, kind: Kind = "labels", looked: Looked | None = None
    ) -> Layer | None:
        """Return the layer last made from `source` if it is there and as it was written.

        Parameters
        ----------
        source : Image
        kind : {"labels", "probability"}
        looked : mapping, optional
            What the callable of `look_at` found just before, in a thread; without it the content
            is compared at once, which takes a while in large layers.
        """
        made = self._made[kind].get(source)
        if made is None or made.layer not in self._viewer.layers:
            return None
        if is_locked(made.layer):
            return None
        events, as_written = (looked or {}).get(made, (-1, False))
        if events != made.events:  # napari has told of an edit since
            as_written = fingerprint(made.layer.data) == made.written
        return made.layer if as_written else None

    def look_at(self, source: Image) -> Callable[[], Looked]:
        """Return what looks at the layers made from `source`; it may be called in a thread."""
        found = [made[source] for made in self._made.values() if source in made]

        def look() -> Looked:
            return {
                made: (made.events, fingerprint(made.layer.data) == made.written) for made in found
            }

        return look

    def _is_shown(self, source: Image) -> bool:
        made = self._made["labels"].get(source)
        return made is not None and made.layer in self._viewer.layers

    def last(self, source: Image) -> Layer:
        """Return the labels layer last made from `source`, which may be gone from the viewer."""
        return self._made["labels"][source].layer

    def put(
        self,
        source: Image,
        kind: Kind,
        written: Written,
        geometry: dict[str, Any],
        record: dict[str, Any],
        features: Mapping[str, AnyArray] | None = None,
        looked: Looked | None = None,
    ) -> Layer:
        """Show a result: in the untouched layer of the run before, else in a new one.

        The result of a plane or a region never takes the place of one of the whole image.

        Parameters
        ----------
        source : Image
            The layer that was segmented.
        kind : {"labels", "probability"}
        written : Written
            The layer takes its array over; pass a copy of what must not change.
        geometry : dict
            From `_layers.result_geometry`.
        record : dict
            Goes to ``layer.metadata["napari_nucseg"]``, with the fingerprint of the data.
        features : dict of str to array, optional
            One row for each label.
        looked : mapping, optional
            As for `untouched`.
        """
        data = written.data
        record = {**record, "fingerprint": written.fingerprint}
        whole = record["plane"] is None and record["region"] is None
        layer = self.untouched(source, kind, looked)
        before = self._made[kind].get(source)
        if before is not None:
            before.unwatch()
        if layer is not None and self._made[kind][source].whole and not whole:
            layer = None
        if layer is not None and layer.ndim == data.ndim:
            _replace(layer, data, geometry)
            layer.metadata[RECORD] = record
        else:
            layer = self._add(source, kind, data, geometry, record, instead_of=layer)
        if isinstance(layer, Labels):
            layer.features = features or {}
        self._made[kind][source] = made = _Made(layer, written.fingerprint, whole)
        made.watch()
        return layer

    def _add(
        self,
        source: Image,
        kind: Kind,
        data: AnyArray,
        geometry: dict[str, Any],
        record: dict[str, Any],
        instead_of: Layer | None,
    ) -> Layer:
        layers = self._viewer.layers
        look: dict[str, Any] = {"name": f"{source.name} {_SUFFIX[kind]}", **_LOOK[kind]}
        place = len(layers)
        if instead_of is not None:
            look.update({key: getattr(instead_of, key) for key in _KEPT})
            place = layers.index(instead_of)
            layers.remove(instead_of)
        elif kind == "probability" and self._is_shown(source):
            place = layers.index(self._made["labels"][source].layer)  # the labels stay on top
        make = Labels if kind == "labels" else Image
        layer = make(data, metadata={RECORD: record}, **geometry, **look)
        layers.insert(place, layer)
        return layer  # layers[place] would be a proxy in a plugin's dock, which no event names


def _replace(layer: Layer, data: AnyArray, geometry: dict[str, Any]) -> None:
    """Give a layer new content and place, and forget its undo steps, which were of the old one."""
    layer.data = data
    for key, value in geometry.items():
        if not _same(getattr(layer, key), value):
            setattr(layer, key, value)
    if isinstance(layer, Labels):
        mode, editable = layer.mode, layer.editable
        layer.editable = not editable  # napari drops the undo steps of a layer that is not editable
        layer.editable = editable
        layer.mode = mode


def _same(old: Any, new: Any) -> bool:
    """Return whether a transform or a tuple of names is unchanged."""
    if hasattr(old, "affine_matrix"):
        old = old.affine_matrix
    if isinstance(new, tuple):
        return tuple(old) == new
    return np.shape(old) == np.shape(new) and bool(np.array_equal(old, new))
