"""Probabilities that a batch wrote with labels which others, made in blocks, replace."""

from dataclasses import dataclass, replace
from pathlib import Path

from napari_nucseg.batch.batch import SUMMARY
from napari_nucseg.batch.existing import maps_came_along
from napari_nucseg.batch.record import RECORD, EarlierRuns
from napari_nucseg.batch.results import Results
from napari_nucseg.batch.zarr_items import ZarrItem
from napari_nucseg.io.earlier import remove_earlier
from napari_nucseg.io.inputs import ZARR_LABELS_SUFFIX
from napari_nucseg.large.result import LargeResult


@dataclass(frozen=True)
class ReplacedMaps:
    """What lies where a batch puts probabilities, beside labels that are going to be replaced.

    Attributes
    ----------
    path : Path or None
        None if the labels are not called as those of a batch, or if it is the image itself.
    of_labels : bool
        Whether it is known that a batch wrote it with the labels.
    """

    path: Path | None
    of_labels: bool = False

    @classmethod
    def beside(cls, labels: Path, image: str | Path | None) -> "ReplacedMaps":
        """Look before the labels are replaced, as these tell whether a batch wrote them.

        Parameters
        ----------
        labels : Path
        image : str, Path or None
            Where the image lies, if it does; it is never removed.
        """
        if not labels.name.endswith(ZARR_LABELS_SUFFIX):
            return cls(None)
        # Rows are found by the name of the labels, whatever image they are of.
        stem = labels.name.removesuffix(ZARR_LABELS_SUFFIX)
        item = ZarrItem(source=labels, output=labels.parent, stem=stem)
        if image is not None and Path(image).resolve().is_relative_to(item.probability.resolve()):
            return cls(None)
        results = Results.read(labels.parent / SUMMARY, overwrite=True)  # whatever is there
        known = EarlierRuns(labels.parent / RECORD, overwrite=True)
        return cls(item.probability, maps_came_along(item, results, known))

    def remove(self, result: LargeResult) -> LargeResult:
        """Remove it, now that there are other labels.

        Returns
        -------
        LargeResult
            The result, which tells of probabilities that stay and are not those of the labels.
        """
        if self.path is None:
            return result
        remark = remove_earlier(self.path, of_labels=self.of_labels)
        return replace(result, messages=(*result.messages, remark)) if remark else result
