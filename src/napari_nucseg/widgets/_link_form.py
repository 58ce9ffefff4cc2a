"""The fields that link planes and frames: only those that the image gives a meaning are shown."""

from typing import Any

from magicgui.widgets import Container

from napari_nucseg.params import LINK_PARAMETERS, SegmentParams
from napari_nucseg.widgets._params_form import field_widget

_AXIS = {"link_depth": "Z", "link_time": "T"}
"""The axis that each switch needs."""


_LOOK: dict[str, dict[str, Any]] = {"anisotropy": {"widget_type": "FloatSpinBox", "step": 0.1}}


class LinkForm(Container):
    """Switches for linking in depth and in time, and how.

    Attributes
    ----------
    fields : dict of str to magicgui widget
        One per parameter of `LINK_PARAMETERS`.
    """

    def __init__(self) -> None:
        self.fields = {name: field_widget(name, **_LOOK.get(name, {})) for name in LINK_PARAMETERS}
        self._axes = ""
        super().__init__(widgets=list(self.fields.values()), labels=True)
        self.margins = (0, 0, 0, 0)
        for name in _AXIS:
            self.fields[name].changed.connect(self._show)
        self._show()

    def offer(self, axes: str) -> None:
        """Show what can be linked in an image with these axes."""
        self._axes = axes
        self._show()

    def unused(self, axes: str) -> dict[str, Any]:
        """Return the parameters that mean nothing for these axes, as they are by default."""
        default = SegmentParams()
        unused = set(LINK_PARAMETERS) - self._used(axes)
        return {name: getattr(default, name) for name in unused}

    def _used(self, axes: str) -> set[str]:
        switches = {name for name, axis in _AXIS.items() if axis in axes}
        on = {name for name in switches if self.fields[name].value}
        details = {"link_overlap", "link_gap"} if on else set()
        return switches | details | ({"min_planes", "anisotropy"} if "Z" in axes and on else set())

    def _show(self, _: Any = None) -> None:
        used = self._used(self._axes)
        for name, field in self.fields.items():
            field.visible = name in used
