"""The texture of chromatin: coarse and fine grain, and nucleoli as holes."""

import numpy as np
from scipy import ndimage

from napari_nucseg._types import FloatArray
from napari_nucseg.sample_data._drawing import Region

SIZE = 64
"""Voxels along each side of the volume, which repeats itself."""

VOXELS_PER_RADIUS = 10.0


def _noise(rng: np.random.Generator, sigma: float) -> FloatArray:
    noise: FloatArray = ndimage.gaussian_filter(
        rng.standard_normal((SIZE,) * 3, dtype=np.float32), sigma, mode="wrap"
    )
    noise /= noise.std()
    return noise


class Chromatin:
    """A volume of texture from which every nucleus takes its own piece.

    The piece turns and moves with the nucleus, so a nucleus of a movie can be recognised.

    Attributes
    ----------
    grain : numpy.ndarray
        Mean 0, standard deviation 1.
    nucleoli : numpy.ndarray
        1 in the middle of a nucleolus, 0 outside.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        coarse, fine = _noise(rng, 1.7), _noise(rng, 0.8)
        self.grain = 0.85 * coarse + 0.5 * fine
        self.nucleoli = np.clip((_noise(rng, 2.4) - 1.2) / 0.7, 0.0, 1.0)

    def sample(self, region: Region) -> tuple[FloatArray, FloatArray]:
        """Return grain and nucleoli at the voxels of `region`, two flat arrays."""
        points = [
            VOXELS_PER_RADIUS * axis + start
            for axis, start in zip(region.local, region.nucleus.texture, strict=True)
        ]
        grain, nucleoli = (
            ndimage.map_coordinates(volume, points, order=1, mode="grid-wrap")
            for volume in (self.grain, self.nucleoli)
        )
        return grain, nucleoli
