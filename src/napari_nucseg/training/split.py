"""Which images are trained on, and which are held out to validate on."""

import numpy as np

from napari_nucseg.training.dataset import Item


def split_by_group(items: list[Item], fraction: float, seed: int) -> tuple[list[Item], list[Item]]:
    """Split into training and validation images by whole groups.

    Within each kind, groups in seeded random order go to validation until `fraction` of the kind's
    images is reached; a kind with a single group stays in training. Images in test groups are
    trained on, with all of their groups, and the others split as if there were none: where such
    groups are marked as a whole, models trained with and without them are scored on the same
    images.
    """
    generator = np.random.default_rng(seed)
    validation: set[str] = set()
    test_groups = {item.group for item in items if item.in_test_group}
    candidates = [item for item in items if item.group not in test_groups]
    for kind in sorted({item.kind for item in candidates}):
        of_kind = [item for item in candidates if item.kind == kind]
        groups = sorted({item.group for item in of_kind})
        wanted = fraction * len(of_kind)
        # A group may hold images of several kinds.
        taken = sum(item.group in validation for item in of_kind)
        for group in generator.permutation(groups)[:-1]:
            if group in validation:
                continue
            size = sum(item.group == group for item in of_kind)
            # A group that would overshoot more than stopping here would undershoot stays out.
            if taken + size / 2 <= wanted:
                validation.add(str(group))
                taken += size
    if not validation:
        validation.add(min(item.group for item in candidates))
    elif validation == {item.group for item in items}:
        validation.remove(max(validation))
    return (
        [item for item in items if item.group not in validation],
        [item for item in items if item.group in validation],
    )
