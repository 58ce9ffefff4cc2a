"""Images as microscopes take them where there are no nuclei."""

import numpy as np

from napari_nucseg._opencv import cv2
from napari_nucseg._types import AnyArray, FloatArray

_JPEG_QUALITY = 50


def empty_fields(shape: tuple[int, int] = (512, 512), seed: int = 0) -> dict[str, AnyArray]:
    """Generate images without a nucleus.

    Parameters
    ----------
    shape : tuple of int
        Height and width in pixels.
    seed : int

    Returns
    -------
    dict of str to array
        Name to image: (Y, X) uint16 as from a fluorescence camera, or (Y, X, 3) uint8 as from a
        slide scanner.
    """
    rng = np.random.default_rng(seed)
    return {**_camera_images(shape, rng), **_scanner_images(shape, rng)}


def _camera_images(shape: tuple[int, int], rng: np.random.Generator) -> dict[str, AnyArray]:
    falloff = _falloff(shape)
    haze = _smooth(shape, shape[0] / 6, rng)
    images = {
        "dark frame": np.full(shape, 100.0),
        "read noise": rng.normal(100, 10, shape),
        "photon noise": rng.poisson(20, shape).astype(float),
        "vignetting": 800 * falloff + rng.normal(0, 10, shape),
        "uneven illumination": 400 + 300 * haze + rng.normal(0, 10, shape),
        "haze out of focus": rng.poisson(np.maximum(100 + 30 * haze, 10)).astype(float),
        "slope without noise": np.add.outer(np.arange(shape[0]), np.arange(shape[1])) * 1.0,
    }
    return {name: np.clip(image, 0, 65535).astype(np.uint16) for name, image in images.items()}


def _scanner_images(shape: tuple[int, int], rng: np.random.Generator) -> dict[str, AnyArray]:
    glass = 238 + rng.normal(0, 2.5, (*shape, 3))
    tint = np.array([250.0, 235.0, 245.0])
    shaded = tint * (0.9 + 0.1 * _falloff(shape))[..., None] + rng.normal(0, 2, (*shape, 3))
    stained = np.array([235.0, 190.0, 215.0]) + 6 * _smooth(shape, 30, rng)[..., None]
    images = {
        "empty glass": glass,
        "tinted, shaded glass": shaded,
        "even eosin": stained + rng.normal(0, 2, (*shape, 3)),
    }
    pictures = {n: np.clip(image, 0, 255).astype(np.uint8) for n, image in images.items()}
    pictures["white, without noise"] = np.full((*shape, 3), 245, np.uint8)
    compressed = {f"{name}, JPEG": _jpeg(image) for name, image in list(pictures.items())[:3]}
    return {**pictures, **compressed}


def _falloff(shape: tuple[int, int]) -> FloatArray:
    """Return illumination that falls from 1 in the centre to about 0.4 in the corners."""
    y, x = (np.linspace(-1, 1, length) for length in shape)
    return np.exp(-0.45 * (y[:, None] ** 2 + x[None] ** 2))


def _smooth(shape: tuple[int, int], sigma: float, rng: np.random.Generator) -> FloatArray:
    """Return smooth noise with a standard deviation of 1."""
    noise = cv2.GaussianBlur(rng.normal(0, 1, shape).astype(np.float32), (0, 0), sigma)
    return (noise - noise.mean()) / noise.std()


def _jpeg(picture: AnyArray) -> AnyArray:
    _, buffer = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return np.asarray(cv2.imdecode(buffer, cv2.IMREAD_COLOR))
