"""Memory is bounded and known: limits change the algorithm or the threads, never the bits of an algorithm."""

from __future__ import annotations

import numpy as np
import pytest
from calls import PASSES, run
from cases import LARGE, by_id

import fastconv
from fastconv import _engine


def workspace_bytes(case, pass_name, **options):
    explain = getattr(fastconv, f"explain_conv{case.rank}d")
    report = explain(case.x_shape, case.weight_shape, **case.options, pass_name=pass_name, **options)
    return report.workspace_bytes, report.algorithm


@pytest.mark.parametrize("pass_name", PASSES)
@pytest.mark.parametrize("case", LARGE + by_id("border-wrap", "dilated", "3d"), ids=lambda c: c.id)
def test_limit_for_one_thread_gives_the_same_bits_with_more(case, pass_name):
    x, weight, _ = case.arrays(np.float32)
    shape = run("forward", case.rank, x, weight, None, **case.options).shape
    dy = np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32)
    needed, _ = workspace_bytes(case, pass_name)
    free = run(pass_name, case.rank, x, weight, dy, **case.options, num_threads=1)
    for keywords in ({"workspace_limit": needed}, {"workspace": np.empty(needed, np.uint8)}):
        bound = run(pass_name, case.rank, x, weight, dy, **case.options, num_threads=3, **keywords)
        assert bound.tobytes() == free.tobytes(), list(keywords)


@pytest.mark.parametrize("pass_name", PASSES)
@pytest.mark.parametrize("case", by_id("3x3", "pointwise", "depthwise", "border-edge"), ids=lambda c: c.id)
def test_tighter_limits_take_another_algorithm(case, pass_name):
    needed, algorithm = workspace_bytes(case, pass_name)
    if needed == 0:
        assert workspace_bytes(case, pass_name, workspace_limit=0) == (0, algorithm) == (0, "pointwise")
        return
    below, other = workspace_bytes(case, pass_name, workspace_limit=needed - 1)
    assert other != algorithm and below < needed
    x, weight, _ = case.arrays(np.float32)
    dy = np.ones(run("forward", case.rank, x, weight, None, **case.options).shape, np.float32)
    plenty = run(pass_name, case.rank, x, weight, dy, **case.options)
    tight = run(pass_name, case.rank, x, weight, dy, **case.options, workspace_limit=below)
    np.testing.assert_allclose(tight, plenty, rtol=1e-5, atol=1e-5)


def test_scratch_does_not_grow_with_the_number_of_shapes():
    _engine.scratch_trim()
    assert _engine.scratch_bytes() == 0
    largest = 0
    for width in range(20, 120):
        x, weight = np.ones((2, 4, 12, width), np.float32), np.ones((8, 4, 3, 3), np.float32)
        fastconv.conv2d(x, weight, num_threads=1)
        largest = max(largest, fastconv.explain_conv2d(x.shape, weight.shape).workspace_bytes)
    assert 0 < _engine.scratch_bytes() <= 4 * (largest + 4096)
