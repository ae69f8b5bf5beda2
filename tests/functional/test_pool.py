"""Every pool on the case table, in both layouts and types, with every instruction set, against the float64 oracle."""

from __future__ import annotations

import math

import numpy as np
import oracles_pool as oracles
import pytest
from cases_pool import CASES, LAYOUTS, SLIDING, PoolCase, close, expected, run, run_backward, settings, to_layout

import fastconv

over_all = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
over_sliding = pytest.mark.parametrize("case", SLIDING, ids=lambda case: case.id)


def same(actual, wanted, dtype):
    """Maxima are copies, so they are exact."""
    assert actual.dtype == dtype
    np.testing.assert_array_equal(actual, wanted)


@pytest.mark.parametrize("values", ["random", "wild"])
@over_all
def test_max(case, values, isa):
    x, (y, indices) = expected(case, "max_pool", values)
    for dtype, layout in settings():
        same(run(case, "max", x.astype(dtype), layout), y, dtype)
        found, positions = run(case, "max", x.astype(dtype), layout, return_indices=True, num_threads=3)
        same(found, y, dtype)
        same(positions, indices, np.int64)


@pytest.mark.parametrize("values", ["tied", "wild"])
@over_all
def test_max_backward(case, values, isa):
    for ties in ("first", "split", "all"):
        x, dy, dx = expected(case, "max_pool_backward", values, ties)
        for dtype, layout in settings():
            given = dy.astype(dtype), x.astype(dtype), layout
            close(run_backward(case, "max", *given, ties=ties, num_threads=2), dx, 64)
            if ties == "first":
                indices = expected(case, "max_pool", values)[1][1]
                close(run_backward(case, "max", *given, indices=indices), dx, 64)


