"""Filters of one axis after the other: each pass is one call of the engine, those between in recycled scratch memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastconv.compat._broadcast import finite
from fastconv.compat.ndimage._arguments import Target, working_dtype
from fastconv.compat.ndimage._kernels import rounded
from fastconv.functional._separable import scratch
from fastconv.functional.conv import conv2d

__all__ = ["Pass", "filtered", "line", "run_passes"]

# With so few neighbours in memory the engine does better with channels last than with a kernel across rows.
_FEW_NEIGHBOURS = 16
# Longer kernels may go by transforms.
_LONG = 64


class Pass(NamedTuple):
    """Correlation along one axis."""

    axis: int
    weights: np.ndarray
    border: str | float
    reach: tuple[int, int]  # before and after


def line(
    x: np.ndarray, step: Pass, out: np.ndarray | None, num_threads: int | None, accuracy: str = "strict"
) -> np.ndarray:
    """Run one pass over an array of float32 or float64; `out` is contiguous and of its shape."""
    before, n, after = math.prod(x.shape[: step.axis]), x.shape[step.axis], math.prod(x.shape[step.axis + 1 :])
    weights = rounded(step.weights, x.dtype)
    shape: tuple[int, ...]
    options: dict[str, Any] = {}
    if after == 1:
        shape, kernel, padding = (1, 1, before, n), weights[None, None, None], ((0, 0), step.reach)
    elif after >= _FEW_NEIGHBOURS:
        shape, kernel, padding = (before, 1, n, after), weights[None, None, :, None], (step.reach, (0, 0))
    else:
        shape, padding = (1, before, n, after), ((0, 0), step.reach)
        kernel = np.broadcast_to(weights[None, :, None, None], (1, len(weights), 1, after))
        options = {"groups": after, "layout": "NHWC", "weight_layout": "HWIO"}
    y = conv2d(
        x.reshape(shape), kernel, padding=padding, border=step.border, accuracy=accuracy,
        out=None if out is None else out.reshape(shape), num_threads=num_threads, **options,
    )  # fmt: skip
    return y.reshape(x.shape) if out is None else out


def run_passes(
    x: np.ndarray, passes: Sequence[Pass], out: np.ndarray | None, num_threads: int | None
) -> np.ndarray:
    """Run all passes; the last one writes to `out`, if it is given."""

    def run(accuracy: str) -> np.ndarray:
        y = x
        for index, step in enumerate(passes):
            last = index == len(passes) - 1
            y = line(y, step, out if last else scratch(x.shape, x.dtype), num_threads, accuracy)
        return y

    if max(len(step.weights) for step in passes) <= _LONG:
        return run("strict")
    y = run("default")
    return y if finite(y) else run("strict")


def filtered(
    image: np.ndarray, passes: Sequence[Pass], target: Target, num_threads: int | None
) -> np.ndarray | None:
    """Return the image after all passes, in its place; None where SciPy has to compute."""
    if not passes:
        return None
    dtype = working_dtype(image, target, [step.weights for step in passes], [step.border for step in passes])
    if dtype is None:
        return None
    x = image.astype(dtype.newbyteorder("="), copy=False)
    return target.deliver(run_passes(x, passes, target.direct(dtype, [x]), num_threads))
