"""The case table of pooling: one line per shape that some kernel could get wrong, and calls in either layout."""

from __future__ import annotations

import functools
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import oracles_pool as oracles

import fastconv

LAYOUTS = {"first": {1: "NCW", 2: "NCHW", 3: "NCDHW"}, "last": {1: "NWC", 2: "NHWC", 3: "NDHWC"}}
TYPES = (np.float32, np.float64)


@dataclass(frozen=True, eq=False)
class PoolCase:
    """One pool: sizes, and the options as a caller would spell them."""

    id: str
    shape: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def rank(self):
        return len(self.shape) - 2

    @property
    def windows(self):
        make = oracles.adaptive if "output_size" in self.options else oracles.sliding
        return make(self.shape[2:], **self.options)

    def name(self, kind):
        """Name of the public function without its `_backward`."""
        prefix = "adaptive_" if "output_size" in self.options else ""
        return f"{prefix}{kind}_pool{self.rank}d"

    def random(self, what="x", shape=None):
        """The same array in every run, exact in float32, without zeros and, mostly, without ties."""
        rng = np.random.default_rng(zlib.crc32(f"{self.id} {what}".encode()))
        shape = self.shape if shape is None else shape
        values = rng.uniform(0.25, 1.0, shape) * rng.choice([-1.0, 1.0], shape)
        return values.astype(np.float32).astype(np.float64)

    def tied(self):
        """An input of few different values, so that nearly every window has ties."""
        rng = np.random.default_rng(zlib.crc32(f"{self.id} tied".encode()))
        return rng.integers(-1, 2, self.shape).astype(np.float64)

    def wild(self):
        """An input with NaNs, infinities and ties."""
        rng = np.random.default_rng(zlib.crc32(f"{self.id} wild".encode()))
        return rng.choice([np.nan, -np.inf, np.inf, 0.0, 1.0], self.shape, p=[0.1, 0.4, 0.1, 0.2, 0.2])

    def sparse(self):
        """An input with many zeros."""
        x = self.random()
        x[..., ::3] = 0
        return x


@functools.cache
def expected(case, name, values, *arguments):
    """The oracle `name` for one of the inputs of a case, and for a gradient also that gradient."""
    x = getattr(case, values)()
    oracle = getattr(oracles, name)
    if not name.endswith("_backward"):
        return x, oracle(x, case.windows, *arguments)
    dy = case.random("dy", (*case.shape[:2], *case.windows.output))
    return x, dy, oracle(dy, x, case.windows, *arguments)


