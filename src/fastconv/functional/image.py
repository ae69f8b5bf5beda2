"""Filters on pictures: grey or colour, one or many, each channel by itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import filters
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


def apply_filter(
    image: Any,
    kernel: Any,
    *,
    border: str | float = "symmetric",
    padding: Any = "same",
    flip: bool = False,
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
        If the name is unknown, or a shape does not fit.

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

    def one(single: np.ndarray, target: np.ndarray | None) -> np.ndarray:
        weight = np.broadcast_to(single[:, :, np.newaxis, np.newaxis], (*single.shape, 1, channels))
        return conv2d(
            volume, weight, padding=padding, groups=channels, layout="NHWC", weight_layout="HWIO", flip=flip,
            border=border, out=target, num_threads=num_threads,
        )  # fmt: skip

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