@pytest.mark.parametrize("values", ["random", "wild"])
@pytest.mark.parametrize("kernel", [2, 3, 5])
def test_stride_1_on_every_narrow_map(kernel, values, isa):
    """Maps around the width of a vector, with every padding, out of rows with a pitch and into such rows."""
    for width in range(1, 19):
        for before in range(kernel):
            after = (width + before) % kernel
            if width + before + after < kernel:
                continue
            options = {"kernel_size": kernel, "stride": 1, "padding": ((kernel // 2, kernel - 1), (before, after))}
            case = PoolCase("narrow", (2, 3, 7, width), options)
            x, (y, _) = expected(case, "max_pool", values)
            for dtype in (np.float32, np.float64):
                wide = np.full((*case.shape[:3], width + 3), np.nan, dtype)
                wide[..., 1:-2] = x
                same(run(case, "max", wide[..., 1:-2], num_threads=2), y, dtype)
                found = np.full((*y.shape[:3], y.shape[3] + 2), 7, dtype)
                fastconv.max_pool2d(wide[..., 1:-2], **options, out=found[..., 1:-1])
                same(found[..., 1:-1], y, dtype)
                assert (found[..., [0, -1]] == 7).all()


@pytest.mark.parametrize("kernel", [2, 3])
def test_special_values_in_few_planes(kernel, isa):
    """A NaN or a window of -inf changes nothing in other planes, and the first of equal elements still wins."""
    case = PoolCase("special", (2, 3, 12, 40), {"kernel_size": kernel, "stride": 2, "padding": 1})
    x = case.random()
    x[0, 1, 5, 7] = np.nan
    x[1, 2] = -np.inf
    x[1, 0, 3:8] = -np.inf
    y, indices = oracles.max_pool(x, case.windows)
    dy = case.random("dy", y.shape)
    dx = oracles.max_pool_backward(dy, x, case.windows, "first")
    for dtype, layout in settings():
        found, positions = run(case, "max", x.astype(dtype), layout, return_indices=True)
        same(found, y, dtype)
        same(positions, indices, np.int64)
        given = dy.astype(dtype), x.astype(dtype), layout
        close(run_backward(case, "max", *given), dx, 64)
        close(run_backward(case, "max", *given, indices=indices), dx, 64)


def test_indices_outside_their_windows(isa):
    """Indices may come from anywhere: the gradient goes where they point."""
    rng = np.random.default_rng(0)
    dy = rng.standard_normal((2, 3, 10, 20))
    indices = rng.integers(0, 20 * 40, dy.shape)
    indices[0] = fastconv.max_pool2d(rng.standard_normal((1, 3, 20, 40)), 3, 2, 1, return_indices=True)[1]
    indices[0, 1, 1, 0] = 79
    dx = np.zeros((6, 800))
    np.add.at(dx, (np.arange(6)[:, None], indices.reshape(6, -1)), dy.reshape(6, -1))
    found = fastconv.max_pool2d_backward(dy, (2, 3, 20, 40), 3, 2, 1, indices=indices)
    np.testing.assert_allclose(found, dx.reshape(2, 3, 20, 40), atol=1e-12)
    for wrong in (-1, 800):
        indices[0, 2, 0, 0] = wrong
        with pytest.raises(ValueError, match="indices reach"):
            fastconv.max_pool2d_backward(dy, (2, 3, 20, 40), 3, 2, 1, indices=indices)


@pytest.mark.parametrize(("kernel", "padding"), [(2, 0), (3, 1)])
def test_tensors_larger_than_the_caches(kernel, padding, isa):
    """Their results are written past the caches; they are those of each plane alone."""
    planes = fastconv.info()["l3_bytes"] // (333 * 335 * 4) + 2
    x = np.random.default_rng(0).standard_normal((1, planes, 333, 335), dtype=np.float32)
    windows = (kernel, 2, padding)
    y, indices = fastconv.max_pool2d(x, *windows, return_indices=True)
    dx = fastconv.max_pool2d_backward(y, x, *windows)
    again = fastconv.max_pool2d_backward(y, x.shape, *windows, indices=indices)
    np.testing.assert_array_equal(again, dx)
    for plane in (0, 1, planes - 1):
        one = x[:, plane : plane + 1]
        want, at = fastconv.max_pool2d(one, *windows, return_indices=True)
        np.testing.assert_array_equal(y[:, plane : plane + 1], want)
        np.testing.assert_array_equal(indices[:, plane : plane + 1], at)
        np.testing.assert_array_equal(dx[:, plane : plane + 1], fastconv.max_pool2d_backward(want, one, *windows))


@over_all
def test_avg(case, isa):
    for count_include_pad, divisor in [(True, None), (False, None), (True, 3)] if case in SLIDING else [(True, None)]:
        chosen = {}
        if case in SLIDING:
            chosen = {"count_include_pad": count_include_pad, "divisor_override": divisor}
        x, y = expected(case, "avg_pool", "random", count_include_pad, divisor)
        _, dy, dx = expected(case, "avg_pool_backward", "random", count_include_pad, divisor)
        for dtype, layout in settings():
            close(run(case, "avg", x.astype(dtype), layout, **chosen), y)
            close(run_backward(case, "avg", dy.astype(dtype), x.astype(dtype), layout, **chosen), dx, 64)


@pytest.mark.parametrize("p", [1, 2, 3, math.inf])
@over_sliding
def test_lp(case, p, isa):
    x, y = expected(case, "lp_pool", "sparse", p)
    _, dy, dx = expected(case, "lp_pool_backward", "sparse", p)
    for dtype, layout in settings():
        given = dy.astype(dtype), x.astype(dtype), layout
        close(run(case, "lp", x.astype(dtype), layout, norm_type=p), y, 200)
        close(run_backward(case, "lp", *given, norm_type=p), dx, 400)
        close(run_backward(case, "lp", *given, norm_type=p, y=y.astype(dtype)), dx, 400)


@over_sliding
def test_lp_of_zeros_has_no_gradient(case):
    for dtype, layout in settings():
        x = np.zeros(case.shape, dtype)
        y = run(case, "lp", x, layout, norm_type=2)
        assert not y.any()
        for p in (1, 2, 3, 0.5, math.inf):
            assert not run_backward(case, "lp", np.ones_like(y), x, layout, norm_type=p).any()


@over_sliding
def test_l2_gradient_of_extreme_sizes(case, isa):
    """The slopes x/y do not overflow or vanish where y is near the ends of what its square allows."""
    x, dy, dx = expected(case, "lp_pool_backward", "random", 2)
    for layout in LAYOUTS:
        for dtype, size in (
            (np.float32, 2.0**-55),
            (np.float32, 2.0**55),
            (np.float64, 2.0**-500),
            (np.float64, 2.0**500),
        ):
            given = dy.astype(dtype), (x * size).astype(dtype), layout
            close(run_backward(case, "lp", *given, norm_type=2), dx, 400)
    tiny = np.full((1, 1, 2), 1e-35, np.float32)
    np.testing.assert_allclose(fastconv.lp_pool1d_backward(np.full((1, 1, 1), 1e8, np.float32), tiny, 1, 2), 1e8)


@over_sliding
def test_signed_lp(case):
    x = case.random()
    for p in (1, 2, 3, 0.5):
        given = x if p in (1, 2) else np.abs(x)
        y = oracles.lp_pool(given, case.windows, p, signed=True)
        for dtype, layout in settings():
            close(run(case, "lp", given.astype(dtype), layout, norm_type=p, signed=True), y, 400)


def test_signed_lp_sees_signs():
    x = np.array([[[1.0, -3.0]]])
    assert fastconv.lp_pool1d(x, 1, 2, signed=True).item() == -2
    assert fastconv.lp_pool1d(x, 1, 2).item() == 4
    assert np.isnan(fastconv.lp_pool1d(x, 3, 2, signed=True).item())
    np.testing.assert_allclose(fastconv.lp_pool1d_backward(np.ones((1, 1, 1)), x, 1, 2, signed=True), [[[1, 1]]])


@over_sliding
def test_unpool(case, isa):
    x, (y, indices) = expected(case, "max_pool", "random")
    unpool = getattr(fastconv, f"max_unpool{case.rank}d")
    backward = getattr(fastconv, f"max_unpool{case.rank}d_backward")
    full = oracles.max_unpool(y, indices, case.shape[2:])
    dy = case.random("dy")
    picked = np.take_along_axis(dy.reshape(*dy.shape[:2], -1), indices.reshape(*dy.shape[:2], -1), -1).reshape(y.shape)
    for dtype, layout in settings():
        name = LAYOUTS[layout][case.rank]
        values, at = to_layout(y.astype(dtype), layout), to_layout(indices, layout)
        found = unpool(values, at, case.options["kernel_size"], output_size=case.shape[2:], layout=name)
        same(found, to_layout(full, layout), dtype)
        same(backward(to_layout(dy.astype(dtype), layout), at, layout=name), to_layout(picked, layout), dtype)


def test_unpool_undoes_a_pool_of_sparse_values(isa):
    rng = np.random.default_rng(0)
    x = np.zeros((2, 3, 8, 12), np.float32)
    x[:, :, ::2, 1::2] = rng.uniform(1, 2, (2, 3, 4, 6))
    y, indices = fastconv.max_pool2d(x, 2, return_indices=True)
    np.testing.assert_array_equal(fastconv.max_unpool2d(y, indices, 2), x)
    again, same = fastconv.max_pool2d(fastconv.max_unpool2d(y, indices, 2), 2, return_indices=True)
    np.testing.assert_array_equal(again, y)
    np.testing.assert_array_equal(same, indices)


def test_unpool_sizes():
    x, at = np.ones((1, 2, 3)), np.zeros((1, 2, 3), np.int64)
    assert fastconv.max_unpool1d(x, at, 2).shape == (1, 2, 6)
    assert fastconv.max_unpool1d(x, at, 3, 2, padding=1).shape == (1, 2, 5)
    assert fastconv.max_unpool1d(x, at, 2, output_size=7).shape == (1, 2, 7)
    assert fastconv.max_unpool1d(x, at, 2, output_size=(1, 2, 7)).shape == (1, 2, 7)
    assert fastconv.max_unpool1d(x[0], at[0], 2, output_size=(7,)).shape == (2, 7)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_global_pools(rank, isa):
    case = PoolCase("global", (3, 5, 7, 6, 4)[: rank + 2], {"output_size": 1})
    for kind, (dtype, layout) in [(kind, setting) for kind in ("avg", "max") for setting in settings()]:
        function = getattr(fastconv, f"global_{kind}_pool{rank}d")
        backward = getattr(fastconv, f"global_{kind}_pool{rank}d_backward")
        x, y = expected(case, f"{kind}_pool", "random")
        _, dy, dx = expected(case, f"{kind}_pool_backward", "random")
        x, dy, dx = (to_layout(array, layout) for array in (x.astype(dtype), dy.astype(dtype), dx))
        name = LAYOUTS[layout][rank]
        close(function(x, layout=name), to_layout(y[0] if kind == "max" else y, layout))
        close(backward(dy, x, layout=name), dx)
        if kind == "max":
            same(function(x, True, layout=name)[1], to_layout(y[1], layout), np.int64)


THREADED = [
    PoolCase("2x2", (4, 16, 24, 46), {"kernel_size": 2}),
    PoolCase("3x3s2-pad", (4, 16, 24, 46), {"kernel_size": 3, "stride": 2, "padding": 1}),
    PoolCase("few-planes", (1, 2, 151, 259), {"kernel_size": 3, "stride": 1, "padding": 0}),
    PoolCase("1d-chunks", (1, 1, 100_003), {"kernel_size": 3, "stride": 2, "padding": 0}),
    PoolCase("global", (16, 40, 13, 13), {"output_size": 1}),
]


def strided_windows(case, x):
    """All windows on the last axis, by NumPy."""
    if "output_size" in case.options:
        return x.reshape(*x.shape[:2], *[1] * case.rank, -1)
    k, pad = case.options["kernel_size"], case.options.get("padding", 0)
    s = case.options.get("stride", k)
    padded = np.pad(x, [(0, 0), (0, 0), *[(pad, pad)] * case.rank], constant_values=-9)
    axes = tuple(range(2, x.ndim))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (k,) * case.rank, axis=axes)
    windows = windows[(slice(None), slice(None), *[slice(None, None, s)] * case.rank)]
    return windows.reshape(*windows.shape[: x.ndim], -1)


@pytest.mark.parametrize("case", THREADED, ids=lambda case: case.id)
def test_threads_change_no_bit(case, isa):
    x = case.random().astype(np.float32)
    y = strided_windows(case, x).max(-1)
    dy = case.random("dy", y.shape).astype(np.float32)
    for layout in LAYOUTS:
        for threads in (1, 2, 3):
            np.testing.assert_array_equal(run(case, "max", x, layout, num_threads=threads), y)
            values, indices = run(case, "max", x, layout, num_threads=threads, return_indices=True)
            np.testing.assert_array_equal(values, y)
            picked = np.take_along_axis(x.reshape(*x.shape[:2], -1), indices.reshape(*x.shape[:2], -1), -1)
            np.testing.assert_array_equal(picked.reshape(y.shape), y)
        for kind in ("max", "avg") if "output_size" in case.options else ("max", "avg", "lp"):
            extra = {"norm_type": 2} if kind == "lp" else {}
            serial = run(case, kind, x, layout, num_threads=1, **extra)
            gradient = run_backward(case, kind, dy, x, layout, num_threads=1, **extra)
            for threads in (2, 3):
                np.testing.assert_array_equal(run(case, kind, x, layout, num_threads=threads, **extra), serial)
                found = run_backward(case, kind, dy, x, layout, num_threads=threads, **extra)
                np.testing.assert_array_equal(found, gradient)
