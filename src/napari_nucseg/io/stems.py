"""What begins the names of the results of files: a stem that no other file has."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from napari_nucseg.io.inputs import image_stem


def output_stems(paths: Sequence[Path], kept: Mapping[Path, str]) -> dict[Path, str]:
    """Find a name for the results of each file.

    Parameters
    ----------
    paths : sequence of Path
        Different files.
    kept : mapping
        The stems of those that have results already.

    Returns
    -------
    dict
        The stem of each file: that in `kept`, or else one that no other file has. Where stems are
        equal (upper and lower case count as equal, as on Windows and macOS), the folder's name, the
        suffix, both or a number make them different.
    """
    groups: dict[str, list[Path]] = defaultdict(list)
    for path in dict.fromkeys(paths):
        groups[image_stem(path).casefold()].append(path)
    stems = {path: kept[path] for path in paths if path in kept}
    taken = {stem.casefold() for stem in stems.values()}
    for stem, group in groups.items():
        if len(group) == 1 and stem not in taken:
            stems.setdefault(group[0], image_stem(group[0]))
    taken |= {stem.casefold() for stem in stems.values()}
    for group in groups.values():
        new = [path for path in group if path not in stems]
        names = _different(group, new, taken)
        taken.update(name.casefold() for name in names)
        stems.update(zip(new, names, strict=True))
    return {path: stems[path] for path in paths}


def _different(group: Sequence[Path], new: Sequence[Path], taken: set[str]) -> list[str]:
    """Return names for the new ones of files with the same stem, none of them in `taken`.

    All files of the group count, so that what a name adds tells its file from the others.
    """
    for names in zip(*map(_candidates, group), strict=True):
        named = dict(zip(group, names, strict=True))
        chosen = [named[path] for path in new]
        different = len({name.casefold() for name in names}) == len(group)
        if different and not taken.intersection(name.casefold() for name in chosen):
            return chosen
    chosen = []
    number = 0
    while len(chosen) < len(new):
        number += 1
        name = f"{image_stem(new[len(chosen)])}_{number}"
        if name.casefold() not in taken:
            chosen.append(name)
    return chosen


def _candidates(path: Path) -> tuple[str, str, str]:
    """Return longer names for a file: with its folder, with its suffix, with both."""
    stem = image_stem(path)
    folder = path.absolute().parent.name
    suffix = path.name[len(stem) :].replace(".", "_").lower()
    return f"{folder}_{stem}", f"{stem}{suffix}", f"{folder}_{stem}{suffix}"
