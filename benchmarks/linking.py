"""How well planes are linked into 3D nuclei and frames into tracks.

python benchmarks/linking.py --shared ../shared
"""

import argparse
import itertools
import time
from pathlib import Path

import numpy as np
import tifffile

from napari_nucseg import relabel, segment
from napari_nucseg.evaluation import match
from napari_nucseg.linking import link_depth, link_time, plane_step
from napari_nucseg.linking.table import count_table

VOLUMES = {
    "small-crop": None,
    "embryo-8cell": {"Z": 2.18, "Y": 1.0, "X": 1.0},
}
"""Name and size of a voxel in pixels of Y and X, where it is known."""

NEAR = 3
"""Frames around a division in which it may be found."""


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="the folder with data/")
    data = parser.parse_args().shared / "data"
    print("| stack | outlines | nuclei | slice-wise | linked | AP 0.5 slice-wise | AP 0.5 linked |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, size in VOLUMES.items():
        print("\n".join(volume_rows(data / "volumes", name, size)))
    print()
    print(
        "| masks | frames | links | of these correct | switches | divisions found | wrong "
        "| linking |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    image = tifffile.imread(data / "movie" / "images.tif")
    true = tifffile.imread(data / "movie" / "tracks.tif").astype(np.int32)
    found = segment(image, "TYX").labels
    half = len(true) // 2
    for masks, labels in (("true, ids shuffled", shuffled(true)), ("segmented", found)):
        for frames, part in (("all", slice(None)), ("second half", slice(half, None))):
            print(movie_row(masks, frames, true[part], labels[part]))
    for every in (2, 4):
        part = slice(None, None, every)
        print(movie_row("true, ids shuffled", f"every {every}.", true[part], shuffled(true)[part]))


def volume_rows(folder: Path, name: str, size: dict[str, float] | None) -> list[str]:
    """Link the true outlines of a stack, and those of its segmentation; compare with the truth."""
    image = tifffile.imread(folder / "images" / f"{name}.tif")
    true = tifffile.imread(folder / "labels" / f"{name}.tif").astype(np.int32)
    planes = shuffled(true)
    slices = segment(image, "ZYX", pixel_size=size, keep_maps=True)
    rows = []
    for outlines, before, after in (
        ("true", planes, link_depth(planes, step=plane_step(size)).labels),
        ("segmented", slices.labels, relabel(slices, link_depth=True).labels),
    ):
        scores = [match(true, labels, 0.5) for labels in (before, after)]
        counts = [len(np.unique(before)) - 1, after.max()]
        rows.append(
            f"| {name} | {outlines} | {scores[0].n_true} | {counts[0]} | {counts[1]} "
            f"| {scores[0].average_precision:.3f} | {scores[1].average_precision:.3f} |"
        )
    return rows


def movie_row(masks: str, frames: str, true: np.ndarray, labels: np.ndarray) -> str:
    """Link one movie and compare with the truth."""
    start = time.perf_counter()
    linked = link_time(labels)
    seconds = time.perf_counter() - start
    pairs = [dict(match(a, b, 0.5).pairs) for a, b in zip(true, linked.labels, strict=True)]
    links, correct = count_links(true, pairs)
    divisions = true_divisions(true)
    found, explained = find_divisions(divisions, pairs, dict(linked.parents))
    wrong = len(set(linked.parents.values()) - explained)
    return (
        f"| {masks} | {frames} | {links} | {correct} ({correct / links:.1%}) "
        f"| {count_switches(pairs)} | {found} of {len(divisions)} | {wrong} | {seconds:.2f} s |"
    )


def shuffled(true: np.ndarray) -> np.ndarray:
    """Return the masks with ids that say nothing about the next plane or frame."""
    rng = np.random.default_rng(0)
    frames, used = [], 0
    for frame in true:
        numbers = np.concatenate([[0], used + 1 + rng.permutation(int(frame.max()))])
        frames.append(numbers[frame])
        used += int(frame.max())
    return np.stack(frames).astype(np.int32)


def count_links(true: np.ndarray, pairs: list[dict[int, int]]) -> tuple[int, int]:
    """Return the true links from frame to frame, and how many of them join one found id.

    A link with a nucleus that was not found (at IoU 0.5) is not correct.
    """
    links = correct = 0
    for number in range(1, len(true)):
        both = np.intersect1d(np.unique(true[number - 1]), np.unique(true[number]))
        for nucleus in both[both > 0].tolist():
            links += 1
            ids = [pairs[number - 1].get(nucleus), pairs[number].get(nucleus)]
            correct += ids[0] is not None and ids[0] == ids[1]
    return links, correct


def count_switches(pairs: list[dict[int, int]]) -> int:
    """Return how often a true track goes on under another id, from one sight to the next."""
    last: dict[int, int] = {}
    switches = 0
    for frame in pairs:
        for nucleus, found in frame.items():
            switches += last.get(nucleus, found) != found
            last[nucleus] = found
    return switches


def true_divisions(true: np.ndarray) -> dict[int, tuple[int, tuple[int, int]]]:
    """Return mother, frame and daughters of each division.

    The file does not name them: two tracks that begin within a diameter of where another ended in
    the frame before, the pair whose middle is nearest to it.
    """
    table = count_table(true, gap=-1)
    diameters = table.diameters()
    rows = {
        (int(s), int(i)): row for row, (s, i) in enumerate(zip(table.steps, table.ids, strict=True))
    }
    first = {int(i): int(table.steps[table.ids == i].min()) for i in np.unique(table.ids)}
    last = {int(i): int(table.steps[table.ids == i].max()) for i in np.unique(table.ids)}
    divisions = {}
    for mother, end in last.items():
        place, reach = table.centres[rows[end, mother]], diameters[rows[end, mother]]
        centres = {
            child: table.centres[rows[begin, child]]
            for child, begin in first.items()
            if begin == end + 1
        }
        near = [c for c, centre in centres.items() if np.linalg.norm(centre - place) < reach]
        if len(near) > 1:

            def miss(pair, centres=centres, place=place):
                return np.linalg.norm((centres[pair[0]] + centres[pair[1]]) / 2 - place)

            divisions[mother] = (end + 1, min(itertools.combinations(near, 2), key=miss))
    return divisions


def find_divisions(
    divisions: dict[int, tuple[int, tuple[int, int]]],
    pairs: list[dict[int, int]],
    parents: dict[int, int],
) -> tuple[int, set[int]]:
    """Return how many divisions were found, and the ids of their mothers.

    Found is one whose daughters both, within three frames, have an id whose parent is the id that
    the mother had within the three frames before.
    """
    found, explained = 0, set()
    for mother, (frame, daughters) in divisions.items():
        before = {f[mother] for f in pairs[max(0, frame - NEAR) : frame] if mother in f}
        born = [
            {parents.get(f[d]) for f in pairs[frame : frame + NEAR] if d in f} for d in daughters
        ]
        common = before & born[0] & born[1]
        found += bool(common)
        explained |= common
    return found, explained


if __name__ == "__main__":
    main()
