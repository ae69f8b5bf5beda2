"""Filters on pictures: grey or colour, one or many, each channel by itself."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv import filters, geometry
from fastconv.functional._operands import checked_out
from fastconv.functional._plans import frozen
from fastconv.functional._separable import choose_factors, scratch
from fastconv.functional.conv import conv2d

__all__ = ["apply_filter"]


def _pixels(image: Any) -> np.ndarray:
    """Image as floats: integers and booleans become float32."""
    array = np.asarray(image)
    if array.dtype.kind in "iub":
        return array.astype(np.float32)
    if array.dtype.kind == "f" and array.dtype.itemsize in (4, 8):
        return array
    raise TypeError(f"image has dtype {array.dtype}: cast it with image.astype(np.float32)")


def _kernels(kernel: Any, dtype: np.dtype) -> np.ndarray:
    """Kernels as a stack of shape (count, kh, kw)."""
    if isinstance(kernel, str):
        stack = filters.get(kernel, dtype)
        return stack if stack.ndim == 3 else stack[np.newaxis]
    array = np.asarray(kernel)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"kernel has dtype {array.dtype}: it must be a filter's name or hold real numbers")
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"kernel of shape {array.shape} must have two axes, height and width, and not be empty")
    return array.astype(dtype)[np.newaxis]


def _padding_pairs(padding: Any, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Padding before and after along height and width."""
    canonical = geometry.canonical_padding("padding", frozen("padding", padding), 2)
    return geometry.resolve_padding(canonical, size, kernel, (1, 1), (1, 1))


def apply_filter(
    image: Any,
    kernel: Any,
    *,
    border: str | float = "symmetric",
    padding: Any = "same",
    flip: bool = False,
    separable: bool | str = "auto",
    accuracy: str = "default",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Filter an image, or a stack of images, with a named or given kernel.

    Each channel is correlated with the kernel by itself. "sobel", "prewitt" and "scharr" return the gradient
    magnitude sqrt(gx^2 + gy^2) of their ..._x and ..._y kernels, unscaled.

    Parameters
    ----------
    image : ndarray, shape (H, W), (H, W, C) or (N, H, W, C)
        Grey image, colour image, or stack. Integers are computed in float32; the result is not rounded or clipped.
    kernel : str or ndarray, shape (kh, kw)
        A name of `fastconv.filters.names`, or the kernel itself.
    border : str or float
        What lies beyond the image: "zeros", a number, "reflect", "symmetric", "edge" or "wrap".
    padding : int, tuple or str
        As in `conv2d`; "same" keeps the size.
    flip : bool
        Rotate the kernel by 180 degrees: true convolution.
    separable : "auto" or bool
        Whether a kernel that is a column times a row, as boxes and Gaussians are, runs as two passes. "auto" looks at
        the kernel where that would pay; True insists.
    accuracy : {"default", "strict", "fast"}
        As in `conv2d`; "strict" also keeps "auto" from separating.
    out : ndarray, shape and dtype of the result, optional
        Where the result goes.
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray, float64 for a float64 image, else float32, with the axes of `image`

    Raises
    ------
    TypeError
        If the image or the kernel holds no real numbers, or float16.
    ValueError
        If the name is unknown, a shape does not fit, or `separable` is True and the kernel does not separate.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> step = np.array([[0, 0, 9, 9]] * 3, np.uint8)
    >>> fastconv.apply_filter(step, "sobel_x")
    array([[ 0., 36., 36.,  0.],
           [ 0., 36., 36.,  0.],
           [ 0., 36., 36.,  0.]], dtype=float32)
    >>> fastconv.apply_filter(np.ones((4, 5, 3)), "gaussian").shape
    (4, 5, 3)
    """
    pixels = _pixels(image)
    if pixels.ndim not in (2, 3, 4):
        raise ValueError(f"image of shape {pixels.shape} must have axes (H, W), (H, W, C) or (N, H, W, C)")
    if not all(pixels.shape[-3:]):
        raise ValueError(f"image of shape {pixels.shape} holds no pixels")
    volume = pixels[..., np.newaxis] if pixels.ndim == 2 else pixels
    stack = _kernels(kernel, volume.dtype.newbyteorder("="))
    channels = volume.shape[-1]
    if isinstance(out, np.ndarray):  # two passes and stacks read the image again after their first result
        given = [("image", np.asarray(image)), ("kernel", None if isinstance(kernel, str) else np.asarray(kernel))]
        checked_out("out", out, out.shape, out.dtype, given)

    def run(x: np.ndarray, single: np.ndarray, pad: Any, edge: str | float, target: np.ndarray | None) -> np.ndarray:
        weight = np.broadcast_to(single[:, :, np.newaxis, np.newaxis], (*single.shape, 1, channels))
        return conv2d(
            x, weight, padding=pad, groups=channels, layout="NHWC", weight_layout="HWIO", flip=flip, border=edge,
            accuracy=accuracy, out=target, num_threads=num_threads,
        )  # fmt: skip

    def one(single: np.ndarray, target: np.ndarray | None) -> np.ndarray:
        found = choose_factors(single, math.prod(volume.shape[:-1]), separable, accuracy)
        if found is None:
            return run(volume, single, padding, border, target)
        column, row = found
        vertical, horizontal = _padding_pairs(padding, volume.shape[-3:-1], single.shape)
        across = max(1, volume.shape[-2] + sum(horizontal) - len(row) + 1)
        half = scratch((*volume.shape[:-2], across, channels), single.dtype)
        run(volume, row[np.newaxis], ((0, 0), horizontal), border, half)
        beyond = border if isinstance(border, str) else float(border) * float(row.sum(dtype=np.float64))
        return run(half, column[:, np.newaxis], (vertical, (0, 0)), beyond, target)

    target = out
    if pixels.ndim == 2 and isinstance(out, np.ndarray):
        if out.ndim != 2:
            raise ValueError(f"out has shape {out.shape}, but the result has 2 axes")
        target = out[..., np.newaxis]
    result = one(stack[0], target)
    for extra in stack[1:]:
        np.hypot(result, one(extra, None), out=result)
    if out is not None:
        return out
    return result[..., 0] if pixels.ndim == 2 else result
