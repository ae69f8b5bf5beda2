"""Calls of the public convolutions for a row of the case table, in either layout."""

from __future__ import annotations

import numpy as np
import oracles
from cases import LARGE
from conftest import ISAS

import fastconv

FIRST = {1: "NCW", 2: "NCHW", 3: "NCDHW"}
LAST = {1: "NWC", 2: "NHWC", 3: "NDHWC"}
WEIGHTS_FIRST = {1: "OIW", 2: "OIHW", 3: "OIDHW"}
WEIGHTS_LAST = {1: "WIO", 2: "HWIO", 3: "DHWIO"}
LAYOUTS = ("first", "last")
PASSES = ("forward", "backward_data", "backward_weights")
TYPES = (np.float32, np.float64)

# Largest error of an algorithm, in units of the type's epsilon times the sum of the magnitudes of all products. The
# automatic choice may be Winograd's, whose errors at a corner are those of the whole tile.
TOLERANCE = {
    "auto": 32.0,
    "reference": 4.0,
    "blocked": 4.0,
    "direct": 4.0,
    "pointwise": 4.0,
    "depthwise": 4.0,
    "panels": 4.0,
    "scatter": 4.0,
    "stencil": 4.0,
    "fft": 4.0,
    "winograd2": 4.0,
    "winograd4": 16.0,
    "winograd6": 100.0,
    "winograd_weights": 16.0,
}
# Options without which an algorithm refuses.
NEEDS = {name: {"accuracy": "fast"} for name in ("winograd4", "winograd6", "winograd_weights")}


def to_layout(array, layout):
    """Channels-first array, laid out in memory as asked."""
    return np.ascontiguousarray(np.moveaxis(array, 1, -1)) if layout == "last" else np.ascontiguousarray(array)


def from_layout(array, layout):
    """Channels-first view of a result."""
    return np.moveaxis(array, -1, 1) if layout == "last" else array


def weight_to_layout(weight, layout):
    """Weight OIHW, laid out in memory as OIHW or HWIO."""
    if layout == "first":
        return np.ascontiguousarray(weight)
    return np.ascontiguousarray(np.moveaxis(weight, (0, 1), (-1, -2)))


def weight_from_layout(weight, layout):
    """OIHW view of a weight or its gradient."""
    return weight if layout == "first" else np.moveaxis(weight, (-1, -2), (0, 1))


def layouts(rank, layout):
    """The two layout keywords; the weight's follows only to halve the number of combinations."""
    table, weights = (FIRST, WEIGHTS_FIRST) if layout == "first" else (LAST, WEIGHTS_LAST)
    return {"layout": table[rank], "weight_layout": weights[rank]}


def run(pass_name, rank, x, weight, dy, layout="first", **keywords):
    """One pass through the public functions; channels-first arrays in and out."""
    keywords = {**layouts(rank, layout), **keywords}
    w = weight_to_layout(weight, layout)
    if pass_name == "forward":
        y = getattr(fastconv, f"conv{rank}d")(to_layout(x, layout), w, **keywords)
        return from_layout(y, layout)
    backward = getattr(fastconv, f"conv{rank}d_backward")
    if pass_name == "backward_data":
        shape = to_layout(x, layout).shape
        return from_layout(backward(to_layout(dy, layout), shape, w, needs=("x",), **keywords)[0], layout)
    dweight = backward(to_layout(dy, layout), to_layout(x, layout), w.shape, needs=("weight",), **keywords)[1]
    return weight_from_layout(dweight, layout)


def is_refusal(error):
    """Whether an algorithm asked for by name said that it does not take this convolution."""
    return "does not take this convolution" in str(error)


def oracle(pass_name, x, weight, dy, o):
    """The same pass in float64."""
    if pass_name == "forward":
        return oracles.conv(x, weight, None, o)
    if pass_name == "backward_data":
        return oracles.conv_backward_data(dy, x.shape, weight, o)
    return oracles.conv_backward_weights(dy, x, weight.shape, o)


def magnitude(pass_name, x, weight, dy, o):
    """Sum of the magnitudes of all products: what rounding errors are proportional to."""
    border = o.border if isinstance(o.border, str) else abs(o.border)
    o = oracles.Options(o.stride, o.pad, o.dilation, o.groups, o.flip, border)
    return oracle(pass_name, np.abs(x), np.abs(weight), np.abs(dy), o)


def too_slow(algorithm, case, isa):
    """The reference knows no instruction sets, so that one of them is enough, and takes its time for large arrays."""
    return algorithm == "reference" and (isa != ISAS[0] or case in LARGE)


def error_scale(algorithm, magnitudes):
    """What an algorithm's errors are proportional to: transformed tiles spread errors over neighbouring outputs."""
    return (
        np.full_like(magnitudes, magnitudes.max(initial=0)) if algorithm.startswith(("winograd", "fft")) else magnitudes
    )


def assert_within(actual, expected, scale, units, message):
    """Every error below `units` epsilons of its scale; where the scale is 0 the value is 0."""
    assert actual.shape == expected.shape, f"{message}: shape {actual.shape} instead of {expected.shape}"
    limit = units * np.finfo(actual.dtype).eps * scale
    excess = np.abs(actual.astype(np.float64) - expected) - limit
    if not np.all(excess <= 0):
        worst = np.unravel_index(np.argmax(np.where(np.isnan(excess), np.inf, excess)), excess.shape)
        raise AssertionError(
            f"{message}: {np.count_nonzero(~(excess <= 0))} of {excess.size} elements are off, at {worst} "
            f"{actual[worst]!r} instead of {expected[worst]!r} (allowed error {limit[worst]:.3g})"
        )
