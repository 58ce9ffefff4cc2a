"""Comparison of predicted nuclei with true nuclei: matching of instances, scores, folders."""

from napari_nucseg.evaluation.counts import Counts, PixelCounts
from napari_nucseg.evaluation.folders import FolderEvaluation, evaluate_folders
from napari_nucseg.evaluation.matching import (
    Matching,
    Overlaps,
    match,
    match_overlaps,
    overlap_matrix,
)
from napari_nucseg.evaluation.scores import THRESHOLDS, ImageScore, score_image
from napari_nucseg.evaluation.summary import Summary, evaluate, summarize

__all__ = [
    "THRESHOLDS",
    "Counts",
    "FolderEvaluation",
    "ImageScore",
    "Matching",
    "Overlaps",
    "PixelCounts",
    "Summary",
    "evaluate",
    "evaluate_folders",
    "match",
    "match_overlaps",
    "overlap_matrix",
    "score_image",
    "summarize",
]
