"""Times of single algorithms on one problem, for `tune` and for explanations that are to be measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from fastconv import _engine
from fastconv.functional._plans import ConvKey, Problem, make_plan, result_shape

__all__ = ["dense_key", "measured_seconds"]

ROUNDS, LEAST_SECONDS = 5, 2e-4


def dense_key(key: ConvKey) -> ConvKey:
    """Return the key of the same problem for C-contiguous arrays, free in its algorithm."""
    return key._replace(
        x_strides=None, weight_strides=None, y_strides=None, residual_strides=None, algorithm="auto",
        workspace_limit=None, isa=_engine.isa(),
    )  # fmt: skip


def _call(key: ConvKey, problem: Problem, name: str) -> Callable[[], None]:
    """Return one execution of an algorithm on random arrays."""
    plan = make_plan(key._replace(algorithm=name), problem)
    plan.about = None  # no call of the caller's: whoever watches is not told
    rng = np.random.default_rng(0)
    dtype = np.dtype(key.chars[0])
    y_shape = result_shape(key, problem) if key.pooled else problem.y_shape

    def values(shape: Sequence[int] | None) -> np.ndarray | None:
        return None if shape is None else rng.random(shape, np.float32).astype(dtype, copy=False) - dtype.type(0.5)

    x, weight, y = values(key.x_shape), values(key.weight_shape), values(y_shape)
    bias, residual = values(key.bias_shape), values(key.residual_shape)
    if key.prepared:
        packed = _engine.PackedConv(plan, weight, bias, key.x_shape, y_shape, key.residual_shape)
        return lambda: packed.execute(x, y, residual, None, 0)
    first, last = (y, x) if key.transposed else (x, y)
    return lambda: plan.execute(first, weight, last, bias, residual, None, 0)


def _seconds(call: Callable[[], None], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def measured_seconds(key: ConvKey, problem: Problem, names: Sequence[str], rounds: int = ROUNDS) -> dict[str, float]:
    """Return the least time of one execution of each algorithm: `rounds` turns after one that is not counted.

    The algorithms take turns, so that a disturbance meets all of them; short ones are repeated within a turn.
    """
    calls = {name: _call(key, problem, name) for name in names}
    first = {name: _seconds(call, 1) for name, call in calls.items()}
    first = {name: min(first[name], _seconds(call, 1)) for name, call in calls.items()}
    repeats = {name: max(1, min(1000, round(LEAST_SECONDS / max(seconds, 1e-7)))) for name, seconds in first.items()}
    best = {name: float("inf") for name in names}
    for _ in range(rounds):
        for name, call in calls.items():
            best[name] = min(best[name], _seconds(call, repeats[name]))
    return best
