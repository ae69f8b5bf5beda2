"""Images in other sizes, or seen through a grid."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv import functional as F
from fastconv.graph import Node, Program
from fastconv.onnx.operators.operator import Call, Operator, bounded

__all__ = ["ROWS"]


class _Axis:
    """How one axis is resized: sizes, the scale as given, and the part of the input, for tf_crop_and_resize."""

    def __init__(self, before: int, after: int, scale: float, region: tuple[float, float]) -> None:
        self.before, self.after, self.scale, self.region = before, after, scale, region

    def places(self, mode: str, kind: type[np.floating] = np.float64) -> np.ndarray:
        """Where in the input each element of the result lies, computed in a floating type."""
        at, scale = np.arange(self.after, dtype=kind), kind(self.scale)
        whole = self.scale * self.before
        if mode == "align_corners":
            return at * 0 if whole == 1 else at * (self.before - 1) / (whole - 1)
        if mode == "asymmetric":
            return at / scale
        if mode == "tf_crop_and_resize":
            first, last = self.region
            if whole == 1:
                return at * 0 + (first + last) / 2 * (self.before - 1)
            return first * (self.before - 1) + at * (last - first) * (self.before - 1) / (whole - 1)
        if mode == "pytorch_half_pixel" and self.after == 1:
            return at * 0
        half = (at + kind(0.5)) / scale - kind(0.5)
        if mode == "half_pixel_symmetric":
            return half + self.before / 2 * (1 - self.after / whole)
        if mode in ("half_pixel", "pytorch_half_pixel"):
            return half
        raise ValueError(f"coordinate_transformation_mode (={mode!r}) is unknown")


#: which of two neighbours is the nearest
_NEAREST: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "round_prefer_floor": lambda place: np.ceil(place - 0.5),
    "round_prefer_ceil": lambda place: np.floor(place + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


def _triangle(distance: np.ndarray, _: float) -> np.ndarray:
    return np.maximum(1 - np.abs(distance), 0)


def _cubic(distance: np.ndarray, a: float) -> np.ndarray:
    d = np.abs(distance)
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((d - 5) * d + 8) * d * a - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0))


#: for each mode the weight of a neighbour at a distance, and how far neighbours reach
_KERNELS: dict[str, tuple[Callable[[np.ndarray, float], np.ndarray], int]] = {
    "linear": (_triangle, 1),
    "cubic": (_cubic, 2),
}


def _neighbours(call: Call, axis: _Axis) -> tuple[np.ndarray, np.ndarray]:
    """For each element of the result the elements it is made of, (n, taps), and their weights."""
    mode = call["mode"] or "nearest"
    # A scale of 0.7 is none in binary: in float32, as others compute, (3 + 0.5) / 0.7 is 5, halfway to the next pixel.
    kind = np.float32 if mode == "nearest" else np.float64
    places = axis.places(call["coordinate_transformation_mode"] or "half_pixel", kind)
    if mode == "nearest":
        rule = call["nearest_mode"] or "round_prefer_floor"
        if rule == _SIMPLE:
            rule = "ceil" if axis.scale < 1 else "floor"
        if rule not in _NEAREST:
            raise ValueError(f"nearest_mode (={rule!r}) must be one of {', '.join(_NEAREST)}")
        taken, weights = _NEAREST[rule](places)[:, None], np.ones((axis.after, 1))
    elif mode in _KERNELS:
        kernel, reach = _KERNELS[mode]
        shrink = min(axis.scale, 1.0) if call["antialias"] else 1.0
        spread = math.ceil(reach / shrink)
        taken = np.floor(places)[:, None] + np.arange(1 - spread, spread + 1)
        weights = kernel(
            (taken - places[:, None]) * shrink, -0.75 if call["cubic_coeff_a"] is None else call["cubic_coeff_a"]
        )
        if call["exclude_outside"]:
            weights = np.where((taken < 0) | (taken >= axis.before), 0, weights)
        if shrink != 1 or call["exclude_outside"]:
            total = weights.sum(axis=1, keepdims=True)
            weights = weights / np.where(total == 0, 1, total)
    else:
        raise ValueError(f"mode (={mode!r}) must be nearest, linear or cubic")
    return np.clip(taken, 0, axis.before - 1).astype(np.intp), weights


def _along(x: np.ndarray, axis: int, taken: np.ndarray, weights: np.ndarray) -> np.ndarray:
    shape = (-1, *(1,) * (x.ndim - 1 - axis))
    if taken.shape[1] == 1 and np.all(weights == 1):
        return x.take(taken[:, 0], axis)
    total: Any = 0
    for tap in range(taken.shape[1]):
        total = total + x.take(taken[:, tap], axis) * weights[:, tap].astype(x.dtype).reshape(shape)
    return total


def _resized_axes(
    call: Call, shape: tuple[int, ...], region: Any = None, scales: Any = None, sizes: Any = None
) -> dict[int, _Axis]:
    """The axes that change, from sizes or scales for all axes or those of an attribute."""
    ndim = len(shape)
    chosen = list(range(ndim)) if call["axes"] is None else [axis % ndim for axis in call["axes"]]
    given = sizes if sizes is not None and np.size(sizes) else scales
    if given is None or np.size(given) != len(chosen):
        raise ValueError(f"scales or sizes must hold a number for each of {len(chosen)} axes")
    corners = np.tile([[0.0], [1.0]], (1, len(chosen)))
    if region is not None and np.size(region) == 2 * len(chosen):
        corners = np.reshape(region, (2, -1)).astype(np.float64)
    if given is scales:
        factors = [float(scale) for scale in scales]
        if min(factors) <= 0:
            raise ValueError(f"scales (={factors}) must be above 0")
        # in float32, as ONNX infers shapes: 5 * 2.6 is 13 there
        after = [math.floor(np.float32(shape[axis]) * np.float32(f)) for axis, f in zip(chosen, factors, strict=True)]
    else:
        after = [int(size) for size in sizes]
        if any(size and not shape[axis] for axis, size in zip(chosen, after, strict=True)):
            raise ValueError(f"sizes (={after}) enlarge an axis of no elements of an array of shape {shape}")
        factors = [size / shape[axis] if shape[axis] else 1.0 for axis, size in zip(chosen, after, strict=True)]
        policy = call["keep_aspect_ratio_policy"] or "stretch"
        if policy != "stretch":
            common = min(factors) if policy == "not_larger" else max(factors)
            factors = [common] * len(chosen)
            after = [math.floor(common * shape[axis] + 0.5) for axis in chosen]
    bounded([*after, *(size for axis, size in enumerate(shape) if axis not in chosen)], np.float64)
    return {
        axis: _Axis(shape[axis], size, factor, (corners[0, index], corners[1, index]))
        for index, (axis, size, factor) in enumerate(zip(chosen, after, factors, strict=True))
    }


def _resize(call: Call, x: np.ndarray, *given: Any) -> np.ndarray:
    axes = _resized_axes(call, x.shape, *given)
    shape = tuple(axes[axis].after if axis in axes else size for axis, size in enumerate(x.shape))
    if 0 in shape:
        return np.empty(shape, x.dtype)
    cropped = call["coordinate_transformation_mode"] == "tf_crop_and_resize"
    nearest = (call["mode"] or "nearest") == "nearest"
    exact = x if nearest or x.dtype.char in "fd" else x.astype(np.float64)
    y, outside = exact, np.zeros((), bool)
    for axis, how in sorted(axes.items(), key=lambda item: item[1].after / max(1, item[1].before)):
        if how.before == how.after and how.scale == 1 and how.region == (0.0, 1.0):
            continue
        y = _along(y, axis, *_neighbours(call, how))
        if cropped:
            places = how.places("tf_crop_and_resize")
            line = (places < 0) | (places > how.before - 1)
            outside = outside | line.reshape(-1, *(1,) * (x.ndim - 1 - axis))
    if cropped and outside.any():
        y = np.where(outside, y.dtype.type(call["extrapolation_value"] or 0.0), y)
    if y.dtype != x.dtype and x.dtype.kind in "iu":
        limits = np.iinfo(x.dtype)
        y = np.clip(_cut_off(y), limits.min, limits.max)
    return y.astype(x.dtype, copy=False)


def _cut_off(y: np.ndarray) -> np.ndarray:
    """Towards zero, but what is a whole number but for roundings is that number."""
    whole = np.rint(y)
    return np.where(np.abs(y - whole) <= 1e-9 * np.maximum(np.abs(y), 1), whole, np.trunc(y))


#: before opset 11: down where an axis grows, up where it shrinks, as ONNX Runtime has it; ONNX does not say
_SIMPLE = "simple"


def _resize_10(call: Call, x: np.ndarray, scales: np.ndarray | None = None) -> np.ndarray:
    """Upsample, and the first Resize: scales alone, places by division."""
    return _resize(_old_call(call), x, None, call["scales"] if scales is None else scales, None)


def _old_call(call: Call) -> Call:
    how = {
        "mode": "nearest" if (call["mode"] or "nearest") == "nearest" else "linear",
        "coordinate_transformation_mode": "asymmetric",
        "nearest_mode": _SIMPLE,
    }
    return Call(call.operator, attributes=how, name=call.name)


def _versions(call: Call, x: np.ndarray, *given: Any) -> np.ndarray:
    return _resize_10(call, x, *given) if call.since < 11 else _resize(call, x, *given)


def _emit_resize(program: Program, call: Call, x: Any, *given: Any) -> Node | None:
    """Enlargements of the spatial axes that `functional.interpolate` computes just so."""
    if not isinstance(x, Node) or any(isinstance(value, Node) for value in given) or x.dtype.char not in "fd":
        return None
    old = call.operator == "Upsample" or call.since < 11
    how = _old_call(call) if old else call
    arguments = (None, call["scales"] if not given else given[0], None) if old else given
    axes = _resized_axes(how, x.shape, *arguments)
    if 0 in x.shape:
        return None
    shape = tuple(axes[axis].after if axis in axes else size for axis, size in enumerate(x.shape))
    spatial = range(2, len(x.shape))
    still = shape[:2] == x.shape[:2] and all(axes[a].scale == 1 for a in (0, 1) if a in axes)
    whole = all(axis in axes and axes[axis].scale == shape[axis] // x.shape[axis] for axis in spatial)
    mode = how["mode"] or "nearest"
    places = how["coordinate_transformation_mode"] or "half_pixel"
    if not still or not whole or len(x.shape) not in (3, 4, 5):
        return None
    if mode == "nearest":
        # With whole factors the centre of a result is never halfway between two pixels.
        rounds = (how["nearest_mode"] or "round_prefer_floor").startswith("round")
        fits = (places == "asymmetric" and how["nearest_mode"] in ("floor", _SIMPLE)) or (
            places == "half_pixel" and rounds
        )
        name = "nearest"
    else:
        fits = mode == "linear" and places in ("half_pixel", "pytorch_half_pixel") and not how["antialias"]
        fits = fits and not how["exclude_outside"] and min(x.shape[2:]) > 1
        name = {1: "linear", 2: "bilinear", 3: "trilinear"}[len(spatial)]
    if not fits:
        return None

    def function(x: np.ndarray, out: np.ndarray) -> None:
        F.interpolate(x, shape[2:], mode=name, out=out)

    return program.add("call", (x,), call.name, function=function, out=True, shape=shape)


def _grid_sample(call: Call, x: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """The input at places from -1 to 1, innermost axis first."""
    ndim = x.ndim - 2
    mode = {"bilinear": "linear", "bicubic": "cubic"}.get(call["mode"], call["mode"] or "linear")
    padding = call["padding_mode"] or "zeros"
    aligned = bool(call["align_corners"])
    places = []
    for axis in range(ndim):
        n = x.shape[2 + axis]
        at = grid[..., ndim - 1 - axis].astype(np.float64).reshape(len(grid), math.prod(grid.shape[1:-1]))
        at = (at + 1) / 2 * (n - 1) if aligned else ((at + 1) * n - 1) / 2
        if padding == "border" and mode != "cubic":
            at = np.clip(at, 0, n - 1)
        elif padding == "reflection" and mode != "cubic":
            at = _reflected(at, 0 if aligned else -0.5, n - 1 if aligned else n - 0.5)
        places.append(at)
    if mode == "nearest":
        offsets, weigh = [0], lambda d: np.ones_like(d)
        base = [np.rint(at) for at in places]
    elif mode in _KERNELS:
        kernel, reach = _KERNELS[mode]
        offsets, weigh = list(range(1 - reach, reach + 1)), lambda d: kernel(d, -0.75)
        base = [np.floor(at) for at in places]
    else:
        raise ValueError(f"mode (={call['mode']!r}) must be linear, nearest or cubic")
    flat = x.reshape(*x.shape[:2], math.prod(x.shape[2:]))
    y = np.zeros((*x.shape[:2], places[0].shape[1]), np.float64)
    for corner in itertools.product(offsets, repeat=ndim):
        index, weight = np.zeros_like(places[0], np.intp), np.ones_like(places[0])
        for axis, step in enumerate(corner):
            n = x.shape[2 + axis]
            at = base[axis] + step
            weight = weight * weigh(at - places[axis])
            if padding == "zeros":
                weight = np.where((at < 0) | (at > n - 1), 0, weight)
            elif padding == "reflection":
                at = _reflected(at, 0 if aligned else -0.5, n - 1 if aligned else n - 0.5)
            index = index * n + np.clip(np.rint(at), 0, n - 1).astype(np.intp)
        y += np.take_along_axis(flat, np.broadcast_to(index[:, None], y.shape), 2) * weight[:, None]
    return y.reshape(*x.shape[:2], *grid.shape[1:-1]).astype(x.dtype)


def _reflected(at: np.ndarray, low: float, high: float) -> np.ndarray:
    """Thrown back at both ends."""
    span = high - low
    if span == 0:
        return np.zeros_like(at)
    far = np.abs(at - low) % (2 * span)
    return low + np.where(far > span, 2 * span - far, far)


def _affine_grid(call: Call, theta: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Places of an affine map, for GridSample."""
    shape = bounded([int(n) for n in size], theta.dtype)
    spatial = shape[2:]
    lines = []
    for n in spatial:
        if call["align_corners"]:
            lines.append(np.linspace(-1, 1, n) if n > 1 else np.zeros(1))
        else:
            lines.append((2 * np.arange(n) + 1) / n - 1)
    mesh = np.meshgrid(*lines, indexing="ij")
    ones = np.ones_like(mesh[0])
    points = np.stack([*reversed(mesh), ones], axis=-1).astype(theta.dtype)
    flat = points.reshape(-1, points.shape[-1])
    return np.matmul(flat, theta.transpose(0, 2, 1)).reshape(shape[0], *spatial, len(spatial)).astype(theta.dtype)


ROWS: dict[str, Operator] = {
    "Resize": Operator(_versions, _emit_resize, sizes=(1, 2, 3)),
    "Upsample": Operator(_resize_10, _emit_resize, sizes=(1,)),
    "GridSample": Operator(_grid_sample),
    "AffineGrid": Operator(_affine_grid, sizes=(1,)),
}
