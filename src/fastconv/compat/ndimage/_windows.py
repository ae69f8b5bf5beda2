"""Correlation with a kernel of several axes in one call of the engine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.compat._broadcast import finite
from fastconv.compat.ndimage import _passes
from fastconv.compat.ndimage._arguments import Target, working_dtype
from fastconv.compat.ndimage._kernels import rounded
from fastconv.compat.ndimage._passes import Pass
from fastconv.functional import conv
from fastconv.functional._separable import choose_factors

__all__ = ["filtered"]

_CONV = {1: conv.conv1d, 2: conv.conv2d, 3: conv.conv3d}
_CHANNELS_LAST = {1: ("NWC", "WIO"), 2: ("NHWC", "HWIO"), 3: ("NDHWC", "DHWIO")}


def _span(kernel: np.ndarray) -> tuple[int, int]:
    """First and last axis along which the kernel is more than one element, and those between."""
    wide = [axis for axis, n in enumerate(kernel.shape) if n > 1] or [kernel.ndim - 1]
    return wide[0], wide[-1]


def filtered(
    image: np.ndarray, kernel: np.ndarray, reach: Sequence[tuple[int, int]], border: str | float, target: Target,
    num_threads: int | None,
) -> np.ndarray | None:  # fmt: skip
    """Return the correlation, in its place; None where SciPy has to compute.

    Weights of zero let nothing through in SciPy, whatever they meet: with those, what is not finite is SciPy's.
    """
    first, last = _span(kernel)
    dtype = working_dtype(image, target, [kernel], [border])
    if last - first > 2 or dtype is None:
        return None
    x = image.astype(dtype, copy=False)
    weights = rounded(kernel.reshape(kernel.shape[first : last + 1]), dtype)
    padding = tuple(reach[first : last + 1])
    steps = _two_passes(x, weights, first, padding, border) if target.dtype.kind == "f" else None
    if steps is None:
        y = _at_once(x, weights, first, padding, border, target.direct(dtype, [x]), num_threads)
    else:
        y = _passes.filtered(x, steps, target._replace(dtype=dtype, array=target.direct(dtype, [x])), num_threads)
    if image.dtype.kind == "f" and not (weights != 0).all() and not finite(y):
        return None
    return target.deliver(y)


def _two_passes(x: np.ndarray, weights: np.ndarray, first: int, padding: Any, border: str | float) -> list[Pass] | None:
    """The passes of a kernel that is a column times a row, where they pay; None for any other."""
    found = choose_factors(weights, x.size, "auto", "default") if weights.ndim == 2 else None
    if found is None:
        return None
    column, row = (factor.astype(np.float64) for factor in found)
    beyond = border if isinstance(border, str) else border * float(row.sum())
    return [Pass(first + 1, row, border, padding[1]), Pass(first, column, beyond, padding[0])]


def _at_once(
    x: np.ndarray, weights: np.ndarray, first: int, padding: Any, border: str | float, out: np.ndarray | None,
    num_threads: int | None,
) -> np.ndarray:  # fmt: skip
    """One call: what lies before the kernel's axes is the batch, what lies behind them channels of their own."""
    ndim = weights.ndim
    sizes = x.shape[first : first + ndim]
    images, channels = math.prod(x.shape[:first]), math.prod(x.shape[first + ndim :])
    options: dict[str, Any] = {}
    if channels == 1:
        shape: tuple[int, ...] = (images, 1, *sizes)
        kernel = weights[None, None]
    else:
        shape = (images, *sizes, channels)
        kernel = np.broadcast_to(weights[..., None, None], (*weights.shape, 1, channels))
        layout, weight_layout = _CHANNELS_LAST[ndim]
        options = {"groups": channels, "layout": layout, "weight_layout": weight_layout}
    y = _CONV[ndim](
        x.reshape(shape), kernel, padding=padding, border=border, accuracy="strict",
        out=None if out is None else out.reshape(shape), num_threads=num_threads, **options,
    )  # fmt: skip
    return y.reshape(x.shape) if out is None else out
