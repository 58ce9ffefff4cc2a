"""Images in the look of another stain."""

import numpy as np

from napari_nucseg.training.other_stain import as_fluorescence, as_tissue

SIZE = 64


def test_nuclei_of_fluorescence_become_the_darker_part_of_tissue():
    image = np.full((SIZE, SIZE, 3), -1.0, np.float32)
    rows, columns = np.ogrid[:SIZE, :SIZE]
    nucleus = (rows - 32) ** 2 + (columns - 32) ** 2 < 144
    image[nucleus] = 0.8
    for seed in range(10):
        tissue = as_tissue(image, np.random.default_rng(seed))
        red = tissue[..., 0]
        assert red[nucleus].mean() < red[:8].mean() - 0.1  # haematoxylin swallows red


def test_dark_nuclei_mostly_become_bright():
    image = np.full((SIZE, SIZE, 3), 0.7, np.float32)
    image[20:40, 20:40] = -0.5

    def is_bright(seed):
        grey = as_fluorescence(image, np.random.default_rng(seed))[..., 0]
        return grey[30, 30] > grey[0, 0]

    bright = sum(is_bright(seed) for seed in range(100))
    assert 65 <= bright <= 95
