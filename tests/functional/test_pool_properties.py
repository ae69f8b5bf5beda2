"""Pools obey identities: finite differences, adjoints, invariance to small shifts, and the oracle for any options."""

from __future__ import annotations

import math

import numpy as np
import oracles_pool as oracles
import pytest
from cases_pool import LAYOUTS, SLIDING, PoolCase, close, run, run_backward
from hypothesis import given, settings
from hypothesis import strategies as st

import fastconv

RULES = {
    "max": {},
    "avg": {"count_include_pad": False},
    "l2": {"norm_type": 2},
    "l3": {"norm_type": 3},
    "linf": {"norm_type": math.inf},
}


@st.composite
def pools(draw):
    """Draw a small sliding pool that has at least one window, none of them wholly in padding."""
    rank = draw(st.integers(1, 3))
    axes = []
    for _ in range(rank):
        kernel, dilation = draw(st.integers(1, 4)), draw(st.integers(1, 2))
        extent = dilation * (kernel - 1) + 1
        size = draw(st.integers(1, 9))
        pads = draw(st.tuples(st.integers(0, extent - 1), st.integers(0, extent - 1)))
        axes.append((size, kernel, draw(st.integers(1, 4)), dilation, pads))
    size, kernel, stride, dilation, pads = zip(*axes, strict=True)
    options = {"kernel_size": kernel, "stride": stride, "dilation": dilation, "padding": pads}
    options["ceil_mode"] = draw(st.booleans())
    return PoolCase("drawn", (draw(st.integers(1, 2)), draw(st.integers(1, 19)), *size), options)


def is_possible(case):
    """Whether the pool has outputs, and every window an element of the input."""
    return all(len(axis) and all(len(window) for window in axis) for axis in case.windows.positions)


@given(case=pools(), layout=st.sampled_from(list(LAYOUTS)), dtype=st.sampled_from([np.float32, np.float64]))
@settings(max_examples=150)
def test_any_pool_is_the_oracle_or_an_error(case, layout, dtype):
    x = case.random().astype(dtype)
    if not is_possible(case):
        with pytest.raises(ValueError, match="output would be empty|wholly in the padding"):
            run(case, "max", x, layout)
        return
    y, indices = oracles.max_pool(x, case.windows)
    found = run(case, "max", x, layout, return_indices=True)
    np.testing.assert_array_equal(found[0], y)
    np.testing.assert_array_equal(found[1], indices)
    close(run(case, "avg", x, layout), oracles.avg_pool(x, case.windows), 32)
    close(run(case, "lp", x, layout, norm_type=1.5), oracles.lp_pool(x, case.windows, 1.5), 200)
    dy = case.random("dy", y.shape).astype(dtype)
    close(run_backward(case, "max", dy, x, layout), oracles.max_pool_backward(dy, x, case.windows), 64)
    close(run_backward(case, "avg", dy, x, layout), oracles.avg_pool_backward(dy, x, case.windows), 64)
    close(
        run_backward(case, "lp", dy, x, layout, norm_type=1.5), oracles.lp_pool_backward(dy, x, case.windows, 1.5), 400
    )


@given(
    size=st.lists(st.integers(1, 12), min_size=1, max_size=3),
    outputs=st.lists(st.one_of(st.none(), st.integers(1, 14)), min_size=3, max_size=3),
    layout=st.sampled_from(list(LAYOUTS)),
)
def test_any_adaptive_pool_is_the_oracle(size, outputs, layout):
    case = PoolCase("drawn", (2, 3, *size), {"output_size": tuple(outputs[: len(size)])})
    x = case.random().astype(np.float32)
    y, indices = oracles.max_pool(x, case.windows)
    found = run(case, "max", x, layout, return_indices=True)
    np.testing.assert_array_equal(found[0], y)
    np.testing.assert_array_equal(found[1], indices)
    close(run(case, "avg", x, layout), oracles.avg_pool(x, case.windows), 32)
    dy = case.random("dy", y.shape).astype(np.float32)
    close(run_backward(case, "max", dy, x, layout), oracles.max_pool_backward(dy, x, case.windows), 64)
    close(run_backward(case, "avg", dy, x, layout), oracles.avg_pool_backward(dy, x, case.windows), 64)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", [case for case in SLIDING if math.prod(case.shape) < 1000], ids=lambda case: case.id)
