"""Random views of an image and its labels; both share one random state.

Every function takes the `numpy.random.Generator` that it draws from, so that a batch depends on
(seed, epoch, index) alone and a resumed training sees what an undisturbed one would.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from scipy import ndimage
from skimage.color import hed2rgb, rgb2hed

from napari_nucseg._opencv import cv2
from napari_nucseg._types import AnyArray, FloatArray, LabelArray


@dataclass(frozen=True)
class View:
    """What the network sees and learns from.

    Attributes
    ----------
    image : array (Y, X, 3), float32
        Normalised, about [-1, 1].
    labels : array (Y, X), int32
        Consecutive instance labels.
    valid : array (Y, X), bool
        False outside of the source image.
    """

    image: FloatArray
    labels: LabelArray
    valid: AnyArray


def random_view(
    image: FloatArray, labels: LabelArray, scale: float, size: int, rng: Generator, strength: float
) -> View:
    """Cut a randomly placed, rotated, flipped, stretched and bent window.

    Parameters
    ----------
    image : array (Y, X, 3), float32
    labels : array (Y, X), int32
    scale : float
        Output pixels per input pixel.
    size : int
        Height and width of the window in output pixels.
    rng : numpy.random.Generator
    strength : float
        0 switches bending and stretching off, 1 is full.
    """
    rows, columns = _sampling_grid(image.shape[:2], scale, size, rng, strength)
    interpolation = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_LINEAR
    if scale < 0.7:  # blur before thinning out, or noise and texture alias
        image = cv2.GaussianBlur(image, (0, 0), 0.4 / scale)
    warped = cv2.remap(
        _without_thin_axes(image), columns, rows, interpolation, borderMode=cv2.BORDER_REFLECT_101
    )
    # float32 holds label ids exactly up to 2**24, and remap takes no int32.
    drawn = cv2.remap(
        labels.astype(np.float32), columns, rows, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT
    ).astype(np.int32)
    height, width = labels.shape
    valid = (rows >= 0) & (rows <= height - 1) & (columns >= 0) & (columns <= width - 1)
    return View(warped, _consecutive(drawn), valid)


def random_intensity(image: FloatArray, color: bool, rng: Generator, strength: float) -> FloatArray:
    """Change contrast, gamma, colour, sharpness and noise of a normalised image (Y, X, 3)."""
    x: FloatArray = (image + 1) / 2
    if color:
        x = _random_color(x, rng, strength)
    if rng.random() < 0.7 * strength:
        x = np.sign(x) * np.abs(x) ** np.exp(rng.normal(0, 0.35))
    if rng.random() < 0.25 * strength:
        x = x + _gradient(x.shape[:2], rng)[..., None]
    if rng.random() < (0.05 if color else 0.12) * strength:
        x = 1 - x
    if rng.random() < 0.3 * strength:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.3, 2.0))
    if rng.random() < 0.35 * strength:
        x = _add_noise(x, color, rng)
    if rng.random() < 0.1 * strength:
        x = _jpeg(x, int(rng.integers(30, 90)))
    gain, shift = 1 + rng.normal(0, 0.12 * strength), rng.normal(0, 0.05 * strength)
    return np.clip((x * gain + shift) * 2 - 1, -1.5, 1.5).astype(np.float32)


def empty_view(size: int, rng: Generator) -> View:
    """Return pure noise, empty glass or a smooth background, stretched as normalisation would."""
    fine = rng.normal(0, 1, (size, size)).astype(np.float32)
    sigma = np.exp(rng.uniform(np.log(0.3), np.log(20)))  # camera noise ... out of focus
    noise = cv2.GaussianBlur(fine, (0, 0), sigma) if sigma > 0.5 else fine
    field: FloatArray = noise / noise.std() + rng.choice([0.0, 2.0, 8.0]) * _gradient(
        (size, size), rng
    )
    low, high = np.percentile(field, (1, 99.8))
    field = (field - low) / (high - low) * rng.choice([0.2, 1.0])
    if sigma < 2:  # clipped, coarse noise would look like nuclei
        field = field + rng.choice([0.0, 0.6])
    if rng.random() < 0.3:
        field = _jpeg(np.repeat(field[..., None], 3, -1).astype(np.float32), 50)[..., 0]
    tint = 1 - rng.uniform(0, 0.25, 3) if rng.random() < 0.4 else np.ones(3)
    image = np.clip(field[..., None] * tint * 2 - 1, -1.5, 1.5).astype(np.float32)
    return View(image, np.zeros((size, size), np.int32), np.ones((size, size), bool))


def flip(image: AnyArray, labels: LabelArray, rng: Generator) -> tuple[AnyArray, LabelArray]:
    """Mirror left to right with probability 1/2, the original system's only augmentation."""
    if rng.random() < 0.5:
        return image[:, ::-1], labels[:, ::-1]
    return image, labels


