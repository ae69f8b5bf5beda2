"""Memory is bounded and known: limits change the algorithm or the threads, never the bits of an algorithm."""

from __future__ import annotations

import numpy as np
import pytest
from calls import NEEDS, PASSES, run
from cases import LARGE, by_id

import fastconv
from fastconv import _engine

PREPARED = LARGE + by_id("border-wrap", "dilated", "3d", "pointwise", "depthwise", "1d-wide")
ALGORITHMS = _engine.conv_algorithms()


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
    assert below < needed
    assert other != algorithm or algorithm == "depthwise"  # which has ways of its own that need less
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


def prepare(case, **options):
    x, weight, _ = case.arrays(np.float32)
    return x, getattr(fastconv, f"prepare_conv{case.rank}d")(x.shape, weight, **case.options, **options)


@pytest.mark.parametrize("case", PREPARED, ids=lambda c: c.id)
def test_a_prepared_operation_keeps_its_limit(case):
    """With room for one thread it runs on one, in the same bits; with less it takes another algorithm."""
    x, free = prepare(case)
    wanted = free(x, num_threads=1).tobytes()
    _, bound = prepare(case, workspace_limit=free.workspace_bytes)
    assert bound.algorithm == free.algorithm and bound.workspace_bytes == free.workspace_bytes
    assert bound(x, num_threads=3).tobytes() == wanted
    given = np.empty(free.workspace_bytes, np.uint8)
    assert free(x, num_threads=3, workspace=given).tobytes() == wanted
    if free.workspace_bytes:
        _, tight = prepare(case, workspace_limit=free.workspace_bytes - 1)
        assert tight.workspace_bytes < free.workspace_bytes
        assert tight.algorithm != free.algorithm or tight.algorithm == "depthwise"  # which has thinner ways of its own
        np.testing.assert_allclose(tight(x), free(x), rtol=1e-5, atol=1e-4)


def test_a_limit_that_nothing_meets_names_what_is_needed():
    x, weight = np.ones((1, 8, 12, 12), np.float32), np.ones((8, 8, 3, 3), np.float32)
    needed = fastconv.explain_conv2d(x.shape, weight.shape, algorithm="direct").workspace_bytes
    for call in (
        lambda limit: fastconv.conv2d(x, weight, algorithm="direct", workspace_limit=limit),
        lambda limit: fastconv.conv2d_backward(x[..., 2:, 2:], x, weight, algorithm="direct", workspace_limit=limit),
        lambda limit: fastconv.conv_transpose2d(x, weight, algorithm="direct", workspace_limit=limit),
        lambda limit: fastconv.prepare_conv2d(x.shape, weight, algorithm="direct", workspace_limit=limit),
    ):
        with pytest.raises(
            ValueError, match=r"workspace_limit \(=16\) is too small: this call needs at least \d+ bytes"
        ):
            call(16)
        call(1 << 30)
    assert needed > 16


def test_transposed_convolutions_keep_the_limit():
    rng = np.random.default_rng(0)
    x, weight = (rng.standard_normal(shape).astype(np.float32) for shape in ((2, 16, 10, 11), (16, 12, 4, 4)))
    free = fastconv.conv_transpose2d(x, weight, stride=2, padding=1)
    with fastconv.profile() as seen:
        tight = fastconv.conv_transpose2d(x, weight, stride=2, padding=1, workspace_limit=0)
        gradients = fastconv.conv_transpose2d_backward(free, x, weight, stride=2, padding=1, workspace_limit=0)
    assert {record.algorithm for record in seen.records} == {"reference"}
    np.testing.assert_allclose(tight, free, rtol=1e-5, atol=1e-4)
    assert [gradient.shape for gradient in gradients] == [x.shape, weight.shape, (12,)]


@pytest.mark.parametrize("pass_name", PASSES)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_stated_bytes_are_exact(algorithm, pass_name):
    """As many are enough for one thread, nothing beside them is touched, and one byte less is refused."""
    for case in by_id("3x3", "pointwise", "depthwise", "strided", "border-wrap", "3d", "1d", "large-3x3"):
        options = {**case.options, **NEEDS.get(algorithm, {})}
        explain = getattr(fastconv, f"explain_conv{case.rank}d")
        rows = explain(case.x_shape, case.weight_shape, **options, pass_name=pass_name).candidates
        row = next(row for row in rows if row.name == algorithm)
        if row.status != "ok":
            continue
        stated, name = workspace_bytes(case, pass_name, **NEEDS.get(algorithm, {}), algorithm=algorithm)
        assert name == algorithm and stated == row.workspace_bytes
        x, weight, _ = case.arrays(np.float32)
        shape = run("forward", case.rank, x, weight, None, **case.options).shape
        dy = np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32)
        arguments = (pass_name, case.rank, x, weight, dy)
        wanted = run(*arguments, **options, algorithm=algorithm, num_threads=1)
        guarded = np.full(stated + 128, 0xAB, np.uint8)
        for offset in (64, 1, 63):
            workspace = guarded[offset : offset + stated]
            found = run(*arguments, **options, algorithm=algorithm, num_threads=2, workspace=workspace)
            assert found.tobytes() == wanted.tobytes()
            assert (guarded[:offset] == 0xAB).all() and (guarded[offset + stated :] == 0xAB).all(), case.id
            workspace[:] = 0xAB
        if stated:
            with pytest.raises(ValueError, match=f"at least {stated}"):
                run(*arguments, **options, algorithm=algorithm, workspace=guarded[: stated - 1])