def test_gradients_are_finite_differences(case, layout, rule):
    """Along a random direction; a central difference in float64 is good to about 1e-9."""
    kind, options = ("lp" if rule.startswith("l") else rule), RULES[rule]
    x, step = case.random(), 1e-6
    direction = case.random("direction")
    ahead, behind = (run(case, kind, x + sign * step * direction, layout, **options) for sign in (1, -1))
    dy = case.random("dy", ahead.shape)
    slope = np.sum(dy * (ahead - behind)) / (2 * step)
    dx = run_backward(case, kind, dy, x, layout, **options)
    np.testing.assert_allclose(np.sum(dx * direction), slope, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", SLIDING, ids=lambda case: case.id)
def test_average_pooling_and_its_gradient_are_adjoint(case, layout):
    x = case.random()
    y = run(case, "avg", x, layout)
    dy = case.random("dy", y.shape)
    np.testing.assert_allclose(
        np.sum(y * dy), np.sum(x * run_backward(case, "avg", dy, x, layout)), rtol=1e-9, atol=1e-9
    )


def test_unpool_and_its_gradient_are_adjoint():
    x = np.random.default_rng(0).normal(size=(2, 3, 9, 8))
    y, indices = fastconv.max_pool2d(x, 2, return_indices=True)
    full = fastconv.max_unpool2d(y, indices, 2, output_size=(9, 8))
    back = fastconv.max_unpool2d_backward(x, indices)
    np.testing.assert_array_equal(back, y)
    np.testing.assert_allclose(np.sum(full * x), np.sum(y * back))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_every_tie_policy_keeps_what_it_promises(seed):
    x = np.random.default_rng(seed).integers(0, 3, (1, 2, 6, 6)).astype(np.float64)
    dy = np.random.default_rng(seed + 1).integers(1, 5, (1, 2, 3, 3)).astype(np.float64)
    first, split, every = (fastconv.max_pool2d_backward(dy, x, 2, ties=ties) for ties in ("first", "split", "all"))
    np.testing.assert_allclose([first.sum(), split.sum()], dy.sum())
    np.testing.assert_array_equal(every > 0, split > 0)
    np.testing.assert_array_equal(every[first > 0], first[first > 0])
    assert np.count_nonzero(first) == dy.size


def test_max_pooling_is_invariant_to_small_shifts():
    """A feature that moves by one pixel within its window leaves the pooled map alone; average pools do likewise."""
    x = np.zeros((1, 1, 8, 8), np.float32)
    x[0, 0, 2, 4] = 5
    shifted = np.roll(x, (1, 1), axis=(2, 3))
    for pool in (fastconv.max_pool2d, fastconv.avg_pool2d):
        np.testing.assert_array_equal(pool(x, 2), pool(shifted, 2))
    assert not np.array_equal(fastconv.max_pool2d(x, 2), fastconv.max_pool2d(np.roll(shifted, 1, 3), 2))


def test_max_pool_2x2_discards_three_quarters():
    x = np.random.default_rng(0).permutation(4 * 28 * 28).reshape(1, 4, 28, 28).astype(np.float32)
    y = fastconv.max_pool2d(x, 2)
    assert y.shape == (1, 4, 14, 14)
    assert y.size * 4 == x.size
    assert np.isin(y, x).all()


def test_one_dimensional_pools_are_two_dimensional_ones_of_height_one():
    x = np.random.default_rng(0).normal(size=(2, 3, 31)).astype(np.float32)
    for name, arguments in (("max_pool", (3, 2)), ("avg_pool", (3, 2)), ("adaptive_avg_pool", (4,))):
        line = getattr(fastconv, f"{name}1d")(x, *arguments)
        plane = getattr(fastconv, f"{name}2d")(x[:, :, None], *((1, value) for value in arguments))
        np.testing.assert_array_equal(line, plane[:, :, 0])