def _sampling_grid(
    shape: tuple[int, int], scale: float, size: int, rng: Generator, strength: float
) -> tuple[FloatArray, FloatArray]:
    """Return for each output pixel the input row and column, float32 (size, size)."""
    angle = rng.uniform(0, 2 * np.pi)
    stretch = np.exp(rng.normal(0, 0.08 * strength))
    mirror = rng.choice([-1.0, 1.0])
    axis = (np.arange(size) - (size - 1) / 2) / scale
    y, x = np.meshgrid(axis * stretch, axis * mirror / stretch, indexing="ij")
    if rng.random() < 0.4 * strength:
        bend = rng.uniform(1.0, 3.5) / scale
        coarse = rng.normal(0, bend, (2, 5, 5)).astype(np.float32)
        y = y + cv2.resize(coarse[0], (size, size), interpolation=cv2.INTER_CUBIC)
        x = x + cv2.resize(coarse[1], (size, size), interpolation=cv2.INTER_CUBIC)
    centre_y, centre_x = (_centre(length, size / scale, rng) for length in shape)
    rows = centre_y + np.cos(angle) * y - np.sin(angle) * x
    columns = centre_x + np.sin(angle) * y + np.cos(angle) * x
    return rows.astype(np.float32), columns.astype(np.float32)


def _without_thin_axes(image: FloatArray) -> FloatArray:
    """Double an axis of one pixel, along which OpenCV's mirrored cubic sampling never ends.

    Mirrored without its edge, two equal pixels are the same as one.
    """
    for axis in (0, 1):
        if image.shape[axis] == 1:
            image = np.repeat(image, 2, axis)
    return image


def _centre(length: int, window: float, rng: Generator) -> float:
    """Draw a window centre along one axis such that little of it lies outside."""
    margin = min(window * 0.4, length / 2)
    return float(rng.uniform(margin, length - margin)) if length > 2 * margin else length / 2


def _consecutive(labels: LabelArray) -> LabelArray:
    """Relabel; a nucleus that bending or the border cut in two becomes two."""
    parts = np.zeros_like(labels)
    count = 0
    for index, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        n, components = cv2.connectedComponents(
            (labels[box] == index).astype(np.uint8), connectivity=8
        )
        region = parts[box]
        region[components > 0] = components[components > 0] + count
        count += n - 1
    return parts


def _random_color(x: FloatArray, rng: Generator, strength: float) -> FloatArray:
    """Vary stain: more or less of each dye, mix channels a little, or drop the colour."""
    draw = rng.random()
    if draw > 1 - 0.3 * strength:
        return _random_dyes(x, rng)
    if draw < 0.12 * strength:
        weights = rng.dirichlet((2.0, 2.0, 2.0))
        return np.repeat((x @ weights)[..., None], 3, axis=-1).astype(np.float32)
    if draw < 0.2 * strength:
        return x[..., rng.permutation(3)]
    mixing = np.eye(3) + rng.normal(0, 0.07 * strength, (3, 3))
    mixing /= mixing.sum(axis=1, keepdims=True)
    density = np.exp(rng.normal(0, 0.25 * strength, 3))
    stained = np.clip(x, 1e-3, None) ** density
    return (stained @ mixing.T).astype(np.float32)


def _random_dyes(x: FloatArray, rng: Generator) -> FloatArray:
    """Give a picture more or less haematoxylin and eosin, and an eosin background.

    Colour deconvolution (Ruifrok and Johnston, 2001), as augmentation by Tellez et al. (TMI 2018).
    """
    dyes = rgb2hed(np.clip(x, 0, 1))
    dyes = dyes * np.exp(rng.normal(0, 0.3, 3)) + rng.uniform((-0.01, 0, 0), (0.01, 0.05, 0.01))
    return hed2rgb(dyes).astype(np.float32)


def _gradient(shape: tuple[int, ...], rng: Generator) -> FloatArray:
    coarse = rng.normal(0, 0.12, (3, 3)).astype(np.float32)
    return cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)


def _add_noise(x: FloatArray, color: bool, rng: Generator) -> FloatArray:
    shape = x.shape if color and rng.random() < 0.5 else (*x.shape[:2], 1)
    spread = rng.uniform(0.01, 0.12) * np.sqrt(np.clip(x, 0, 1) * rng.uniform(0, 1) + 0.2)
    return x + (rng.normal(0, 1, shape) * spread).astype(np.float32)


def _jpeg(x: FloatArray, quality: int) -> FloatArray:
    encoded = np.clip(x * 255, 0, 255).astype(np.uint8)
    _, buffer = cv2.imencode(".jpg", encoded, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(buffer, cv2.IMREAD_COLOR), np.float32) / 255
