"""Linking of labels in depth, into nuclei in 3D, and in time, into tracks with divisions."""

from napari_nucseg.linking.stack import Linked, link_depth, link_labels, link_time, plane_step

__all__ = ["Linked", "link_depth", "link_labels", "link_time", "plane_step"]
