"""scipy.ndimage by itself and with fastconv in its place, and scikit-image on top of either."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.dropin.row import Call, Row
from benchmarks.dropin.scipy_signal import numbers, row

NDIMAGE = "scipy.ndimage"


def image_and(*arguments: Any, dtype: Any = np.float32) -> Callable[[], tuple[Any, ...]]:
    return lambda: (numbers(2048, 2048, dtype=dtype), *arguments)


def with_kernel(size: int, dtype: Any = np.float32) -> Callable[[], tuple[Any, ...]]:
    return lambda: (numbers(2048, 2048, dtype=dtype), numbers(size, size, dtype=dtype))


def picture_and(*arguments: Any) -> Callable[[], tuple[Any, ...]]:
    return lambda: (np.random.default_rng(0).integers(0, 256, (2048, 2048), dtype=np.uint8), *arguments)


def skimage(name: str, module: str, function: str, *arguments: Any, tolerance: float = 1e-5) -> Row:
    """scikit-image's function, with fastconv under it through ndimage and signal."""

    def call() -> Call:
        own = getattr(importlib.import_module(f"skimage.{module}"), function)
        rng = np.random.default_rng(0)
        picture = rng.random((1024, 1024), dtype=np.float32)
        more = tuple(picture[100:121, 200:221] if value == "template" else value for value in arguments)
        return lambda: own(picture, *more)

    def ours() -> Call:
        from fastconv.compat import install

        install("scipy.ndimage", "scipy.signal")
        return call()

    return Row(name, None, call, ours, tolerance)


ROWS = [
    row("convolve 3x3", 8.0, NDIMAGE, "convolve", with_kernel(3)),
    row("convolve 7x7", 8.0, NDIMAGE, "convolve", with_kernel(7)),
    row("convolve 5x5 float64", None, NDIMAGE, "convolve", with_kernel(5, np.float64), 1e-12),
    row("gaussian_filter 1", 8.0, NDIMAGE, "gaussian_filter", image_and(1)),
    row("gaussian_filter 2", 8.0, NDIMAGE, "gaussian_filter", image_and(2)),
    row("gaussian_filter 5", 8.0, NDIMAGE, "gaussian_filter", image_and(5)),
    row("gaussian_filter 2 float64", None, NDIMAGE, "gaussian_filter", image_and(2, dtype=np.float64), 0.0),
    row("gaussian_filter 2 uint8", None, NDIMAGE, "gaussian_filter", picture_and(2), 0.0),
    row("uniform_filter 5 uint8", None, NDIMAGE, "uniform_filter", picture_and(5), 0.0),
    row("convolve 3x3 uint8", None, NDIMAGE, "convolve", picture_and([[1, 2, 1], [0, 0, 0], [-1, -2, -1]]), 0.0),
    row("sobel uint8", None, NDIMAGE, "sobel", picture_and(), 0.0),
    row("gaussian_laplace 2", None, NDIMAGE, "gaussian_laplace", image_and(2)),
    row("uniform_filter 5", None, NDIMAGE, "uniform_filter", image_and(5)),
    row("sobel", None, NDIMAGE, "sobel", image_and()),
    row("laplace", None, NDIMAGE, "laplace", image_and()),
    row("maximum_filter 3", 3.0, NDIMAGE, "maximum_filter", image_and(3), 0.0),
    row("maximum_filter 5", 3.0, NDIMAGE, "maximum_filter", image_and(5), 0.0),
    row("maximum_filter 15", 3.0, NDIMAGE, "maximum_filter", image_and(15), 0.0),
    row("maximum_filter 5 uint8", None, NDIMAGE, "maximum_filter", picture_and(5), 0.0),
    row("maximum_filter 15 uint8", None, NDIMAGE, "maximum_filter", picture_and(15), 0.0),
    row("minimum_filter 5", None, NDIMAGE, "minimum_filter", image_and(5), 0.0),
    skimage("skimage gaussian 2", "filters", "gaussian", 2),
    skimage("skimage sobel", "filters", "sobel"),
    skimage("skimage unsharp_mask", "filters", "unsharp_mask", 3.0),
    skimage("skimage match_template 21x21", "feature", "match_template", "template", tolerance=1e-4),
]
