"""Keys of the labels layer that is being corrected; none that napari uses."""

from collections.abc import Callable, Mapping
from typing import Any

from napari.layers import Labels
from napari.utils.key_bindings import coerce_keybinding


class Keys:
    """Keys that are bound to one layer, for as long as it is being corrected.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    actions : mapping
        From key to what it does.
    """

    def __init__(self, viewer: Any, actions: Mapping[str, Callable[[], None]]) -> None:
        self._viewer = viewer
        self._actions = dict(actions)
        self._bound: dict[str, Callable[[Labels], None]] = {}
        self._layer: Labels | None = None

    def bind(self, layer: Labels) -> list[str]:
        """Bind the keys to a layer and no other; return those that napari or the user took."""
        self.unbind()
        self._layer = layer
        taken = taken_keys(layer, self._viewer)
        for key, action in self._actions.items():
            if coerce_keybinding(key) not in taken:
                self._bound[key] = _on_layer(action)
                layer.bind_key(key, self._bound[key])
        return [key for key in self._actions if key not in self._bound]

    def unbind(self) -> None:
        """Free the keys."""
        if self._layer is not None:
            for key, function in self._bound.items():
                if self._layer.keymap.get(coerce_keybinding(key)) is function:
                    self._layer.bind_key(key, None)
        self._bound.clear()
        self._layer = None


def taken_keys(layer: Labels, viewer: Any) -> set[Any]:
    """Return the keys that already do something while a layer is active."""
    keymaps = [layer.keymap, viewer.keymap]
    for owner in (layer, viewer):
        keymaps += [getattr(cls, "class_keymap", {}) for cls in type(owner).__mro__]
    return {key for keymap in keymaps for key in keymap}


def _on_layer(action: Callable[[], None]) -> Callable[[Labels], None]:
    def press(_layer: Labels) -> None:
        action()

    return press
