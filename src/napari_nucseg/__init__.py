"""Nucleus segmentation: fast on a laptop, the same from napari, the shell and Python."""

from importlib import import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_nucseg.batch.segment_batch import segment_batch as segment_batch
    from napari_nucseg.correction.suggestions import suggest_regions as suggest_regions
    from napari_nucseg.evaluation import evaluate as evaluate
    from napari_nucseg.finetune_params import FineTuneParams as FineTuneParams
    from napari_nucseg.inference.relabel import relabel as relabel
    from napari_nucseg.inference.result import SegmentationResult as SegmentationResult
    from napari_nucseg.inference.segment import segment as segment
    from napari_nucseg.large.result import LargeResult as LargeResult
    from napari_nucseg.large.segment_large import segment_large as segment_large
    from napari_nucseg.params import SegmentParams as SegmentParams
    from napari_nucseg.training.finetune.start import FineTuneResult as FineTuneResult
    from napari_nucseg.training.finetune.start import finetune as finetune

__version__ = _version("napari-nucseg")

_PLACES = {
    "FineTuneParams": "napari_nucseg.finetune_params",
    "FineTuneResult": "napari_nucseg.training.finetune.start",
    "LargeResult": "napari_nucseg.large.result",
    "SegmentParams": "napari_nucseg.params",
    "SegmentationResult": "napari_nucseg.inference.result",
    "evaluate": "napari_nucseg.evaluation",
    "finetune": "napari_nucseg.training.finetune.start",
    "relabel": "napari_nucseg.inference.relabel",
    "segment": "napari_nucseg.inference.segment",
    "segment_batch": "napari_nucseg.batch.segment_batch",
    "segment_large": "napari_nucseg.large.segment_large",
    "suggest_regions": "napari_nucseg.correction.suggestions",
}

__all__ = [
    "FineTuneParams",
    "FineTuneResult",
    "LargeResult",
    "SegmentParams",
    "SegmentationResult",
    "__version__",
    "evaluate",
    "finetune",
    "relabel",
    "segment",
    "segment_batch",
    "segment_large",
    "suggest_regions",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that importing the package stays quick."""
    if name not in _PLACES:
        raise AttributeError(f"module 'napari_nucseg' has no attribute '{name}'")
    value = getattr(import_module(_PLACES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