CASES = [
    PoolCase("2x2", (2, 3, 8, 10), {"kernel_size": 2}),
    PoolCase("2x2-lenet", (3, 6, 28, 28), {"kernel_size": 2}),
    PoolCase("2x2-odd", (1, 2, 7, 35), {"kernel_size": 2}),
    PoolCase("2x2-odd-ceil", (1, 5, 7, 9), {"kernel_size": 2, "ceil_mode": True}),
    PoolCase("2x2-wide", (1, 1, 4, 134), {"kernel_size": 2, "stride": 2}),
    PoolCase("3x3s2", (2, 4, 13, 15), {"kernel_size": 3, "stride": 2}),
    PoolCase("3x3s2-pad", (1, 17, 14, 40), {"kernel_size": 3, "stride": 2, "padding": 1}),
    PoolCase("3x3s2-wide", (1, 2, 21, 113), {"kernel_size": 3, "stride": 2, "padding": 1}),
    PoolCase("3x3s2-last-column", (2, 2, 33, 32), {"kernel_size": 3, "stride": 2, "padding": 1}),
    PoolCase("3x3s2-all-padding", (1, 2, 9, 31), {"kernel_size": 3, "stride": 2, "padding": 2}),
    PoolCase("3x2s2", (1, 3, 10, 37), {"kernel_size": (3, 2), "stride": 2, "padding": ((2, 0), (1, 1))}),
    PoolCase("2x3s2", (1, 3, 11, 70), {"kernel_size": (2, 3), "stride": 2, "padding": (1, 0)}),
    PoolCase("3x3s1-pad", (1, 3, 9, 21), {"kernel_size": 3, "stride": 1, "padding": 1}),
    PoolCase("3x3s1-28", (1, 3, 28, 28), {"kernel_size": 3, "stride": 1, "padding": 1}),
    PoolCase("3x3s1-14", (2, 5, 14, 14), {"kernel_size": 3, "stride": 1, "padding": 1}),
    PoolCase("3x3s1-33", (1, 2, 12, 33), {"kernel_size": 3, "stride": 1}),
    PoolCase("3x3s1-uneven", (1, 3, 6, 19), {"kernel_size": 3, "stride": 1, "padding": ((2, 0), (0, 2))}),
    PoolCase("2x2s1", (1, 3, 9, 14), {"kernel_size": 2, "stride": 1}),
    PoolCase("5x5s1-pad", (1, 3, 13, 13), {"kernel_size": 5, "stride": 1, "padding": 2}),
    PoolCase("5x5s1-uneven", (1, 2, 7, 10), {"kernel_size": 5, "stride": 1, "padding": ((0, 4), (4, 1))}),
    PoolCase("3d-flat-3x3s1", (1, 2, 3, 7, 7), {"kernel_size": (1, 3, 3), "stride": 1, "padding": (0, 1, 1)}),
    PoolCase("overlap-wide", (1, 2, 3, 70), {"kernel_size": (2, 5), "stride": (1, 2), "padding": (0, 2)}),
    PoolCase("stride-3", (2, 2, 11, 50), {"kernel_size": 2, "stride": 3}),
    PoolCase("stride-beyond-kernel", (1, 2, 9, 30), {"kernel_size": 1, "stride": (2, 4)}),
    PoolCase("dilated", (1, 3, 12, 38), {"kernel_size": 3, "stride": 1, "dilation": (2, 3), "padding": (2, 3)}),
    PoolCase("dilated-s2-ceil", (1, 2, 11, 13), {"kernel_size": 2, "stride": 2, "dilation": 3, "ceil_mode": True}),
    PoolCase("asymmetric", (1, 2, 6, 7), {"kernel_size": 3, "stride": 2, "padding": ((1, 2), (0, 2))}),
    PoolCase("ceil-pad", (1, 3, 6, 8), {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    PoolCase("spp-13", (1, 2, 13, 13), {"kernel_size": 13, "stride": 1, "padding": 6}),
    PoolCase("whole-plane", (2, 3, 5, 6), {"kernel_size": (5, 6)}),
    PoolCase("long-window", (1, 2, 2, 90), {"kernel_size": (1, 40), "stride": (1, 7), "padding": (0, 9)}),
    PoolCase("size-1-axes", (2, 1, 1, 1), {"kernel_size": 1}),
    PoolCase("identity", (1, 20, 3, 17), {"kernel_size": 1}),
    PoolCase("channels-33", (2, 33, 4, 6), {"kernel_size": 2}),
    PoolCase("1d", (2, 3, 19), {"kernel_size": 3, "stride": 2, "padding": 1}),
    PoolCase("1d-tiles", (2, 3, 24), {"kernel_size": 2}),
    PoolCase("1d-chunks", (1, 2, 9001), {"kernel_size": 3, "stride": 64, "padding": ((1, 2),)}),
    PoolCase("3d", (1, 2, 5, 6, 7), {"kernel_size": 2}),
    PoolCase("3d-flat-2x2", (1, 3, 3, 6, 9), {"kernel_size": (1, 2, 2)}),
    PoolCase("3d-flat-3x3", (1, 2, 3, 8, 40), {"kernel_size": (1, 3, 3), "stride": (1, 2, 2), "padding": (0, 1, 1)}),
    PoolCase("3d-mixed", (2, 2, 5, 4, 18), {"kernel_size": (3, 2, 3), "stride": (2, 1, 2), "padding": (1, 0, 1)}),
    PoolCase("adaptive", (2, 3, 7, 11), {"output_size": (3, 4)}),
    PoolCase("adaptive-tiles", (2, 3, 8, 8), {"output_size": 4}),
    PoolCase("adaptive-grows", (1, 2, 3, 5), {"output_size": (5, 7)}),
    PoolCase("adaptive-keeps", (1, 2, 4, 6), {"output_size": (None, 4)}),
    PoolCase("global", (3, 4, 7, 7), {"output_size": 1}),
    PoolCase("adaptive-1d", (2, 2, 17), {"output_size": 5}),
    PoolCase("adaptive-3d", (1, 2, 5, 4, 7), {"output_size": (2, 4, 3)}),
]
SLIDING = [case for case in CASES if "output_size" not in case.options]


def to_layout(array, layout):
    """Channels-first array, laid out in memory as asked."""
    return np.ascontiguousarray(np.moveaxis(array, 1, -1)) if layout == "last" else np.ascontiguousarray(array)


def from_layout(result, layout):
    """Channels-first view of a result, or of each of a pair."""
    if isinstance(result, tuple):
        return tuple(from_layout(array, layout) for array in result)
    return np.moveaxis(result, -1, 1) if layout == "last" else result


def run(case, kind, x, layout="first", **keywords):
    """Forward through the public function; channels-first arrays in and out."""
    function = getattr(fastconv, case.name(kind))
    name = LAYOUTS[layout][case.rank]
    return from_layout(function(to_layout(x, layout), **case.options, layout=name, **keywords), layout)


def run_backward(case, kind, dy, x, layout="first", **keywords):
    """Backward through the public function; channels-first arrays in and out."""
    function = getattr(fastconv, f"{case.name(kind)}_backward")
    name = LAYOUTS[layout][case.rank]
    arrays = (to_layout(dy, layout), to_layout(x, layout))
    keywords = {k: to_layout(v, layout) if isinstance(v, np.ndarray) else v for k, v in keywords.items()}
    return from_layout(function(*arrays, **case.options, layout=name, **keywords), layout)


def settings():
    """Every type with every layout."""
    return [(dtype, layout) for dtype in TYPES for layout in LAYOUTS]


def close(actual, expected, units=8.0):
    """Assert equality within some units in the last place of numbers of size 1 and of the numbers themselves."""
    eps = np.finfo(actual.dtype).eps * units
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual.astype(np.float64), expected, rtol=eps, atol=eps)
